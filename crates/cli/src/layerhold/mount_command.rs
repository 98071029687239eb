//! `layerhold mount NAME -- COMMAND`: a mount that lasts as long as a command.
//!
//! The signals by which programs are ended are received before anything is mounted, and passed on
//! to the command: this process stays to unmount. A signal of the terminal reaches the command
//! without that.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerhold::{Item, MountError, MountGuard, MountRequest};
use layerhold_sys::{PassedSignal, PassedSignals, SignalTarget, best_effort};

use super::USAGE;
use super::args::Mount;
use super::call::Call;
use super::find::find;
use crate::environment::Environment;
use crate::failure::{Failure, chain, stream};
use crate::say::say;
use crate::user_namespace::{Entered, variables};

/// The variable with the mount point.
const VARIABLE: &str = "LAYERHOLD_MOUNT";

/// The text that stands for the mount point in the words of the command.
const PLACEHOLDER: &str = "{}";

/// Exit codes of commands that a signal ended begin here, as in shells.
const SIGNALLED: i32 = 128;

/// Why the command does not run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {program:?}")]
struct CannotRun {
    program: String,
    source: io::Error,
}

impl CannotRun {
    /// The exit code, as of a shell.
    fn exit_code(&self) -> u8 {
        match self.source.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        }
    }
}

/// Mounts an item, runs the command, unmounts. Returns the exit code of the command.
pub(super) fn run(
    call: &mut Call<'_, '_>,
    args: &Mount,
    request: &MountRequest,
    environment: &Environment,
) -> Result<u8, Failure> {
    let ([item], [program, words @ ..]) = (args.items.as_slice(), args.command.as_slice()) else {
        call.note("layerhold: cannot tell what to mount for the command: name one layer, container or image before `--`")?;
        return Ok(USAGE);
    };
    let recipient = Recipient::watching(environment)?;
    let mount = mount(call, item, request)?;
    let fill = |word: &String| filled(word, mount.path());
    let mut command = Command::new(fill(program));
    command.args(words.iter().map(fill));
    command.env_clear().envs(&environment.variables);
    if call.entered == Entered::Now {
        command.envs(variables(environment));
    }
    command.env(VARIABLE, mount.path());
    call.streams.flush().map_err(stream)?;
    if let Some(number) = environment.open_files {
        layerhold_sys::set_open_files(number).map_err(Failure::value)?;
    }
    let code = match recipient.run(&mut command) {
        Ok(code) => code,
        Err(source) => {
            let program = program.clone();
            let error = CannotRun { program, source };
            call.note(format_args!("layerhold: {}", chain(&error)))?;
            error.exit_code()
        }
    };
    match mount.unmount() {
        // The command may have unmounted it.
        Ok(_) | Err(MountError::NotMounted { .. }) => Ok(code),
        Err(error) => {
            call.complain(item, error)?;
            Ok(if code == 0 { 1 } else { code })
        }
    }
}

fn mount(call: &Call<'_, '_>, item: &str, request: &MountRequest) -> Result<MountGuard, Failure> {
    let found = find(&call.store.snapshot()?, item)?;
    let mount = match found {
        Item::Image(image) => call.store.mount_image_guard(image.id(), request)?,
        item => call.store.mount_guard(item.id(), request)?,
    };
    Ok(mount)
}

/// A word of the command with the mount point in it.
fn filled(word: &str, path: &Path) -> OsString {
    let mut filled = OsString::new();
    for (index, piece) in word.split(PLACEHOLDER).enumerate() {
        if index > 0 {
            filled.push(path);
        }
        filled.push(OsStr::new(piece));
    }
    filled
}

fn exit_code(status: ExitStatus) -> u8 {
    let signalled = status.signal().map(|signal| SIGNALLED + signal);
    let code = status.code().or(signalled).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// What becomes of a signal.
#[derive(Debug)]
enum State {
    /// The command is not running yet. After a signal it never will.
    Before(Option<PassedSignal>),
    /// The command gets it.
    Running(SignalTarget),
    /// Nothing: the layer is being unmounted.
    After,
}

/// The receiving end of signals.
#[derive(Clone, Debug)]
struct Recipient(Arc<Mutex<State>>);

impl Recipient {
    /// Receives signals from now on, if this is the program and not a test of it.
    fn watching(environment: &Environment) -> Result<Self, Failure> {
        let this = Self(Arc::new(Mutex::new(State::Before(None))));
        let Some(program) = environment.interruption.program() else {
            return Ok(this);
        };
        let signals = PassedSignals::watch().map_err(Failure::value)?;
        let serving = this.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || serving.serve(signals, program))
            .map_err(|source| Failure::value(NoThread { source }))?;
        Ok(this)
    }

    fn serve(&self, mut signals: PassedSignals, program: &str) {
        while let Ok(signal) = signals.wait() {
            match &mut *self.state() {
                State::Before(first @ None) => *first = Some(signal),
                State::Before(Some(_)) => {
                    say(&format!(
                        "{program}: ended at once; `{program} mount` shows what is mounted"
                    ));
                    std::process::exit(signal.exit_code().into());
                }
                State::Running(_) if signal.is_from_terminal() => {}
                State::Running(target) => best_effort(target.send(signal)),
                State::After => {}
            }
        }
    }

    /// Runs the command, unless a signal came before it, and returns its exit code.
    fn run(&self, command: &mut Command) -> io::Result<u8> {
        let mut state = self.state();
        if let State::Before(Some(signal)) = *state {
            *state = State::After;
            return Ok(signal.exit_code());
        }
        let mut child = command.spawn()?;
        let target = SignalTarget::new(&child);
        *state = State::Running(target.clone());
        drop(state);
        let status = target.wait(&mut child);
        *self.state() = State::After;
        Ok(exit_code(status?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why signals cannot be passed on.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread for signals")]
struct NoThread {
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_point_replaces_every_placeholder() {
        for (word, expected) in [
            ("", ""),
            ("{}", "/m"),
            ("{}/etc:{}", "/m/etc:/m"),
            ("a{b}{", "a{b}{"),
            ("{{}}", "{/m}"),
        ] {
            assert_eq!(filled(word, Path::new("/m")), expected, "{word}");
        }
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(exit_code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
    }
}
