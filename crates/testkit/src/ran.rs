//! Runs programs to their end and returns their output.

use std::io::Write;
use std::process::{Command, Stdio};

/// The result of a finished program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Ran {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Ran {
    /// Whether the exit code was 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text, if the program succeeded.
    ///
    /// # Panics
    /// If it failed, with the command and its standard error.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        self.assert_success();
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as lines of text, if the program succeeded.
    ///
    /// # Panics
    /// If it failed, with the command and its standard error.
    #[must_use]
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Standard error as text, if the program failed.
    ///
    /// # Panics
    /// When it succeeded.
    #[must_use]
    #[track_caller]
    pub fn failure(&self) -> String {
        assert!(!self.succeeded(), "should have failed: {}", self.command);
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Checks that the program succeeded.
    ///
    /// # Panics
    /// If it failed, with the command and its standard error.
    #[track_caller]
    pub fn assert_success(&self) {
        let why = String::from_utf8_lossy(&self.stderr);
        assert!(
            self.succeeded(),
            "{} (exit {:?}): {why}",
            self.command,
            self.code
        );
    }

    /// Standard output, or the failure as text.
    ///
    /// # Errors
    /// The command and its standard error.
    pub fn into_result(self) -> Result<Vec<u8>, String> {
        if self.succeeded() {
            return Ok(self.stdout);
        }
        Err(format!(
            "{}: {}",
            self.command,
            String::from_utf8_lossy(&self.stderr).trim()
        ))
    }
}

/// Runs a program to its end with empty input.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command) -> Ran {
    run_with_input(command, &[])
}

/// Runs a program to its end with `input` as standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Ran {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A program that stops reading early closes the pipe; its exit code tells whether that was
        // right.
        scope.spawn(move || layerhold_sys::best_effort(stdin.write_all(input)));
        child
            .wait_with_output()
            .expect("the child can be waited for")
    });
    Ran {
        command: shown,
        code: output.status.code(),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_carries_the_text_of_the_program() {
        let ran = run(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]));
        assert_eq!((ran.code, ran.failure().as_str()), (Some(3), "why\n"));
        assert!(ran.into_result().unwrap_err().ends_with(": why"));
    }

    #[test]
    fn input_larger_than_a_pipe_goes_through() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(
            run_with_input(&mut Command::new("cat"), &input).stdout,
            input
        );
    }

    #[test]
    fn a_program_that_reads_nothing_is_no_error() {
        assert!(run_with_input(&mut Command::new("true"), &[0; 1 << 20]).succeeded());
    }
}
