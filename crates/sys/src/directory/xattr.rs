//! Extended attributes, on open descriptors and by name without following links.
//!
//! On a filesystem without extended attributes, listing gives an empty list and getting gives
//! `None`. Setting is an error that [`PathError::is_unsupported`](crate::PathError::is_unsupported)
//! recognizes.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::XattrFlags;
use rustix::io::{Errno, Result as Raw};

use crate::directory::dir::Dir;
use crate::directory::xattrat;
use crate::error::{Context, Result, descriptor_path, proc_path};

/// Reads one attribute of an open file or directory; `None` if it is not set.
pub fn get(file: &impl AsFd, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>> {
    let name = name.as_ref();
    let value = fill(VALUE_GUESS, |buffer| {
        rustix::fs::fgetxattr(file, name, buffer)
    });
    optional(value).context("get attribute of", || descriptor_path(file))
}

/// Sets one attribute of an open file or directory.
pub fn set(file: &impl AsFd, name: impl AsRef<OsStr>, value: &[u8]) -> Result<()> {
    rustix::fs::fsetxattr(file, name.as_ref(), value, XattrFlags::empty())
        .context("set attribute of", || descriptor_path(file))
}

/// Names of all attributes of an open file or directory that this process may see.
pub fn list(file: &impl AsFd) -> Result<Vec<OsString>> {
    names(fill(LIST_GUESS, |buffer| {
        rustix::fs::flistxattr(file, buffer)
    }))
    .context("list attributes of", || descriptor_path(file))
}

/// Whether the filesystem of an open file or directory supports this attribute, set or not.
pub fn is_kept(file: &impl AsFd, name: impl AsRef<OsStr>) -> Result<bool> {
    match rustix::fs::fgetxattr(file, name.as_ref(), &mut [0u8; 0][..]) {
        Ok(_) | Err(Errno::NODATA | Errno::RANGE) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error).context("get attribute of", || descriptor_path(file)),
    }
}

/// Removes one attribute of an open file or directory; returns whether it was set.
pub fn remove(file: &impl AsFd, name: impl AsRef<OsStr>) -> Result<bool> {
    removed(rustix::fs::fremovexattr(file, name.as_ref()))
        .context("remove attribute of", || descriptor_path(file))
}

/// Reads one attribute of an entry, or of a symbolic link itself.
pub fn get_at(
    dir: &Dir,
    entry: impl AsRef<OsStr>,
    name: impl AsRef<OsStr>,
) -> Result<Option<Vec<u8>>> {
    let (entry, name) = (entry.as_ref(), name.as_ref());
    dir.check("get attribute of", entry)?;
    let value = either(
        || fill(VALUE_GUESS, |buffer| xattrat::get(dir, entry, name, buffer)),
        || {
            let path = entry_path(dir, entry);
            fill(VALUE_GUESS, |buffer| {
                rustix::fs::lgetxattr(&path, name, buffer)
            })
        },
    );
    optional(value).context("get attribute of", || dir.join(entry))
}

/// Sets one attribute of an entry, or of a symbolic link itself.
pub fn set_at(
    dir: &Dir,
    entry: impl AsRef<OsStr>,
    name: impl AsRef<OsStr>,
    value: &[u8],
) -> Result<()> {
    let (entry, name) = (entry.as_ref(), name.as_ref());
    dir.check("set attribute of", entry)?;
    let result = either(
        || xattrat::set(dir, entry, name, value),
        || {
            let path = entry_path(dir, entry);
            rustix::fs::lsetxattr(&path, name, value, XattrFlags::empty())
        },
    );
    result.context("set attribute of", || dir.join(entry))
}

/// Names of all attributes of an entry, or of a symbolic link itself.
pub fn list_at(dir: &Dir, entry: impl AsRef<OsStr>) -> Result<Vec<OsString>> {
    let entry = entry.as_ref();
    dir.check("list attributes of", entry)?;
    let list = either(
        || fill(LIST_GUESS, |buffer| xattrat::list(dir, entry, buffer)),
        || {
            let path = entry_path(dir, entry);
            fill(LIST_GUESS, |buffer| rustix::fs::llistxattr(&path, buffer))
        },
    );
    names(list).context("list attributes of", || dir.join(entry))
}

/// Removes one attribute of an entry; returns whether it was set.
pub fn remove_at(dir: &Dir, entry: impl AsRef<OsStr>, name: impl AsRef<OsStr>) -> Result<bool> {
    let (entry, name) = (entry.as_ref(), name.as_ref());
    dir.check("remove attribute of", entry)?;
    let result = either(
        || xattrat::remove(dir, entry, name),
        || rustix::fs::lremovexattr(entry_path(dir, entry), name),
    );
    removed(result).context("remove attribute of", || dir.join(entry))
}

/// Most files have no attribute or one with a short name.
const LIST_GUESS: usize = 256;
/// A file capability is 20 or 24 bytes, a label rarely more than 100.
const VALUE_GUESS: usize = 256;
/// The kernel's limit for values and lists of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const LARGEST: usize = 65_536;

/// Uses the calls of recent kernels, or procfs if they are missing.
///
/// Sandboxes answer `EPERM` to unknown calls. It may also be the real answer; then procfs gives it
/// again.
fn either<T>(recent: impl FnOnce() -> Raw<T>, procfs: impl FnOnce() -> Raw<T>) -> Raw<T> {
    match recent() {
        Err(Errno::NOSYS | Errno::PERM) => procfs(),
        other => other,
    }
}

