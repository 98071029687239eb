//! Signals that a program passes on to a command that it runs. For programs only, as the other
//! signal handlers.

use std::io::{self, PipeReader, Read};
use std::os::fd::IntoRawFd;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::error::{PathError, Result};

/// The signals by which users and systems end programs.
const PASSED: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// The bit beside the number of a signal that says that the kernel sent it.
const BY_KERNEL: u8 = 0x80;

/// A signal that asked this program to end: `SIGINT`, `SIGTERM`, `SIGHUP` or `SIGQUIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassedSignal {
    number: u8,
    by_kernel: bool,
}

impl PassedSignal {
    /// The exit code by which shells report the signal.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        128 + self.number
    }

    /// Whether the terminal sent it. Then every process of the foreground group got it.
    #[must_use]
    pub fn is_from_terminal(self) -> bool {
        self.by_kernel
    }
}

/// Receives the signals. While this exists, they have no other effect on this program; a command
/// that it starts gets them as usual.
#[derive(Debug)]
pub struct PassedSignals(PipeReader);

/// The descriptor that the handler writes to; negative before there is one.
static RECEIVED: AtomicI32 = AtomicI32::new(-1);

impl PassedSignals {
    /// Begins to receive the signals, except those that this process ignores, as under `nohup`.
    /// Only one part of a program may do so, and not beside
    /// [`EndingSignals`](crate::EndingSignals).
    pub fn watch() -> Result<Self> {
        let (reader, writer) =
            io::pipe().map_err(|cause| PathError::new("watch signals", "", cause))?;
        // The handler may run at any later time, so the writing end stays open.
        RECEIVED.store(writer.into_raw_fd(), Ordering::SeqCst);
        for signal in PASSED {
            handle_unless_ignored(signal)?;
        }
        Ok(Self(reader))
    }

    /// Waits for the next signal.
    pub fn wait(&mut self) -> Result<PassedSignal> {
        let mut byte = [0];
        self.0
            .read_exact(&mut byte)
            .map_err(|cause| PathError::new("wait for signals", "", cause))?;
        let [byte] = byte;
        Ok(PassedSignal {
            number: byte & !BY_KERNEL,
            by_kernel: byte & BY_KERNEL != 0,
        })
    }
}

/// A child process that other threads may send signals to until it has ended. Its number is not
/// used any more once it may belong to another process.
#[derive(Clone, Debug)]
pub struct SignalTarget(Arc<Mutex<Option<Pid>>>);

impl SignalTarget {
    /// The target that a child of this process is, which nothing has waited for yet.
    #[must_use]
    pub fn new(child: &Child) -> Self {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Self(Arc::new(Mutex::new(pid)))
    }

    /// Sends the signal; does nothing if the child has ended.
    pub fn send(&self, signal: PassedSignal) -> Result<()> {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let signal = PASSED
            .into_iter()
            .find(|known| known.as_raw() == i32::from(signal.number));
        match (*pid, signal) {
            (Some(pid), Some(signal)) => kill_process(pid, signal)
                .map_err(|cause| PathError::new("send a signal", "", cause.into())),
            _ => Ok(()),
        }
    }

    /// Waits for the child to end.
    pub fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let running = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = running {
            // Its number stays taken until `Child::wait`.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options))?;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        child.wait()
    }
}

/// Writes the number of the signal, and whether the kernel sent it, into the pipe. A signal may get
/// lost if the pipe is full, which does no harm.
extern "C" fn receive(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid structure. `write` may be called in a handler, the buffer
    // is valid, and the descriptor is never closed. The errno that the interrupted code may be
    // about to read is restored.
    #[expect(
        unsafe_code,
        reason = "only bare system calls may be made in a handler"
    )]
    unsafe {
        let errno = *libc::__errno_location();
        let sender = if (*info).si_code > 0 { BY_KERNEL } else { 0 };
        let byte = u8::try_from(signal).unwrap_or(0) | sender;
        libc::write(RECEIVED.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Sets the handler of a signal. Interrupted system calls are restarted.
fn handle_unless_ignored(signal: Signal) -> Result<()> {
    let number = signal.as_raw();
    let failed = |()| {
        let cause = io::Error::last_os_error();
        PathError::new("handle signal", number.to_string(), cause)
    };
    // SAFETY: all zeros is a valid value, which the call replaces.
    #[expect(unsafe_code, reason = "a plain structure of the C library")]
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid for the call, which changes no handler.
    #[expect(unsafe_code, reason = "the standard library has no handlers")]
    let asked = unsafe { libc::sigaction(number, std::ptr::null(), &raw mut before) };
    if asked != 0 {
        return Err(failed(()));
    }
    if before.sa_sigaction == libc::SIG_IGN {
        return Ok(());
    }
    let mut action = before;
    action.sa_sigaction = receive as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
    // SAFETY: the structure is valid for the call, and the handler only does what a handler may do.
    #[expect(unsafe_code, reason = "the standard library has no handlers")]
    let set = unsafe { libc::sigaction(number, &raw const action, std::ptr::null_mut()) };
    match set {
        0 => Ok(()),
        _ => Err(failed(())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const TERM: PassedSignal = PassedSignal {
        number: 15,
        by_kernel: false,
    };

    #[test]
    fn a_child_gets_signals_until_it_has_ended() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let target = SignalTarget::new(&child);
        target.send(TERM).unwrap();
        let status = target.wait(&mut child).unwrap();
        assert_eq!(status.signal(), Some(15));
        assert_eq!(TERM.exit_code(), 143);
        // Its number may be that of another process now.
        target.send(TERM).unwrap();
        assert_eq!(target.wait(&mut child).unwrap(), status);
    }
}
