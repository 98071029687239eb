//! Creates entries by name: links, device nodes, pipes, directories.

use std::ffi::OsStr;

use layerhold_sys::{Dir, FileType, NodeKind, PathError, make_device, remove_acl_at, remove_acls};
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{clean_into, os, shown, split};
use crate::unpack::UnpackError;
use crate::unpack::parents::Entered;
use crate::unpack::unpacker::{Place, Result, Unpacker, refused};

/// Owner permissions that directories keep until all entries are unpacked: without them, an
/// unprivileged process could not create anything in the directory.
pub(super) const OWNER_BITS: u32 = 0o700;

/// What existed where a directory was to be created.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A directory, which stays.
    Directory,
    /// Something else, which was removed.
    Something,
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
                self.clear_way(path, place, name, incoming)?;
                make()
            }
            other => other,
        }
        .map_err(|source| refused(path, source))?;
        self.parents.note_own(place, name.as_encoded_bytes());
        Ok(())
    }

    /// The target is not checked: lookups below the root stay there whatever it says.
    pub(super) fn symlink(&mut self, path: &[u8], name: &OsStr, place: &Place<'_>) -> Result<()> {
        let target = os(&place.header.link_name);
        self.make(path, &place.entered, name, FileType::Symlink, || {
            place.dir.symlink(target, name)
        })?;
        self.settle_by_name(path, name, place)
    }

    pub(super) fn node(&mut self, path: &[u8], name: &OsStr, place: &Place<'_>) -> Result<()> {
        let (kind, incoming) = match place.header.kind {
            EntryKind::CharDevice => (NodeKind::CharDevice, FileType::CharDevice),
            EntryKind::BlockDevice => (NodeKind::BlockDevice, FileType::BlockDevice),
            _ => (NodeKind::Fifo, FileType::Fifo),
        };
        let device = device(place.header, path)?;
        self.make(path, &place.entered, name, incoming, || {
            place.dir.make_node(name, kind, place.wanted.mode, device)
        })?;
        if self.parents.inherits() {
            remove_acl_at(&place.dir, name).map_err(|source| refused(path, source))?;
        }
        self.settle_by_name(path, name, place)
    }

    /// Both ends are looked up below the root. The target itself is not followed, so a link to a
    /// symbolic link is another name of that link.
    pub(super) fn hard_link(&mut self, path: &[u8], name: &OsStr, place: &Place<'_>) -> Result<()> {
        let mut target = Vec::new();
        clean_into(&place.header.link_name, &mut target);
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
        self.make(path, &place.entered, name, FileType::File, || {
            target_dir.hard_link(target_name, &place.dir, name)
        })
        .map_err(|error| match error {
            UnpackError::Entry { source, .. } if exists(&source) => missing(),
            other => other,
        })?;
        if stat.is_file() {
            self.note_file(path, &place.entered, stat.ino);
        }
        self.settle_by_name(path, name, place)
    }

    pub(super) fn directory(&mut self, path: &[u8], name: &OsStr, place: Place<'_>) -> Result<()> {
        let failed = |source| refused(path, source);
        let mode = place.wanted.mode | OWNER_BITS;
        let mut found = Found::Nothing;
        match place.dir.create_dir(name, mode) {
            Ok(()) => {}
            Err(error) if error.already_exists() => {
                found = self.make_room_for_directory(path, name, &place, mode)?;
            }
            Err(source) => return Err(refused(path, source)),
        }
        let made = place.dir.open_dir(name).map_err(failed)?;
        if self.parents.inherits() && found != Found::Directory {
            remove_acls(&made).map_err(failed)?;
        }
        if found == Found::Something {
            self.parents.cut_off(&made).map_err(failed)?;
        }
        let bytes = name.as_encoded_bytes();
        self.parents.note_own(&place.entered, bytes);
        self.settle_new_directory(path, &made, &place)?;
        let entered = self.parents.entered(&place.entered, bytes, made);
        let entered = entered.map_err(failed)?;
        self.defer(entered.path.to_vec(), place);
        // The replaced entry may have been a link on its own path, which now leads elsewhere.
        if found != Found::Something {
            self.parents.remember(path, entered);
        }
        Ok(())
    }

    /// A directory merges with an existing directory and replaces anything else.
    fn make_room_for_directory(
        &mut self,
        path: &[u8],
        name: &OsStr,
        place: &Place<'_>,
        mode: u32,
    ) -> Result<Found> {
        let there = place
            .dir
            .stat(name)
            .map_err(|source| refused(path, source))?;
        if there.is_some_and(|stat| stat.is_dir()) {
            return Ok(Found::Directory);
        }
        self.clear_way(path, &place.entered, name, FileType::Dir)?;
        place
            .dir
            .create_dir(name, mode)
            .map_err(|source| refused(path, source))?;
        Ok(Found::Something)
    }

    /// Sets owner and mode of a directory that was just created or merged.
    pub(super) fn settle_new_directory(
        &mut self,
        path: &[u8],
        dir: &Dir,
        place: &Place<'_>,
    ) -> Result<()> {
        let stat = dir.stat_self().map_err(|source| refused(path, source))?;
        self.parents.unsettled.state(stat.ino);
        let own = self.parents.own.as_mut();
        if own.is_some_and(|own| own.state(stat.ino)) {
            self.drop_xattrs(path, dir)?;
        }
        let mode = place.wanted.mode | OWNER_BITS;
        let mut owner_changed = false;
        if let Some((uid, gid)) = place.wanted.owner
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
