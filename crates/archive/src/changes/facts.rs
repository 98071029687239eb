//! Which properties of an entry are compared (Go: `pkg/archive/changes_linux.go`, `walkchunk`, and
//! `changes_unix.go`, `statDifferent`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use layerhold_idmap::{ContainerId32, HostId, IdMap, IdMappings};
use layerhold_sys::{Dir, FileType, PathError, Stat, Timestamp, xattr};

use crate::overlay_form::OverlayForm;

/// An entry of one of the trees, and its place.
pub(super) struct Entry<'a> {
    pub(super) dir: &'a Dir,
    pub(super) name: &'a OsStr,
    pub(super) stat: Stat,
    pub(super) maps: &'a IdMappings,
    /// If given, the entry is in the directory of an overlay layer, whose own attributes the
    /// mounted tree does not show.
    pub(super) overlay: Option<OverlayForm>,
}

/// The tree that could not be read, and why.
pub(super) enum Failed {
    New(PathError),
    Old(PathError),
}

/// Whether two entries of the same path count as different.
///
/// Not compared: inode numbers and change times, which differ between a tree and its copy, and
/// sizes of directories. Properties that need more system calls are compared last.
pub(super) fn differ(new: &Entry<'_>, old: &Entry<'_>) -> Result<bool, Failed> {
    let (n, o) = (&new.stat, &old.stat);
    if n.mode != o.mode
        || owners_differ(n, new.maps, o, old.maps)
        || n.rdev != o.rdev
        || !is_same_time(n.mtime, o.mtime)
        || (!n.is_dir() && n.size != o.size)
    {
        return Ok(true);
    }
    Ok(match n.file_type() {
        FileType::Symlink => {
            let new = new.dir.read_link(new.name).map_err(Failed::New)?;
            new != old.dir.read_link(old.name).map_err(Failed::Old)?
        }
        FileType::File | FileType::Dir => {
            let new = compared_xattrs(new).map_err(Failed::New)?;
            new != compared_xattrs(old).map_err(Failed::Old)?
        }
        _ => false,
    })
}

/// Reads file capabilities and everything in the `user.` namespace. The kernel allows neither on
/// anything but files and directories.
fn compared_xattrs(entry: &Entry<'_>) -> Result<BTreeMap<OsString, Vec<u8>>, PathError> {
    let mut found = BTreeMap::new();
    for key in xattr::list_at(entry.dir, entry.name)? {
        if (key == "security.capability" || key.as_bytes().starts_with(b"user."))
            && !entry.overlay.is_some_and(|form| form.owns(key.as_bytes()))
            && let Some(value) = xattr::get_at(entry.dir, entry.name, &key)?
        {
            found.insert(key, value);
        }
    }
    Ok(found)
}

/// Owners are compared as the containers see them. An owner without a mapping is compared as it is
/// on disk, and with the owner that rewriting puts in its place.
fn owners_differ(new: &Stat, new_maps: &IdMappings, old: &Stat, old_maps: &IdMappings) -> bool {
    let differs = |new_map: &IdMap, new: u32, old_map: &IdMap, old: u32| match old_map
        .to_container(HostId::new(old))
    {
        Ok(inside) => {
            let expected = new_map.to_host_or_overflow(inside).get();
            let is_unmapped = new_map.to_container(HostId::new(new)).is_err();
            new != expected && !(is_unmapped && new == old)
        }
        Err(_) => {
            let inside = new_map.to_container(HostId::new(new));
            old != inside.map_or(new, ContainerId32::get)
        }
    };
    differs(&new_maps.uids, new.uid, &old_maps.uids, old.uid)
        || differs(&new_maps.gids, new.gid, &old_maps.gids, old.gid)
}

/// A time without a fraction matches one with a fraction: archives may drop it.
fn is_same_time(a: Timestamp, b: Timestamp) -> bool {
    a.seconds == b.seconds
        && (a.nanoseconds == b.nanoseconds || a.nanoseconds == 0 || b.nanoseconds == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_fractions_do_not_count() {
        let at = |seconds, nanoseconds| Timestamp {
            seconds,
            nanoseconds,
        };
        assert!(is_same_time(at(1, 5), at(1, 5)));
        assert!(is_same_time(at(1, 0), at(1, 5)));
        assert!(is_same_time(at(1, 5), at(1, 0)));
        assert!(!is_same_time(at(1, 4), at(1, 5)));
        assert!(!is_same_time(at(2, 0), at(1, 0)));
    }
}
