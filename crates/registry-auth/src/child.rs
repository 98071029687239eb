//! Runs a credential helper: a program with bounded time and bounded output.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use layerhold_sys::best_effort;
use zeroize::Zeroizing;

/// The largest output of a helper. An answer has a few hundred bytes, a list a few thousand.
pub(crate) const MAX_OUTPUT: usize = 256 * 1024;

/// How a helper failed. The message never has a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelperFailure {
    /// No directory of `PATH` has the program.
    #[error("{program} is in no directory of PATH")]
    NotInstalled {
        /// The program.
        program: String,
    },
    /// The program cannot be run, or its output cannot be read.
    #[error("it cannot be run")]
    Run(#[source] io::Error),
    /// It did not end in time and was killed.
    #[error("it did not end within {} s and was killed", limit.as_secs_f32())]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// It wrote too much and was killed.
    #[error("it wrote more than {limit} bytes and was killed")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It ended with a failure.
    #[error("{}{}", ended(*code), said(message.as_deref()))]
    Failed {
        /// Its exit code; `None` if a signal ended it.
        code: Option<i32>,
        /// The first line that it wrote, if it can be shown: not if it may hold credentials.
        message: Option<String>,
    },
    /// Its answer does not follow the protocol.
    #[error("its answer is malformed")]
    Answer,
}

fn ended(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("it ended with code {code}"),
        None => "a signal ended it".to_owned(),
    }
}

fn said(message: Option<&str>) -> String {
    message.map_or_else(String::new, |message| format!(": {message}"))
}

/// What a helper wrote, and its exit code.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: Zeroizing<Vec<u8>>,
}

/// Runs a program with one argument, and the input on its standard input. Its standard error is
/// dropped.
///
/// The program is killed after the time limit. What it started itself is not: it shares the
/// terminal, so that it may ask for a password, and is therefore in no process group of its own.
pub(crate) fn run(
    program: &Path,
    action: &str,
    input: Zeroizing<Vec<u8>>,
    variables: &BTreeMap<OsString, OsString>,
    limit: Duration,
) -> Result<Ended, HelperFailure> {
    let start = Instant::now();
    let mut command = Command::new(program);
    command.arg(action).env_clear().envs(variables);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::null()).spawn();
    let mut running = Running(child.map_err(HelperFailure::Run)?);
    let output = read_and_write(&mut running.0, input, limit)?;
    let code = running.wait(start, limit)?;
    Ok(Ended { code, output })
}

/// Neither direction may wait for the other, and a process that inherited the pipe must not make
/// the caller wait for longer than the limit: so each has a thread, which is never waited for.
fn read_and_write(
    child: &mut Child,
    input: Zeroizing<Vec<u8>>,
    limit: Duration,
) -> Result<Zeroizing<Vec<u8>>, HelperFailure> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may end without reading its input; its exit code tells whether that is right.
        let write = move || drop(stdin.write_all(&input));
        let writer = thread::Builder::new().name("helper-input".to_owned());
        drop(writer.spawn(write).map_err(HelperFailure::Run)?);
    }
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        let read = move || drop(sender.send(read_all(stdout)));
        let reader = thread::Builder::new().name("helper-output".to_owned());
        drop(reader.spawn(read).map_err(HelperFailure::Run)?);
    }
    match receiver.recv_timeout(limit) {
        Ok(Ok(output)) if output.len() > MAX_OUTPUT => {
            Err(HelperFailure::TooLong { limit: MAX_OUTPUT })
        }
        Ok(output) => output.map_err(HelperFailure::Run),
        Err(RecvTimeoutError::Timeout) => Err(HelperFailure::TimedOut { limit }),
        Err(RecvTimeoutError::Disconnected) => {
            Err(HelperFailure::Run(io::ErrorKind::BrokenPipe.into()))
        }
    }
}

fn read_all(stdout: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all, so that no copy of a secret is left where the buffer grew.
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT + 1));
    stdout
        .take(MAX_OUTPUT as u64 + 1)
        .read_to_end(&mut output)?;
    Ok(output)
}

/// A child that does not outlive this value.
struct Running(Child);

impl Running {
    /// Waits for the end and returns the exit code. A helper usually ends where it closes its
    /// output, so this seldom sleeps.
    fn wait(&mut self, start: Instant, limit: Duration) -> Result<Option<i32>, HelperFailure> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.0.try_wait().map_err(HelperFailure::Run)? {
                return Ok(status.code());
            }
            if start.elapsed() >= limit {
                return Err(HelperFailure::TimedOut { limit });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        best_effort(self.0.kill());
        best_effort(self.0.wait());
    }
}
