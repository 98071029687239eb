//! `unshare`: a command in the user namespace that a store of an ordinary user needs.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use layerhold_sys::best_effort;

use super::call::AloneCall;
use crate::failure::{Failure, stream};
use crate::user_namespace::{self, Entered};

/// The command when none is given and `SHELL` is not set.
const SHELL: &str = "/bin/sh";
/// Exit codes of commands that a signal ended begin here, as in shells.
const SIGNALLED: i32 = 128;

/// Why a command does not run, with Go's texts.
#[derive(Debug, thiserror::Error)]
enum NoProgram {
    #[error("exec: {name:?}: executable file not found in $PATH")]
    NotInPath { name: String },
    #[error("fork/exec {path}")]
    Start { path: String, source: io::Error },
}

impl NoProgram {
    /// A name without a slash was searched for; files that may not be executed do not count.
    fn new(program: &str, source: io::Error) -> Self {
        use io::ErrorKind::{NotFound, PermissionDenied};
        if !program.contains('/') && matches!(source.kind(), NotFound | PermissionDenied) {
            let name = program.to_owned();
            return Self::NotInPath { name };
        }
        let path = program.to_owned();
        Self::Start { path, source }
    }
}

/// Runs the command and exits as it does; to the Go tool every failure is a 1.
///
/// Root needs no namespace, and gets none; there the Go tool starts itself again and again until it
/// fails.
pub(crate) fn run(call: &mut AloneCall<'_, '_>) -> Result<u8, Failure> {
    let mut tell = |what: &str| best_effort(call.streams.note(what));
    let entered = user_namespace::enter_if_needed(call.environment, &mut tell)?;
    let shell = call.environment.get("SHELL").unwrap_or(OsStr::new(SHELL));
    let (program, arguments) = match call.operands.split_first() {
        Some((program, arguments)) => (OsStr::new(program), arguments),
        None => (shell, &[][..]),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    command.env_clear().envs(&call.environment.variables);
    if entered == Entered::Now {
        command.envs(user_namespace::variables(call.environment));
    }
    call.streams.flush().map_err(stream)?;
    if let Some(number) = call.environment.open_files {
        layerhold_sys::set_open_files(number).map_err(Failure::value)?;
    }
    let status = command
        .status()
        .map_err(|error| Failure::value(NoProgram::new(&program.to_string_lossy(), error)))?;
    Ok(exit_code(status))
}

fn exit_code(status: ExitStatus) -> u8 {
    let signalled = status.signal().map(|signal| SIGNALLED + signal);
    let code = status.code().or(signalled).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
    }
}
