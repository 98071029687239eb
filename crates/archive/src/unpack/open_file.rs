//! A created file, which another thread can write and finish.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use layerhold_sys::{set_file_mode, set_file_times};

use crate::entry_path::shown;
use crate::unpack::UnpackError;
use crate::unpack::entry_attributes::{EntryAttributes, Xattrs};
use crate::unpack::error::{Result, refused};
use crate::unpack::xattr_policy::XattrPolicy;

/// A regular file that was created and is to be written.
///
/// It holds nothing of the unpacker, so another thread can write it.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(super) file: File,
    /// The cleaned path of its entry, for messages.
    pub(super) path: Box<[u8]>,
    /// The permissions that the file has now.
    pub(super) mode: u32,
    pub(super) attributes: EntryAttributes,
    pub(super) xattrs: Xattrs,
    pub(super) xattr_policy: XattrPolicy,
    /// The final length, if the file may end with a hole.
    pub(super) sparse_length: Option<u64>,
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
    pub(crate) fn finish(self) -> Result<u64> {
        let refused = |source| refused(&self.path, source);
        if let Some(length) = self.sparse_length {
            self.file
                .set_len(length)
                .map_err(|source| self.write_error(source))?;
        }
        if self.mode != self.attributes.mode {
            set_file_mode(&self.file, self.attributes.mode).map_err(refused)?;
        }
        let skipped = match self.xattrs.is_empty() {
            true => 0,
            false => self
                .xattr_policy
                .set(&self.path, &self.file, &self.xattrs)?,
        };
        set_file_times(&self.file, &self.attributes.times).map_err(refused)?;
        Ok(skipped)
    }

    fn write_error(&self, source: io::Error) -> UnpackError {
        UnpackError::Write {
            entry: shown(&self.path),
            source,
        }
    }
}
