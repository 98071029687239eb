//! Creates and writes regular files.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use layerhold_sys::{
    Create, FileType, OpenOptions, remove_acls, set_file_mode, set_file_owner, set_file_times,
    stat_file,
};

use crate::entry_path::shown;
use crate::unpack::UnpackError;
use crate::unpack::attributes::XattrPolicy;
use crate::unpack::unpacker::{Place, Result, Unpacker, refused};
use crate::unpack::wanted::{Wanted, Xattrs};

/// A regular file that was created and is to be written.
///
/// It holds nothing of the unpacker, so another thread can write it.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    /// The cleaned path of its entry, for messages.
    path: Box<[u8]>,
    /// The permissions that the file has now.
    mode: u32,
    wanted: Wanted,
    xattrs: Xattrs,
    xattr_policy: XattrPolicy,
    /// The final length, if the file may end with a hole.
    sparse_length: Option<u64>,
}

impl OpenFile {
    /// Writes a part of the content.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| self.write_error(source))
    }

    /// Sets the final attributes and closes the file; returns how many extended attributes were
    /// skipped.
    pub(crate) fn settle(self) -> Result<u64> {
        let refused = |source| refused(&self.path, source);
        if let Some(length) = self.sparse_length {
            self.file
                .set_len(length)
                .map_err(|source| self.write_error(source))?;
        }
        if self.mode != self.wanted.mode {
            set_file_mode(&self.file, self.wanted.mode).map_err(refused)?;
        }
        let skipped = match self.xattrs.is_empty() {
            true => 0,
            false => self
                .xattr_policy
                .set(&self.path, &self.file, &self.xattrs)?,
        };
        set_file_times(&self.file, &self.wanted.times).map_err(refused)?;
        Ok(skipped)
    }

    fn write_error(&self, source: io::Error) -> UnpackError {
        UnpackError::Write {
            entry: shown(&self.path),
            source,
        }
    }
}

impl Unpacker {
    /// Creates a file and replaces an existing entry.
    ///
    /// Sets the owner at once, and the mode without set-id bits, because a write may clear those.
    /// [`OpenFile::settle`] does the rest.
    pub(super) fn create_file(
        &mut self,
        path: &[u8],
        name: &OsStr,
        place: Place<'_>,
    ) -> Result<OpenFile> {
        let wanted = place.wanted;
        let options = OpenOptions::write()
            .create(Create::New)
            .mode(wanted.mode & 0o777);
        let file = match place.dir.open_with(name, options) {
            Err(error) if error.already_exists() => {
                self.clear_way(path, &place.entered, name, FileType::File)?;
                place.dir.open_with(name, options)
            }
            other => other,
        }
        .map_err(|source| refused(path, source))?;
        if self.parents.inherits() {
            remove_acls(&file).map_err(|source| refused(path, source))?;
        }
        self.parents
            .note_own(&place.entered, name.as_encoded_bytes());
        // The umask, a set-group-id directory or a default ACL may have changed the mode; checking
        // costs less than setting it again.
        let stat = stat_file(&file).map_err(|source| refused(path, source))?;
        self.note_file(path, &place.entered, stat.ino);
        if let Some((uid, gid)) = wanted.owner
            && (stat.uid, stat.gid) != (uid, gid)
        {
            let done = set_file_owner(&file, Some(uid), Some(gid));
            self.check_owner(path, (uid, gid), done)?;
        }
        Ok(OpenFile {
            file,
            path: path.into(),
            mode: stat.permissions(),
            wanted,
            xattrs: place.xattrs,
            xattr_policy: self.xattr_policy(),
            sparse_length: place.header.sparse().map(|_| place.header.content_size()),
        })
    }
}
