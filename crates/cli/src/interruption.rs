//! INT and TERM during commands that change a store.
//!
//! The first signal asks the command to stop: what it has not finished is undone, and the exit code
//! is the one by which shells tell a program that was ended by the signal. A second signal ends the
//! program at once, and what is left then is undone by the next command that changes the store.
//! Commands that change nothing are ended by the first signal, as programs usually are.

use std::sync::{Arc, OnceLock};

use layerhold_sys::{Cancel, Ending, EndingSignals};

use crate::say::say;

/// The request to stop, and the signal that made it.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    cancel: Cancel,
    ending: Arc<OnceLock<Ending>>,
    /// The name of the program that watches its signals; tests and embedding programs have none.
    program: Option<&'static str>,
}

impl Interruption {
    /// That of a program of this name.
    pub(crate) fn of(program: &'static str) -> Self {
        Self {
            program: Some(program),
            ..Self::default()
        }
    }

    /// The request to stop.
    pub(crate) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Whether a command with several things to do shall begin no other one.
    pub(crate) fn is_asked(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Has signals ask to stop from now on. Where that cannot be had, they end the program.
    pub(crate) fn watch(&self) {
        let Some(program) = self.program else { return };
        let Ok(signals) = EndingSignals::watch() else {
            return;
        };
        let this = self.clone();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        drop(thread.spawn(move || this.serve(program, signals)));
    }

    fn serve(&self, program: &str, mut signals: EndingSignals) {
        let Ok(first) = signals.wait() else { return };
        let _is_first = self.ending.set(first);
        self.cancel.cancel();
        if self.cancel.is_expendable() {
            say(&format!(
                "{program}: interrupted while it erased files that belong to nothing any more; the next command that changes the store goes on with that"
            ));
            std::process::exit(first.exit_code().into());
        }
        say(&format!(
            "{program}: interrupted, undoing what is not finished; another signal ends it at once"
        ));
        if let Ok(second) = signals.wait() {
            say(&format!(
                "{program}: ended at once; the next command that changes the store undoes the rest"
            ));
            std::process::exit(second.exit_code().into());
        }
    }

    /// Says at the end of a command that was asked to stop what came of it, and returns the exit
    /// code; `None` for others.
    pub(crate) fn conclude(&self, succeeded: bool) -> Option<u8> {
        let ending = self.ending.get()?;
        let program = self.program.unwrap_or_default();
        say(&if succeeded {
            format!("{program}: it was finished already, and nothing is undone")
        } else {
            format!("{program}: what was not finished is undone")
        });
        Some(ending.exit_code())
    }
}
