//! Moves this process into a new user namespace.

use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Result as Raw;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::{Context, Result};
use crate::mounts::mount::{Depth, Propagation, set_propagation};
use crate::namespace::waiting_child::WaitingChild;

/// A user namespace without ID maps. It is removed when dropped, unless a process has entered it.
///
/// Its maps are set from outside, through `/proc/PID/uid_map` and `gid_map`, by a process with the
/// privilege to do so, such as `newuidmap` and `newgidmap`, which follow `/etc/subuid`.
#[derive(Debug)]
pub struct NewUserNamespace {
    child: WaitingChild,
}

impl NewUserNamespace {
    /// Creates the namespace. Needs no privilege, unless the system forbids it to ordinary users.
    pub fn new() -> Result<Self> {
        let child = WaitingChild::start().context("create", || "a user namespace".into())?;
        Ok(Self { child })
    }

    /// The process that keeps the namespace alive, whose maps are to be set.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Moves this process into the namespace, and into a private mount namespace of it. From then
    /// on it has all privileges over what the two namespaces own.
    ///
    /// The kernel permits this to single-threaded processes only (`EINVAL`).
    pub fn enter(self) -> Result<()> {
        let path = PathBuf::from(format!("/proc/{}/ns/user", self.pid()));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, &path, flags, Mode::empty())
            .and_then(|namespace| {
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::User),
                )
            })
            .context("enter", || path.clone())?;
        leave_mounts().context("leave the mount namespace of", || "this process".into())?;
        // New mounts outside still appear here; new mounts here appear nowhere else.
        set_propagation("/".as_ref(), Propagation::Slave, Depth::Recursive)
    }
}

#[expect(unsafe_code, reason = "rustix cannot know which flags are given")]
fn leave_mounts() -> Raw<()> {
    // SAFETY: only a new table of descriptors could break a promise that other threads rely on, and
    // none is asked for.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_stays_where_it_is() {
        // The test runner has threads, so the kernel refuses.
        let Ok(namespace) = NewUserNamespace::new() else {
            // Not permitted here.
            return;
        };
        assert!(std::fs::metadata(format!("/proc/{}", namespace.pid())).is_ok());
        let before = std::fs::read_link("/proc/self/ns/user").unwrap();
        let error = namespace.enter().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(std::fs::read_link("/proc/self/ns/user").unwrap(), before);
    }
}
