//! Mounts without a mount point.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode};
use rustix::mount::MoveMountFlags;

use crate::directory::dir::{DIR_FLAGS, Dir};
use crate::error::{Context, Result};

/// A mount that is not in the tree and so has no path.
///
/// It exists as long as this handle or a directory opened in it; once attached, until it is
/// unmounted.
#[derive(Debug)]
#[must_use = "a mount that is not attached ends with its handle"]
pub struct DetachedMount {
    descriptor: OwnedFd,
}

impl AsFd for DetachedMount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl DetachedMount {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor }
    }

    /// Attaches the mount at `target`; a symbolic link there is not followed.
    pub fn attach(&self, target: &Path) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(&self.descriptor, c"", CWD, target, flags)
            .context("mount on", || target.to_owned())
    }

    /// Opens the root directory of the mount, attached or not. Error messages call it `name`.
    pub fn open(&self, name: &Path) -> Result<Dir> {
        rustix::fs::openat(&self.descriptor, c".", DIR_FLAGS, Mode::empty())
            .map(|descriptor| Dir::from_descriptor(descriptor, name.to_owned()))
            .context("open the mount for", || name.to_owned())
    }
}
