//! Creates entries by name: links, device nodes, pipes, directories.

use std::ffi::OsStr;

use layerhold_sys::{Dir, FileType, NodeKind, PathError, make_device, remove_acl_at, remove_acls};
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{clean_into, os, shown, split};
use crate::unpack::UnpackError;
use crate::unpack::entry_attributes::OWNER_BITS;
use crate::unpack::error::{Result, refused};
use crate::unpack::parents::Entered;
use crate::unpack::unpacker::{NewEntry, Unpacker};

/// What existed where a directory was to be created.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Nothing,
    /// A directory, which stays.
    Directory,
    /// Something else, which was removed.
    Replaced,
}

impl Unpacker {
    /// Creates an entry by name and replaces an existing one.
    pub(super) fn make(
        &mut self,
        path: &[u8],
        place: &Entered,
        name: &OsStr,
        incoming: FileType,
        make: impl Fn() -> std::result::Result<(), PathError>,
    ) -> Result<()> {
        match make() {
            Err(error) if error.already_exists() => {
                self.remove_existing(path, place, name, incoming)?;
                make()
            }
            other => other,
        }
        .map_err(|source| refused(path, source))?;
        self.parents.note_own(place, name.as_encoded_bytes());
        Ok(())
    }

    /// The target is not checked: lookups below the root stay there whatever it says.
    pub(super) fn symlink(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: &NewEntry<'_>,
    ) -> Result<()> {
        let target = os(&new_entry.header.link_name);
        self.make(path, &new_entry.entered, name, FileType::Symlink, || {
            new_entry.dir.symlink(target, name)
        })?;
        self.set_attributes_by_name(path, name, new_entry)
    }

    pub(super) fn node(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: &NewEntry<'_>,
    ) -> Result<()> {
        let (kind, incoming) = match new_entry.header.kind {
            EntryKind::CharDevice => (NodeKind::CharDevice, FileType::CharDevice),
            EntryKind::BlockDevice => (NodeKind::BlockDevice, FileType::BlockDevice),
            _ => (NodeKind::Fifo, FileType::Fifo),
        };
        let device = device(new_entry.header, path)?;
        self.make(path, &new_entry.entered, name, incoming, || {
            new_entry
                .dir
                .make_node(name, kind, new_entry.attributes.mode, device)
        })?;
        if self.parents.inherits() {
            remove_acl_at(&new_entry.dir, name).map_err(|source| refused(path, source))?;
        }
        self.set_attributes_by_name(path, name, new_entry)
    }

    /// Both ends are looked up below the root. The target itself is not followed, so a link to a
    /// symbolic link is another name of that link.
    pub(super) fn hard_link(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: &NewEntry<'_>,
    ) -> Result<()> {
        let mut target = Vec::new();
        clean_into(&new_entry.header.link_name, &mut target);
        let missing = || UnpackError::MissingLinkTarget {
            entry: shown(path),
            target: shown(&target),
        };
        let (parent, target_name) = split(&target);
        let target_name = os(target_name);
        let found = match target.is_empty() {
            true => None,
            false => self
                .parents
                .find(parent)
                .map_err(|source| refused(path, source))?,
        };
        let target_dir = found.ok_or_else(missing)?;
        let stat = target_dir.stat(target_name);
        let stat = stat.map_err(|source| refused(path, source))?;
        let stat = stat
            .filter(|stat| !self.is_hidden(stat))
            .ok_or_else(missing)?;
        let exists = |source: &PathError| source.is_not_found();
        self.make(path, &new_entry.entered, name, FileType::File, || {
            target_dir.hard_link(target_name, &new_entry.dir, name)
        })
        .map_err(|error| match error {
            UnpackError::Entry { source, .. } if exists(&source) => missing(),
            other => other,
        })?;
        if stat.is_file() {
            self.note_file(path, &new_entry.entered, stat.ino);
        }
        self.set_attributes_by_name(path, name, new_entry)
    }

    pub(super) fn directory(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: NewEntry<'_>,
    ) -> Result<()> {
        let failed = |source| refused(path, source);
        let mode = new_entry.attributes.mode | OWNER_BITS;
        let mut found = Existing::Nothing;
        match new_entry.dir.create_dir(name, mode) {
            Ok(()) => {}
            Err(error) if error.already_exists() => {
                found = self.make_room_for_directory(path, name, &new_entry, mode)?;
            }
            Err(source) => return Err(refused(path, source)),
        }
        let made = new_entry.dir.open_dir(name).map_err(failed)?;
        if self.parents.inherits() && found != Existing::Directory {
            remove_acls(&made).map_err(failed)?;
        }
        if found == Existing::Replaced {
            self.parents.mark_opaque(&made).map_err(failed)?;
        }
        let bytes = name.as_encoded_bytes();
        self.parents.note_own(&new_entry.entered, bytes);
        self.set_directory_attributes(path, &made, &new_entry)?;
        let entered = self.parents.entered(&new_entry.entered, bytes, made);
        let entered = entered.map_err(failed)?;
        self.defer(entered.path.to_vec(), new_entry);
        // The replaced entry may have been a link on its own path, which now leads elsewhere.
        if found != Existing::Replaced {
            self.parents.remember(path, entered);
        }
        Ok(())
    }

    /// A directory merges with an existing directory and replaces anything else.
    fn make_room_for_directory(
        &mut self,
        path: &[u8],
        name: &OsStr,
        new_entry: &NewEntry<'_>,
        mode: u32,
    ) -> Result<Existing> {
        let there = new_entry
            .dir
            .stat(name)
            .map_err(|source| refused(path, source))?;
        if there.is_some_and(|stat| stat.is_dir()) {
            return Ok(Existing::Directory);
        }
        self.remove_existing(path, &new_entry.entered, name, FileType::Dir)?;
        new_entry
            .dir
            .create_dir(name, mode)
            .map_err(|source| refused(path, source))?;
        Ok(Existing::Replaced)
    }

    /// Sets owner and mode of a directory that was just created or merged.
    pub(super) fn set_directory_attributes(
        &mut self,
        path: &[u8],
        dir: &Dir,
        new_entry: &NewEntry<'_>,
    ) -> Result<()> {
        let stat = dir.stat_self().map_err(|source| refused(path, source))?;
        self.parents.unsettled.note_described(stat.ino);
        let own = self.parents.own.as_mut();
        if own.is_some_and(|own| own.note_described(stat.ino)) {
            self.drop_xattrs(path, dir)?;
        }
        let mode = new_entry.attributes.mode | OWNER_BITS;
        let mut owner_changed = false;
        if let Some((uid, gid)) = new_entry.attributes.owner
            && (stat.uid, stat.gid) != (uid, gid)
        {
            let done = dir.set_own_owner(Some(uid), Some(gid));
            self.check_owner(path, (uid, gid), done)?;
            owner_changed = true;
        }
        if owner_changed || stat.permissions() != mode {
            dir.set_own_mode(mode)
                .map_err(|source| refused(path, source))?;
        }
        Ok(())
    }
}

fn device(header: &Header, path: &[u8]) -> Result<u64> {
    let part = |value: i64| {
        u32::try_from(value).map_err(|_| UnpackError::NumberOutOfRange {
            entry: shown(path),
            what: "device number",
            value,
        })
    };
    Ok(make_device(
        part(header.device_major)?,
        part(header.device_minor)?,
    ))
}
