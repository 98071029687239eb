//! Everything that is made by name: links, device nodes, pipes, directories.

use std::ffi::OsStr;

use layerhold_sys::{
    Dir, FileType, NodeKind, PathError, Stat, make_device, remove_acl_at, remove_acls, xattr,
};
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{clean_into, os, shown, split};
use crate::unpack::parents::{EnterError, Missing};
use crate::unpack::unpacker::{Place, Result, Unpacker, refused};
use crate::unpack::{UnpackError, Whiteouts};

/// Restrictive modes of directories come last: who is not root could not create
/// anything below a directory without them.
pub(super) const OWNER_BITS: u32 = 0o700;

/// What was where a directory was to be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing that still is there or matters.
    Nothing,
    /// A directory, which stays.
    Directory,
    /// An overlay whiteout, which was removed.
    Whiteout,
}

impl Unpacker {
    /// Makes something by name, and anew if something else is in its way.
    pub(super) fn make(
        &mut self,
        path: &[u8],
        dir: &Dir,
        name: &OsStr,
        incoming: FileType,
        make: impl Fn() -> std::result::Result<(), PathError>,
    ) -> Result<()> {
        match make() {
            Err(error) if error.already_exists() => {
                self.clear_way(path, dir, name, incoming)?;
                make()
            }
            other => other,
        }
        .map_err(|source| refused(path, source))
    }

    /// The target is data: whatever it says, lookups below the root stay there.
    pub(super) fn symlink(&mut self, path: &[u8], name: &OsStr, place: &Place<'_>) -> Result<()> {
        let target = os(&place.header.link_name);
        self.make(path, &place.dir, name, FileType::Symlink, || {
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
        self.make(path, &place.dir, name, incoming, || {
            place.dir.make_node(name, kind, place.wanted.mode, device)
        })?;
        if self.parents.inherits() {
            remove_acl_at(&place.dir, name).map_err(|source| refused(path, source))?;
        }
        self.settle_by_name(path, name, place)
    }

    /// Both ends are looked up below the root; the target itself is not followed,
    /// so that a link to a symbolic link is one more name of that.
    pub(super) fn hard_link(&mut self, path: &[u8], name: &OsStr, place: &Place<'_>) -> Result<()> {
        let mut target = Vec::new();
        clean_into(&place.header.link_name, &mut target);
        let missing = || UnpackError::MissingLinkTarget {
            entry: shown(path),
            target: shown(&target),
        };
        let (target_dir, target_name) = match self.stored_link(&target) {
            Some(found) => found,
            None if target.is_empty() => return Err(missing()),
            None => {
                let (parent, target_name) = split(&target);
                let dir = match self.parents.enter(parent, Missing::Fail) {
                    Ok(dir) => dir,
                    Err(EnterError::Refused(source)) => return Err(refused(path, source)),
                    Err(_) => return Err(missing()),
                };
                (dir, os(target_name).to_owned())
            }
        };
        let exists = |source: &PathError| source.is_not_found();
        self.make(path, &place.dir, name, FileType::File, || {
            target_dir.hard_link(&target_name, &place.dir, name)
        })
        .map_err(|error| match error {
            UnpackError::Entry { source, .. } if exists(&source) => missing(),
            other => other,
        })?;
        self.settle_by_name(path, name, place)
    }

    pub(super) fn directory(&mut self, path: &[u8], name: &OsStr, place: Place<'_>) -> Result<()> {
        let mode = place.wanted.mode | OWNER_BITS;
        let mut found = Found::Nothing;
        match place.dir.create_dir(name, mode) {
            Ok(()) => {}
            Err(error) if error.already_exists() => {
                found = self.make_room_for_directory(path, name, &place, mode)?;
            }
            Err(source) => return Err(refused(path, source)),
        }
        let made = place
            .dir
            .open_dir(name)
            .map_err(|source| refused(path, source))?;
        if self.parents.inherits() && found != Found::Directory {
            remove_acls(&made).map_err(|source| refused(path, source))?;
        }
        if found == Found::Whiteout
            && let Whiteouts::Overlay(namespace) = self.options.whiteouts
        {
            // What the whiteout hid must stay hidden behind the directory.
            xattr::set(&made, namespace.opaque_attribute(), b"y")
                .map_err(|source| refused(path, source))?;
        }
        self.settle_new_directory(path, &made, &place)?;
        self.parents.remember(path, made);
        self.defer(path, place);
        Ok(())
    }

    /// A directory merges with one that is there and replaces anything else.
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
        let removed = self.clear_way(path, &place.dir, name, FileType::Dir)?;
        place
            .dir
            .create_dir(name, mode)
            .map_err(|source| refused(path, source))?;
        let is_whiteout = |stat: Stat| stat.file_type() == FileType::CharDevice && stat.rdev == 0;
        Ok(match removed.is_some_and(is_whiteout) {
            true => Found::Whiteout,
            false => Found::Nothing,
        })
    }

    /// Owner and mode of a directory that was just made or merged.
    pub(super) fn settle_new_directory(
        &mut self,
        path: &[u8],
        dir: &Dir,
        place: &Place<'_>,
    ) -> Result<()> {
        let stat = dir.stat_self().map_err(|source| refused(path, source))?;
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
