//! Signal handlers. For programs only: a library leaves the signals of its process alone.

use std::io::{PipeReader, Read};
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;

use crate::error::{PathError, Result};

/// Lets a write beyond the file size limit (`RLIMIT_FSIZE`) fail with `EFBIG`. By default `SIGXFSZ`
/// kills the process in the middle of its work.
///
/// The signal gets an empty handler. Unlike ignoring it, that does not affect programs that this
/// process runs.
pub fn let_large_writes_fail() -> Result<()> {
    handle(libc::SIGXFSZ, do_nothing)
}

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `SIGINT`, as from a terminal.
    Interrupt,
    /// `SIGTERM`.
    Terminate,
}

impl Ending {
    /// The exit code by which shells report the signal.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Receives the signals that ask a program to end. While this exists, they have no other effect.
#[derive(Debug)]
pub struct EndingSignals(PipeReader);

/// The descriptor that the handler writes to; negative before there is one.
static TOLD: AtomicI32 = AtomicI32::new(-1);

impl EndingSignals {
    /// Begins to receive the signals. Only one part of a program may do so.
    pub fn watch() -> Result<Self> {
        let failed = |cause| PathError::new("watch signals", "", cause);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        // The handler may run at any later time, so the writing end stays open.
        TOLD.store(writer.into_raw_fd(), Ordering::SeqCst);
        handle(libc::SIGINT, tell)?;
        handle(libc::SIGTERM, tell)?;
        Ok(Self(reader))
    }

    /// Waits for the next signal.
    pub fn wait(&mut self) -> Result<Ending> {
        let mut number = [0];
        self.0
            .read_exact(&mut number)
            .map_err(|cause| PathError::new("wait for signals", "", cause))?;
        Ok(match i32::from(number[0]) {
            libc::SIGINT => Ending::Interrupt,
            _ => Ending::Terminate,
        })
    }
}

/// Writes the number of the signal into the pipe. A signal may get lost if the pipe is full, which
/// does no harm.
extern "C" fn tell(signal: libc::c_int) {
    let number = u8::try_from(signal).unwrap_or(0);
    // SAFETY: `write` may be called in a handler, the buffer is valid, and the descriptor is never
    // closed. The errno that the interrupted code may be about to read is restored.
    #[expect(
        unsafe_code,
        reason = "only bare system calls may be made in a handler"
    )]
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(TOLD.load(Ordering::SeqCst), (&raw const number).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Sets the handler of a signal. Interrupted system calls are restarted.
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> Result<()> {
    // SAFETY: all zeros is a valid value: no flags, and an empty mask.
    #[expect(unsafe_code, reason = "a plain structure of the C library")]
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the structure is valid for the call, and the handlers of this module only do what a
    // handler may do.
    #[expect(unsafe_code, reason = "the standard library has no handlers")]
    let outcome = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    match outcome {
        0 => Ok(()),
        _ => Err(PathError::new(
            "handle signal",
            signal.to_string(),
            last_error().into(),
        )),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
