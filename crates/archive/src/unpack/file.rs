//! Creates and writes regular files.

use std::ffi::OsStr;

use layerhold_sys::{Create, FileType, OpenOptions, remove_acls, set_file_owner, stat_file};

use crate::unpack::error::{Result, refused};
use crate::unpack::open_file::OpenFile;
use crate::unpack::unpacker::{NewEntry, Unpacker};

impl Unpacker {
    /// Creates a file and replaces an existing entry.
    ///
    /// Sets the owner at once, and the mode without set-id bits, because a write may clear those.
    /// [`OpenFile::finish`] does the rest.
    pub(super) fn create_file(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: NewEntry<'_>,
    ) -> Result<OpenFile> {
        let attributes = new_entry.attributes;
        let options = OpenOptions::write()
            .create(Create::New)
            .mode(attributes.mode & 0o777);
        let file = match new_entry.dir.open_with(name, options) {
            Err(error) if error.already_exists() => {
                self.remove_existing(path, &new_entry.entered, name, FileType::File)?;
                new_entry.dir.open_with(name, options)
            }
            other => other,
        }
        .map_err(|source| refused(path, source))?;
        if self.parents.inherits() {
            remove_acls(&file).map_err(|source| refused(path, source))?;
        }
        self.parents
            .note_own(&new_entry.entered, name.as_encoded_bytes());
        // The umask, a set-group-id directory or a default ACL may have changed the mode; checking
        // costs less than setting it again.
        let stat = stat_file(&file).map_err(|source| refused(path, source))?;
        self.note_file(path, &new_entry.entered, stat.ino);
        if let Some((uid, gid)) = attributes.owner
            && (stat.uid, stat.gid) != (uid, gid)
        {
            let done = set_file_owner(&file, Some(uid), Some(gid));
            self.check_owner(path, (uid, gid), done)?;
        }
        Ok(OpenFile {
            file,
            path: path.into(),
            mode: stat.permissions(),
            attributes,
            xattrs: new_entry.xattrs,
            xattr_policy: self.xattr_policy(),
            sparse_length: new_entry
                .header
                .sparse()
                .map(|_| new_entry.header.content_size()),
        })
    }
}
