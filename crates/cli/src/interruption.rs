//! INT and TERM during commands that change a store.
//!
//! The first signal asks the command to stop: it undoes what it has not finished, and exits with
//! the code that shells give to a program ended by the signal. A second signal ends the program at
//! once; the next command that changes the store undoes the rest. Commands that change nothing are
//! ended by the first signal, as programs usually are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use layerhold_sys::{Cancel, Ending, EndingSignals, best_effort};

use crate::say::say;

/// The request to stop, and the signal that made it.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    cancel: Cancel,
    ending: Arc<OnceLock<Ending>>,
    /// Whether the command stops where it is, instead of undoing what it began.
    only_stops: Arc<AtomicBool>,
    /// The name of the program that watches its signals; tests and embedding programs have none.
    program: Option<&'static str>,
}

impl Interruption {
    /// The interruption of a program with this name.
    pub(crate) fn of(program: &'static str) -> Self {
        Self {
            program: Some(program),
            ..Self::default()
        }
    }

    /// The name of the program whose signals may be watched.
    pub(crate) fn program(&self) -> Option<&'static str> {
        self.program
    }

    /// The request to stop.
    pub(crate) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Whether a command with several steps must not begin another one.
    pub(crate) fn is_asked(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Makes signals ask to stop a command that undoes nothing.
    pub(crate) fn watch_to_stop(&self) {
        self.only_stops.store(true, Ordering::Relaxed);
        self.watch();
    }

    /// Makes signals ask to stop from now on. If that fails, they end the program.
    pub(crate) fn watch(&self) {
        let Some(program) = self.program else { return };
        let Ok(signals) = EndingSignals::watch() else {
            return;
        };
        let this = self.clone();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        best_effort(thread.spawn(move || this.serve(program, signals)));
    }

    fn serve(&self, program: &str, mut signals: EndingSignals) {
        let Ok(first) = signals.wait() else { return };
        let _is_first = self.ending.set(first);
        self.cancel.cancel();
        if self.cancel.is_expendable() {
            say(&format!(
                "{program}: interrupted while erasing files that are no longer used; the next command that changes the store continues"
            ));
            std::process::exit(first.exit_code().into());
        }
        let doing = match self.only_stops.load(Ordering::Relaxed) {
            true => "stopping",
            false => "undoing unfinished work",
        };
        say(&format!(
            "{program}: interrupted, {doing}; another signal ends it at once"
        ));
        if let Ok(second) = signals.wait() {
            say(&format!(
                "{program}: ended at once; the next command that changes the store undoes the rest"
            ));
            std::process::exit(second.exit_code().into());
        }
    }

    /// Reports the outcome of a command that was asked to stop, and returns its exit code; `None`
    /// if it was not asked.
    pub(crate) fn conclude(&self, succeeded: bool) -> Option<u8> {
        let ending = self.ending.get()?;
        let program = self.program.unwrap_or_default();
        let only_stops = self.only_stops.load(Ordering::Relaxed);
        let outcome = match (succeeded, only_stops) {
            (true, _) => "the command had finished, and nothing was undone",
            (false, true) => "the command was stopped, and what it had done stays",
            (false, false) => "unfinished work was undone",
        };
        say(&format!("{program}: {outcome}"));
        Some(ending.exit_code())
    }
}
