//! Unpacks one entry: begins it, writes its content, ends it.

use std::ffi::OsStr;
use std::io::Read;

use layerhold_idmap::OVERRIDE_STAT_XATTR;
use layerhold_sys::FileType;
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{clean_into, os, shown, split};
use crate::unpack::entry_attributes::{EntryAttributes, override_value, owner, xattrs};
use crate::unpack::error::Result;
use crate::unpack::open_file::OpenFile;
use crate::unpack::unpacker::{NewEntry, Unpacker};
use crate::unpack::{UnpackError, UserNamespace, Whiteouts};
use crate::whiteout::{Meaning, is_whiteout_path, meaning};

/// The longest path that the kernel accepts: 4096 bytes with the final NUL (`PATH_MAX`).
const LONGEST_PATH: usize = 4095;

/// Size of the buffer of [`Unpacker::entry`].
const READ_BUFFER: usize = 128 * 1024;

impl Unpacker {
    /// Unpacks one entry with its whole content. Holes are written as zeros, so a huge hole in a
    /// hostile archive fills the disk. A caller that has a parser's pieces keeps holes with
    /// [`Unpacker::write_at`], as [`import`](crate::import) does.
    ///
    /// # Errors
    /// See [`UnpackError`]. The rest of `content` is not read then.
    pub fn entry(&mut self, header: &Header, content: &mut dyn Read) -> Result<()> {
        self.begin(header)?;
        let mut buffer =
            vec![0; READ_BUFFER.min(usize::try_from(header.content_size()).unwrap_or(READ_BUFFER))];
        let mut offset = 0;
        while !buffer.is_empty() {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let entry = shown(&self.path);
                    return Err(UnpackError::Read { entry, source });
                }
            };
            self.write_at(offset, buffer.get(..count).unwrap_or_default())?;
            offset += count as u64;
        }
        self.end()
    }

    /// Begins an entry: does everything except writing a file's content.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn begin(&mut self, header: &Header) -> Result<()> {
        self.current = None;
        self.summary.entries += 1;
        self.summary.bytes = self.summary.bytes.saturating_add(header.content_size());
        if !is_whiteout_path(&header.name) {
            self.owners.note(header);
        }
        if header.kind == EntryKind::GlobalHeader {
            return Ok(());
        }
        clean_into(&header.name, &mut self.path);
        if self.path.len() > LONGEST_PATH {
            let length = header.name.len();
            return Err(UnpackError::PathTooLong { length });
        }
        // Taken out so that it can be borrowed beside `self`.
        let path = std::mem::take(&mut self.path);
        let result = self.begin_at(header, &path);
        self.path = path;
        result
    }

    /// Writes a part of the current entry's content. Has no effect on an entry without a file. Gaps
    /// between the parts become holes.
    ///
    /// # Errors
    /// [`UnpackError::Write`] if the filesystem refuses.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        match &self.current {
            Some(file) => file.write_at(offset, bytes),
            None => Ok(()),
        }
    }

    /// Ends the current entry: sets the final attributes of its file and closes it.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn end(&mut self) -> Result<()> {
        if let Some(file) = self.current.take() {
            self.summary.skipped_xattrs += file.finish()?;
        }
        Ok(())
    }

    /// Hands the current file to the caller, which writes and finishes it.
    pub(crate) fn take_file(&mut self) -> Option<OpenFile> {
        self.current.take()
    }

    fn begin_at(&mut self, header: &Header, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            return self.root_entry(header);
        }
        let (parent, name) = split(path);
        if self.options.whiteouts != Whiteouts::Keep {
            match meaning(name, header) {
                Meaning::Ordinary => {}
                // Under `force_mask`, a file stands for the device and its attribute says so.
                Meaning::Delete(hidden) if hidden == name && self.options.force_mask.is_some() => {}
                Meaning::Delete(hidden) => return self.white_out(header, path, parent, hidden),
                Meaning::Opaque => return self.make_opaque(path, parent),
                Meaning::Malformed => {
                    let entry = shown(path);
                    return Err(UnpackError::MalformedWhiteout { entry });
                }
            }
        }
        self.ordinary(header, path, parent, os(name))
    }

    fn ordinary(
        &mut self,
        header: &Header,
        path: &[u8],
        parent: &[u8],
        name: &OsStr,
    ) -> Result<()> {
        let place = self.place(header, path, parent)?;
        match header.kind {
            EntryKind::Directory => self.directory(path, name, place),
            EntryKind::Symlink => self.symlink(path, name, &place),
            EntryKind::HardLink => self.hard_link(path, name, &place),
            EntryKind::Regular | EntryKind::Contiguous | EntryKind::GnuSparse => {
                self.open_file(path, name, place)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo
                if self.options.force_mask.is_some() =>
            {
                self.open_file(path, name, place)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice
                if self.options.user_namespace == UserNamespace::Child =>
            {
                self.summary.skipped_devices += 1;
                self.remove_existing(path, &place.entered, name, FileType::CharDevice)
                    .map(drop)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => {
                self.node(path, name, &place)
            }
            EntryKind::GlobalHeader => Ok(()),
            other => Err(UnpackError::UnsupportedKind {
                entry: shown(path),
                flag: other.flag(),
            }),
        }
    }

    fn place<'h>(
        &mut self,
        header: &'h Header,
        path: &[u8],
        parent: &[u8],
    ) -> Result<NewEntry<'h>> {
        let entered = self.enter(path, parent)?;
        let owner = owner(header, &self.options.id_maps, path)?;
        let mut xattrs = xattrs(header, &self.options);
        if self.options.force_mask.is_some()
            && !matches!(header.kind, EntryKind::Symlink | EntryKind::HardLink)
        {
            xattrs.push((OVERRIDE_STAT_XATTR.into(), override_value(header, owner)));
        }
        Ok(NewEntry {
            dir: entered.dir.clone(),
            entered,
            header,
            attributes: EntryAttributes::new(header, owner, &self.options),
            xattrs,
        })
    }

    /// Sets the attributes of the root from its own entry.
    fn root_entry(&mut self, header: &Header) -> Result<()> {
        if header.kind != EntryKind::Directory {
            return Err(UnpackError::RootNotDirectory);
        }
        self.root_seen = true;
        self.parents.unsettled.note_root_described();
        let root = self.parents.root().clone();
        let place = self.place(header, b"", b"")?;
        self.set_directory_attributes(b"", &root, &place)?;
        self.defer(Vec::new(), place);
        Ok(())
    }

    pub(super) fn open_file(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: NewEntry<'_>,
    ) -> Result<()> {
        self.current = Some(self.create_file(path, name, new_entry)?);
        Ok(())
    }
}