/// The procfs path of an entry of an open directory.
///
/// It begins with the open descriptor, so renames cannot redirect the access.
fn entry_path(dir: &Dir, entry: &OsStr) -> PathBuf {
    proc_path(dir).join(entry)
}

/// Calls with a buffer that grows once to the largest size if it was too small.
fn fill(guess: usize, mut call: impl FnMut(&mut [u8]) -> Raw<usize>) -> Raw<Vec<u8>> {
    let mut buffer = vec![0; guess];
    let length = match call(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer.resize(LARGEST, 0);
            call(&mut buffer)?
        }
        other => other?,
    };
    buffer.truncate(length);
    Ok(buffer)
}

fn optional(value: Raw<Vec<u8>>) -> Raw<Option<Vec<u8>>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn removed(result: Raw<()>) -> Raw<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::NODATA) => Ok(false),
        Err(error) => Err(error),
    }
}

fn names(list: Raw<Vec<u8>>) -> Raw<Vec<OsString>> {
    let list = match list {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    Ok(list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        (scratch, dir)
    }

    #[test]
    fn attributes_of_descriptors_round_trip() {
        let (_scratch, dir) = scratch();
        let file = dir.create_file("f", 0o600).unwrap();
        assert_eq!(get(&file, "user.a").unwrap(), None);
        let long = vec![7; 2000];
        set(&file, "user.a", b"short").unwrap();
        set(&file, "user.b", &long).unwrap();
        assert_eq!(get(&file, "user.a").unwrap().unwrap(), b"short");
        assert_eq!(get(&file, "user.b").unwrap().unwrap(), long);
        let mut names = list(&file).unwrap();
        names.sort();
        assert_eq!(names, ["user.a", "user.b"]);
        assert!(remove(&file, "user.a").unwrap());
        assert!(!remove(&file, "user.a").unwrap());
    }

    #[test]
    fn attributes_by_name_do_not_follow_links() {
        let (_scratch, dir) = scratch();
        drop(dir.create_file("f", 0o600).unwrap());
        set_at(&dir, "f", "user.a", b"x").unwrap();
        dir.symlink("f", "l").unwrap();
        assert_eq!(list_at(&dir, "f").unwrap(), ["user.a"]);
        assert_eq!(get_at(&dir, "f", "user.a").unwrap().unwrap(), b"x");
        assert_eq!(list_at(&dir, "l").unwrap(), Vec::<OsString>::new());
        // The kernel allows no user attributes on links, and those of the target must not appear.
        assert!(
            set_at(&dir, "l", "user.a", b"x")
                .unwrap_err()
                .is_permission_denied()
        );
        assert!(remove_at(&dir, "f", "user.a").unwrap());
        assert_eq!(get_at(&dir, "f", "user.a").unwrap(), None);
    }

    #[test]
    fn both_ways_to_an_entry_give_the_same() {
        let (_scratch, dir) = scratch();
        drop(dir.create_file("f", 0o600).unwrap());
        dir.symlink("f", "l").unwrap();
        let (f, user) = (OsStr::new("f"), OsStr::new("user.a"));
        if xattrat::list(&dir, f, &mut []) == Err(Errno::NOSYS) {
            // The other tests cover the only way that this kernel has.
            crate::fixture::skip("the kernel has no listxattrat");
            return;
        }
        let path = entry_path(&dir, f);
        let value = vec![9; 1000];
        xattrat::set(&dir, f, user, &value).unwrap();
        let through_procfs = fill(VALUE_GUESS, |b| rustix::fs::lgetxattr(&path, user, b));
        assert_eq!(through_procfs.unwrap(), value);
        let direct = fill(VALUE_GUESS, |b| xattrat::get(&dir, f, user, b));
        assert_eq!(direct.unwrap(), value);
        let direct = fill(LIST_GUESS, |b| xattrat::list(&dir, f, b)).unwrap();
        assert_eq!(direct, b"user.a\0");
        assert_eq!(xattrat::list(&dir, OsStr::new("l"), &mut [0; 9]), Ok(0));
        assert_eq!(xattrat::get(&dir, f, user, &mut [0; 9]), Err(Errno::RANGE));
        assert_eq!(
            xattrat::set(&dir, OsStr::new("l"), user, b""),
            Err(Errno::PERM)
        );
        xattrat::set(&dir, f, user, b"").unwrap();
        assert_eq!(xattrat::get(&dir, f, user, &mut [0; 9]), Ok(0));
        xattrat::remove(&dir, f, user).unwrap();
        assert_eq!(xattrat::remove(&dir, f, user), Err(Errno::NODATA));
        let missing = OsStr::new("missing");
        assert_eq!(xattrat::list(&dir, missing, &mut []), Err(Errno::NOENT));
        assert_eq!(
            xattrat::list(&dir, OsStr::new("a\0b"), &mut []),
            Err(Errno::INVAL)
        );
    }

    #[test]
    fn many_attribute_names_are_all_listed() {
        let (_scratch, dir) = scratch();
        let file = dir.create_file("f", 0o600).unwrap();
        for n in 0..40 {
            set(&file, format!("user.a-long-enough-name-{n}"), b"").unwrap();
        }
        assert_eq!(list(&file).unwrap().len(), 40);
    }
}
