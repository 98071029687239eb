//! A child process that only waits, to keep a namespace alive.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result as Raw};
use rustix::process::{Signal, WaitId, WaitIdOptions};

/// A child process in a new user namespace, ended on drop.
///
/// It never leaves the functions below. From its first instruction to its end it makes system calls
/// only, so the locks that other threads of this process held when its memory was copied do not
/// matter.
#[derive(Debug)]
pub(crate) struct WaitingChild {
    pid: u32,
    handle: OwnedFd,
}

impl WaitingChild {
    pub(crate) fn start() -> Raw<Self> {
        let mut handle: libc::c_int = -1;
        let arguments = CloneArguments {
            // Descriptors are shared, so that the child keeps no lock or pipe of other threads
            // open; it has none of our signal handlers.
            flags: CLONE_NEWUSER | CLONE_FILES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
            pidfd: (&raw mut handle) as u64,
            child_tid: 0,
            parent_tid: 0,
            // No SIGCHLD: a program that embeds this library need not know of the child, and its
            // `wait` does not return it.
            exit_signal: 0,
            stack: 0,
            stack_size: 0,
            tls: 0,
        };
        let pid = clone_child(&arguments)?;
        // SAFETY: the kernel has just created this descriptor, and nothing else owns it.
        #[expect(unsafe_code, reason = "the call hands out a bare number")]
        let handle = unsafe { OwnedFd::from_raw_fd(handle) };
        Ok(Self { pid, handle })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for WaitingChild {
    fn drop(&mut self) {
        // Only this code can reap the child, so neither call fails.
        let _ = rustix::process::pidfd_send_signal(&self.handle, Signal::KILL);
        let options = WaitIdOptions::EXITED | WaitIdOptions::from_bits_retain(ANY_CHILD);
        let wait = || rustix::process::waitid(WaitId::PidFd(self.handle.as_fd()), options);
        while matches!(wait(), Err(Errno::INTR)) {}
    }
}

const CLONE_NEWUSER: u64 = 0x1000_0000;
const CLONE_FILES: u64 = 0x0000_0400;
const CLONE_PIDFD: u64 = 0x0000_1000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// `__WALL`: children without a signal at their end are only waited for with this flag.
const ANY_CHILD: u32 = 0x4000_0000;

/// The first version of the kernel's `struct clone_args`.
#[repr(C, align(8))]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

const _: () = assert!(size_of::<CloneArguments>() == 64);

#[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
fn clone_child(arguments: &CloneArguments) -> Raw<u32> {
    let parent = std::process::id();
    // SAFETY: the struct lives across the call, and the one pointer in it leads to an integer of
    // the caller. Without CLONE_VM the child has a copy of all memory, so it can change nothing
    // here, and it never returns from the branch below.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_ref(arguments),
            size_of::<CloneArguments>(),
        )
    };
    if result == 0 {
        wait_for_the_end(parent);
    }
    u32::try_from(result).map_err(|_| {
        let code = std::io::Error::last_os_error().raw_os_error();
        Errno::from_raw_os_error(code.unwrap_or(libc::EIO))
    })
}

/// The code of the child. Only bare system calls: another thread may have been in the middle of
/// anything else.
#[expect(unsafe_code, reason = "bare system calls")]
fn wait_for_the_end(parent: u32) -> ! {
    const NONE: libc::c_long = 0;
    let (option, signal) = (libc::PR_SET_PDEATHSIG, libc::c_long::from(libc::SIGKILL));
    // SAFETY: none of these calls touches memory.
    unsafe {
        libc::syscall(libc::SYS_prctl, option, signal, NONE, NONE, NONE);
        // If the parent ended before that call, the signal is never sent.
        if libc::syscall(libc::SYS_getppid) != libc::c_long::from(parent) {
            libc::syscall(libc::SYS_exit_group, NONE);
        }
        loop {
            libc::syscall(libc::SYS_ppoll, NONE, NONE, NONE, NONE, NONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(pid: u32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn root_a_child_lives_as_long_as_its_handle() {
        if !crate::fixture::is_root() {
            return;
        }
        let children: Vec<_> = (0..3).map(|_| WaitingChild::start().unwrap()).collect();
        let pids: Vec<_> = children.iter().map(WaitingChild::pid).collect();
        assert!(pids.iter().all(|pid| exists(*pid)));
        drop(children);
        assert!(!pids.iter().any(|pid| exists(*pid)));
    }
}
