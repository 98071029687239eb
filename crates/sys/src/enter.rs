//! Going into a user namespace of one's own.

use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Result as Raw;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::{Context, Result};
use crate::mount::{Depth, Propagation, set_propagation};
use crate::waiting_child::WaitingChild;

/// A user namespace without maps, which is gone when this is dropped before anybody has entered it.
///
/// Its maps are set from outside, through `/proc/PID/uid_map` and `gid_map`: by
/// whoever has the right to, such as the programs `newuidmap` and `newgidmap`,
/// which know what `/etc/subuid` permits.
#[derive(Debug)]
pub struct NewUserNamespace {
    child: WaitingChild,
}

impl NewUserNamespace {
    /// Makes the namespace. Needs no right, except where the system forbids it to
    /// ordinary users.
    pub fn new() -> Result<Self> {
        let child = WaitingChild::start().context("create", || "a user namespace".into())?;
        Ok(Self { child })
    }

    /// The process that keeps the namespace, by which its maps are set.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Moves this process into the namespace, and into a mount namespace of it
    /// whose mounts nobody else sees. From here on it has all rights over what
    /// the two namespaces own.
    ///
    /// The kernel permits this to processes with a single thread only (`EINVAL`).
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
        // What others mount still appears here, what is mounted here appears nowhere else.
        set_propagation("/".as_ref(), Propagation::Slave, Depth::Recursive)
    }
}

#[expect(unsafe_code, reason = "rustix cannot know which flags are given")]
fn leave_mounts() -> Raw<()> {
    // SAFETY: only a new table of descriptors could break a promise that other
    // threads rely on, and none is asked for.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_stays_where_it_is() {
        // Tests have threads of their own, so that the kernel refuses.
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
