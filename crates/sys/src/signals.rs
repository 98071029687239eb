//! What signals do to this process. Only programs use this: a library leaves the signals of its process alone.

use rustix::io::Errno;

use crate::error::{PathError, Result};

/// Has a write beyond the limit of file sizes (`RLIMIT_FSIZE`) fail with `EFBIG`, instead of killing the process with
/// `SIGXFSZ` in the middle of what it does.
///
/// The signal gets a handler that does nothing. Unlike a signal that is ignored, it is as it was in programs that this process
/// runs.
pub fn let_large_writes_fail() -> Result<()> {
    handle(libc::SIGXFSZ, do_nothing)
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Sets the handler of a signal. System calls that it interrupts are begun again.
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> Result<()> {
    // SAFETY: all zeros is a valid value: no flags, and an empty mask.
    #[expect(unsafe_code, reason = "a plain structure of the C library")]
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the structure is valid for the call, and the handlers of this module only do what a handler may.
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
