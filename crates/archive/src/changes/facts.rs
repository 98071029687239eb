//! What is compared of one entry (Go: `pkg/archive/changes_linux.go`, `walkchunk`,
//! and `changes_unix.go`, `statDifferent`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use layerhold_idmap::IdMappings;
use layerhold_sys::{Dir, FileType, PathError, Stat, Timestamp, xattr};

/// One entry of one of the trees.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) stat: Stat,
    xattrs: BTreeMap<OsString, Vec<u8>>,
    target: Option<PathBuf>,
}

/// Looks at an entry; `None` if it vanished.
pub(super) fn look(dir: &Dir, name: &OsStr) -> Result<Option<Facts>, PathError> {
    let Some(stat) = dir.stat(name)? else {
        return Ok(None);
    };
    let found = (|| {
        Ok(Facts {
            stat,
            xattrs: compared_xattrs(dir, name, &stat)?,
            target: match stat.file_type() {
                FileType::Symlink => Some(dir.read_link(name)?),
                _ => None,
            },
        })
    })();
    match found {
        Err(error) if is_gone(&error) => Ok(None),
        other => other.map(Some),
    }
}

fn is_gone(error: &PathError) -> bool {
    error.is_not_found()
}

/// File capabilities and everything in the user namespace. The kernel allows
/// neither on anything but files and directories.
fn compared_xattrs(
    dir: &Dir,
    name: &OsStr,
    stat: &Stat,
) -> Result<BTreeMap<OsString, Vec<u8>>, PathError> {
    let mut found = BTreeMap::new();
    if !matches!(stat.file_type(), FileType::File | FileType::Dir) {
        return Ok(found);
    }
    for key in xattr::list_at(dir, name)? {
        if (key == "security.capability" || key.as_bytes().starts_with(b"user."))
            && let Some(value) = xattr::get_at(dir, name, &key)?
        {
            found.insert(key, value);
        }
    }
    Ok(found)
}

/// Whether the two entries, of the same path, count as different.
///
/// Inode numbers and change times are not compared: they differ between a tree
/// and its copy. The size of a directory says nothing.
pub(super) fn differ(
    new: &Facts,
    new_maps: &IdMappings,
    old: &Facts,
    old_maps: &IdMappings,
) -> bool {
    let (n, o) = (&new.stat, &old.stat);
    n.mode != o.mode
        || owners_differ(n, new_maps, o, old_maps)
        || n.rdev != o.rdev
        || !is_same_time(n.mtime, o.mtime)
        || (!n.is_dir() && n.size != o.size)
        || new.target != old.target
        || new.xattrs != old.xattrs
}

/// Owners are compared as seen in the containers; where one has no counterpart
/// there, as they are on disk.
fn owners_differ(new: &Stat, new_maps: &IdMappings, old: &Stat, old_maps: &IdMappings) -> bool {
    let on_disk = (old.uid, old.gid);
    match crate::ids::to_container(new_maps, new.uid, new.gid) {
        Some(new) => {
            let old = crate::ids::to_container(old_maps, old.uid, old.gid);
            new != old.unwrap_or(on_disk)
        }
        None => (new.uid, new.gid) != on_disk,
    }
}

/// A time without a fraction may be one that lost it in an archive.
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
