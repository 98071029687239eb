//! Sets owner, mode, times and extended attributes of an entry that was just created.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use layerhold_sys::{Dir, PathError, Stat, xattr};

use crate::entry_path::{os, shown};
use crate::unpack::entry_attributes::{EntryAttributes, Xattrs};
use crate::unpack::error::{Result, refused};
use crate::unpack::unpacker::{NewEntry, Unpacker};
use crate::unpack::xattr_policy::XattrPolicy;
use crate::unpack::{ChownErrors, UnpackError};

impl Unpacker {
    /// Fails or counts a refused change of ownership, as the options say.
    pub(super) fn check_owner(
        &mut self,
        path: &[u8],
        (uid, gid): (u32, u32),
        done: std::result::Result<(), PathError>,
    ) -> Result<()> {
        match done {
            Err(source) if self.options.chown_errors == ChownErrors::Fail => {
                Err(owner_refused(path, (uid, gid), source))
            }
            Err(_) => {
                self.summary.skipped_owners += 1;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn xattr_policy(&self) -> XattrPolicy {
        XattrPolicy {
            user_namespace: self.options.user_namespace,
        }
    }

    /// Sets extended attributes of an open file.
    pub(super) fn set_xattrs(
        &mut self,
        path: &[u8],
        file: &impl AsFd,
        set: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<()> {
        self.summary.skipped_xattrs += self.xattr_policy().set(path, file, set)?;
        Ok(())
    }

    /// Sets all attributes of an entry without an open file, by name.
    pub(super) fn set_attributes_by_name(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: &NewEntry<'_>,
    ) -> Result<()> {
        let NewEntry {
            dir, attributes, ..
        } = new_entry;
        let stat = self.stat_made(path, dir, name)?;
        let owner_changed = self.own_by_name(path, dir, name, &stat, attributes)?;
        let is_link = stat.file_type() == layerhold_sys::FileType::Symlink;
        if !is_link && (owner_changed || stat.permissions() != attributes.mode) {
            dir.set_mode(name, attributes.mode)
                .map_err(|source| refused(path, source))?;
        }
        let EntryAttributes { times, .. } = attributes;
        let has_times = times.modified == layerhold_sys::SetTime::At(stat.mtime)
            && times.accessed == layerhold_sys::SetTime::At(stat.atime);
        if !has_times {
            dir.set_times(name, times)
                .map_err(|source| refused(path, source))?;
        }
        self.set_xattrs_by_name(path, dir, name, &new_entry.xattrs)
    }

    fn set_xattrs_by_name(
        &mut self,
        path: &[u8],
        dir: &Dir,
        name: &OsStr,
        set: &Xattrs,
    ) -> Result<()> {
        for (key, value) in set {
            let done = xattr::set_at(dir, name, os(key), value);
            self.summary.skipped_xattrs += self.xattr_policy().check(path, done)?;
        }
        Ok(())
    }

    /// Sets the owner of an entry if it differs; returns whether it did.
    fn own_by_name(
        &mut self,
        path: &[u8],
        dir: &Dir,
        name: &OsStr,
        stat: &Stat,
        attributes: &EntryAttributes,
    ) -> Result<bool> {
        match attributes.owner {
            Some((uid, gid)) if (stat.uid, stat.gid) != (uid, gid) => {
                let done = dir.set_owner(name, Some(uid), Some(gid));
                self.check_owner(path, (uid, gid), done)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn stat_made(&self, path: &[u8], dir: &Dir, name: &OsStr) -> Result<Stat> {
        let found = dir.stat(name).and_then(|stat| {
            stat.ok_or_else(|| {
                let gone = std::io::ErrorKind::NotFound.into();
                PathError::new("stat", dir.path().join(name), gone)
            })
        });
        found.map_err(|source| refused(path, source))
    }
}

/// The kernel answers "invalid argument" for an owner outside the user namespace, and "not
/// permitted" outside of one. The error then says what helps.
pub(super) fn owner_refused(path: &[u8], (uid, gid): (u32, u32), source: PathError) -> UnpackError {
    match source.kind() {
        std::io::ErrorKind::InvalidInput => UnpackError::OwnerNotAvailable {
            entry: shown(path),
            uid,
            gid,
            source,
        },
        std::io::ErrorKind::PermissionDenied => UnpackError::OwnerRefused {
            entry: shown(path),
            uid,
            gid,
            source,
        },
        _ => refused(path, source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::xattr_policy::EPERM;

    fn refusal(number: i32) -> UnpackError {
        let cause = std::io::Error::from_raw_os_error(number);
        let source = PathError::new("set owner of", "/g/d/f", cause);
        owner_refused(b"d/f", (5, 6), source)
    }

    #[test]
    fn an_owner_that_the_namespace_lacks_is_told_with_what_helps() {
        let invalid = 22;
        assert_eq!(
            refusal(invalid).to_string(),
            "cannot give d/f the owner 5:6, which this user namespace does not have: the user needs more IDs in /etc/subuid \
             and /etc/subgid, or the driver the option ignore_chown_errors=true"
        );
        assert_eq!(
            refusal(EPERM).to_string(),
            "cannot give d/f the owner 5:6, which takes root or the root of a user namespace (`podman unshare`), or the option \
             ignore_chown_errors=true of the driver"
        );
        let read_only = 30;
        assert_eq!(refusal(read_only).to_string(), "cannot unpack d/f");
    }
}
