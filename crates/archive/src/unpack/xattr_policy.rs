//! Which extended attributes may be skipped.

use std::os::fd::AsFd;

use layerhold_sys::{PathError, xattr};

use crate::entry_path::os;
use crate::unpack::UserNamespace;
use crate::unpack::error::{Result, refused};

/// Which extended attributes may be skipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct XattrPolicy {
    pub(super) user_namespace: UserNamespace,
}

impl XattrPolicy {
    /// Sets attributes of an open file; returns how many were skipped.
    pub(super) fn set(
        self,
        path: &[u8],
        file: &impl AsFd,
        set: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<u64> {
        let mut skipped = 0;
        for (name, value) in set {
            skipped += self.check(path, xattr::set(file, os(name), value))?;
        }
        Ok(skipped)
    }

    /// Skips attributes that the filesystem does not support, and those that a user namespace may
    /// not set (Go: `extractTarFileEntry`).
    pub(super) fn check(
        self,
        path: &[u8],
        done: std::result::Result<(), PathError>,
    ) -> Result<u64> {
        let Err(error) = done else {
            return Ok(0);
        };
        let in_namespace = self.user_namespace == UserNamespace::Child;
        // EPERM only; EACCES has other causes.
        let not_permitted = error.raw_os_error() == Some(EPERM);
        if error.is_unsupported() || (in_namespace && not_permitted) {
            return Ok(1);
        }
        Err(refused(path, error))
    }
}

/// "Operation not permitted", the same number on every Linux.
pub(super) const EPERM: i32 = 1;
