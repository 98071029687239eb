//! Regular files.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use layerhold_sys::{
    Create, FileType, OpenOptions, set_file_mode, set_file_owner, set_file_times, stat_file,
};

use crate::unpack::unpacker::{Place, Result, Unpacker, refused};
use crate::unpack::wanted::{Wanted, Xattrs};

/// A file just created, not yet opened for content.
pub(super) struct NewFile {
    file: File,
    /// Permissions it has now.
    mode: u32,
}

/// The file whose content is being written.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    mode: u32,
    wanted: Wanted,
    xattrs: Xattrs,
    /// The length it ends with, if holes may be left at its end.
    sparse_length: Option<u64>,
}

impl NewFile {
    pub(super) fn with_header(self, place: Place<'_>) -> OpenFile {
        let header = place.header;
        OpenFile {
            file: self.file,
            mode: self.mode,
            wanted: place.wanted,
            xattrs: place.xattrs,
            sparse_length: header.sparse().map(|_| header.content_size()),
        }
    }
}

impl OpenFile {
    pub(super) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}

impl Unpacker {
    /// Creates a file, and anew if something is in its way.
    ///
    /// The owner is set at once, the mode as far as it gives no set-id bits;
    /// [`Unpacker::settle_file`] does the rest when the content is written.
    pub(super) fn create_file(
        &mut self,
        path: &[u8],
        name: &OsStr,
        place: &Place<'_>,
    ) -> Result<NewFile> {
        let wanted = &place.wanted;
        let options = OpenOptions::write()
            .create(Create::New)
            .mode(wanted.mode & 0o777);
        let file = match place.dir.open_with(name, options) {
            Err(error) if error.already_exists() => {
                self.clear_way(path, &place.dir, name, FileType::File)?;
                place.dir.open_with(name, options)
            }
            other => other,
        }
        .map_err(|source| refused(path, source))?;
        // The umask, a set-group-id directory or a default ACL may have changed
        // what was asked for; asking costs less than setting it again.
        let stat = stat_file(&file).map_err(|source| refused(path, source))?;
        if let Some((uid, gid)) = wanted.owner
            && (stat.uid, stat.gid) != (uid, gid)
        {
            let done = set_file_owner(&file, Some(uid), Some(gid));
            self.check_owner(path, done)?;
        }
        Ok(NewFile {
            file,
            mode: stat.permissions(),
        })
    }

    pub(super) fn settle_file(&mut self, path: &[u8], open: OpenFile) -> Result<()> {
        let OpenFile { file, wanted, .. } = &open;
        if let Some(length) = open.sparse_length {
            file.set_len(length)
                .map_err(|source| crate::unpack::UnpackError::Write {
                    entry: crate::entry_path::shown(path),
                    source,
                })?;
        }
        if open.mode != wanted.mode {
            set_file_mode(file, wanted.mode).map_err(|source| refused(path, source))?;
        }
        if !open.xattrs.is_empty() {
            self.set_xattrs(path, file, &open.xattrs)?;
        }
        set_file_times(file, &wanted.times).map_err(|source| refused(path, source))
    }
}
