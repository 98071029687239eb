//! Removes trees that resist removal.
//!
//! Guarantees: symbolic links are not followed. Mounts in the tree are detached and *their content
//! is never touched*. Immutable and append-only flags and missing permissions are cleared. Entries
//! that vanish during the removal are ignored. Busy entries are retried for a limited time. A tree
//! may be deeper than the number of descriptors or the length of a path allows.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{
    AtFlags, IFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, ioctl_getflags,
    ioctl_setflags,
};
use rustix::io::{Errno, Result as Raw};

use crate::directory::attributes::chmod_place;
use crate::directory::dir::{DIR_FLAGS, Dir};
use crate::directory::entries::EntryBuffer;
use crate::directory::links::RenameHow;
use crate::directory::stat::FileType;
use crate::error::{PathError, Result, proc_path};
use crate::files::publish::random_suffix;
use crate::locks::held::no_brief_lock;
use crate::mounts::mount::{Detach, unmount_once};
use crate::mounts::mountinfo::read_mounts;
use crate::process::cancel::Cancel;

/// Removes `name` and everything below it; succeeds if it does not exist.
pub fn remove_tree(dir: &Dir, name: impl AsRef<OsStr>) -> Result<()> {
    remove_tree_unless(dir, name, &Cancel::new())
}

/// Removes a tree as [`remove_tree`] does, unless `cancel` asks it to stop before the next file.
/// The rest of the tree stays then.
pub fn remove_tree_unless(dir: &Dir, name: impl AsRef<OsStr>, cancel: &Cancel) -> Result<()> {
    let name = name.as_ref();
    dir.check("remove tree", name)?;
    if remove_leaf(dir, name)? == Leaf::Gone || is_removed_empty(dir, name) {
        return Ok(());
    }
    no_brief_lock("a tree is erased");
    Remover::new(cancel).remove(dir, name)
}

/// Removes everything in a directory, but not the directory itself.
pub fn remove_contents(dir: &Dir) -> Result<()> {
    no_brief_lock("a tree is erased");
    let cancel = Cancel::new();
    let mut remover = Remover::new(&cancel);
    for name in remover.remove_leaves(&dir.reopen()?)? {
        remover.remove(dir, &name)?;
    }
    Ok(())
}

/// The most directories open at a time; deeper ones are moved up.
const DEPTH: usize = 128;
/// Attempts to remove a busy entry, as in Go (pkg/system/rm.go).
const BUSY_ATTEMPTS: u32 = 1000;
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// How often a directory that is refilled while it is emptied is emptied again.
const REFILLS: u32 = 1000;

struct Remover<'a> {
    buffer: EntryBuffer,
    cancel: &'a Cancel,
}

/// A directory that is being emptied, and its remaining subdirectories.
struct Level {
    name: OsString,
    dir: Dir,
    left: Vec<OsString>,
    refills: u32,
}

impl<'a> Remover<'a> {
    fn new(cancel: &'a Cancel) -> Self {
        Self {
            buffer: EntryBuffer::default(),
            cancel,
        }
    }

    /// Removes one directory with its contents.
    fn remove(&mut self, parent: &Dir, name: &OsStr) -> Result<()> {
        let Some(top) = self.enter(parent, name)? else {
            return Ok(());
        };
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            if let Some(next) = level.left.pop() {
                let here = level.dir.clone();
                if levels.len() >= DEPTH && move_up(&here, &next, &mut levels)? {
                    continue;
                }
                levels.extend(self.enter(&here, &next)?);
            } else {
                let parent = match levels.len() {
                    0 | 1 => parent.clone(),
                    depth => levels
                        .get(depth - 2)
                        .map_or(parent, |above| &above.dir)
                        .clone(),
                };
                self.leave(&parent, &mut levels)?;
            }
        }
        Ok(())
    }

    /// Opens a directory and removes everything in it except subdirectories.
    fn enter(&mut self, parent: &Dir, name: &OsStr) -> Result<Option<Level>> {
        let Some(dir) = open_to_empty(parent, name)? else {
            return Ok(None);
        };
        let left = self.remove_leaves(&dir)?;
        Ok(Some(Level {
            name: name.to_owned(),
            dir,
            left,
            refills: 0,
        }))
    }

    fn remove_leaves(&mut self, dir: &Dir) -> Result<Vec<OsString>> {
        let mut directories = Vec::new();
        self.buffer.visit(dir, |name, file_type| {
            self.cancel
                .check()
                .map_err(|cancelled| PathError::new("remove tree", dir.path(), cancelled.into()))?;
            if file_type == FileType::Dir || remove_leaf(dir, name)? == Leaf::IsDirectory {
                directories.push(name.to_owned());
            }
            Ok(())
        })?;
        Ok(directories)
    }

    /// Removes the last directory, which is empty now, or empties it again if it was refilled.
    fn leave(&mut self, parent: &Dir, levels: &mut Vec<Level>) -> Result<()> {
        let Some(level) = levels.last_mut() else {
            return Ok(());
        };
        match remove_dir(parent, &level.name) {
            Ok(()) => {
                levels.pop();
                Ok(())
            }
            Err(error)
                if error.kind() == std::io::ErrorKind::DirectoryNotEmpty
                    && level.refills < REFILLS =>
            {
                level.refills += 1;
                level.left = self.remove_leaves(&level.dir.reopen()?)?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Moves a directory to the topmost one that is being emptied, so that depth costs no descriptors.
/// Returns whether it did.
fn move_up(here: &Dir, name: &OsStr, levels: &mut [Level]) -> Result<bool> {
    let Some(top) = levels.first_mut() else {
        return Ok(false);
    };
    let target = OsString::from(format!(".moved-up-{}", random_suffix()?));
    match here.rename(name, &top.dir, &target, RenameHow::NoReplace) {
        Ok(()) => {
            top.left.push(target);
            Ok(true)
        }
        // A mount point or a missing permission: enter it as usual, which handles both.
        Err(_) => Ok(false),
    }
}

/// Removes a directory if it is empty, which is quick. If that fails, the walk finds out why.
fn is_removed_empty(dir: &Dir, name: &OsStr) -> bool {
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).is_ok()
}

#[derive(PartialEq, Eq)]
enum Leaf {
    Gone,
    IsDirectory,
}

/// Removes anything that is not a directory.
fn remove_leaf(dir: &Dir, name: &OsStr) -> Result<Leaf> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Leaf::Gone),
        Err(Errno::ISDIR) => Ok(Leaf::IsDirectory),
        Err(error) => {
            if dir.stat(name)?.is_some_and(|stat| stat.is_dir()) {
                return Ok(Leaf::IsDirectory);
            }
            insist(dir, name, AtFlags::empty(), error).map(|()| Leaf::Gone)
        }
    }
}

fn remove_dir(dir: &Dir, name: &OsStr) -> Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => insist(dir, name, AtFlags::REMOVEDIR, error),
    }
}

/// Retries after clearing what prevents the removal.
fn insist(dir: &Dir, name: &OsStr, flags: AtFlags, first: Errno) -> Result<()> {
    let mut error = first;
    let mut freed = false;
    let mut attempts = 0;
    loop {
        match error {
            Errno::PERM | Errno::ACCESS if !freed => {
                freed = true;
                free(dir, name, error);
            }
            Errno::BUSY if attempts < BUSY_ATTEMPTS => {
                attempts += 1;
                if unmount_once(&proc_path(dir).join(name), Detach::Lazy).is_err() {
                    std::thread::sleep(BUSY_PAUSE);
                }
            }
            _ => return Err(PathError::new("remove", dir.join(name), error.into())),
        }
        match rustix::fs::unlinkat(dir, name, flags) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(next) => error = next,
        }
    }
}

/// Clears what makes the kernel refuse a removal: flags of the entry and of its directory, and
/// missing permissions of the directory. Errors are ignored: the next attempt shows whether it
/// helped.
fn free(dir: &Dir, name: &OsStr, refusal: Errno) {
    if refusal == Errno::ACCESS {
        let _ = rustix::fs::fchmod(dir, Mode::RWXU);
        return;
    }
    clear_flags(dir);
    // Only files and directories have these flags, and opening anything else could do harm.
    let plain = dir.stat(name).ok().flatten();
    if plain.is_some_and(|stat| stat.is_file() || stat.is_dir()) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(file) = rustix::fs::openat(dir, name, flags, Mode::empty()) {
            clear_flags(&file);
        }
    }
}

fn clear_flags(file: &impl AsFd) {
    let blocking = IFlags::IMMUTABLE | IFlags::APPEND;
    if let Ok(flags) = ioctl_getflags(file)
        && flags.intersects(blocking)
    {
        let _ = ioctl_setflags(file, flags - blocking);
    }
}

/// Opens a directory for emptying it; `None` if it does not exist. A mount on it is detached first,
/// so that the mount's content is out of reach.
fn open_to_empty(parent: &Dir, name: &OsStr) -> Result<Option<Dir>> {
    let mut attempts = 0;
    let mut permitted = false;
    loop {
        let error = match open_unmounted(parent, name) {
            Ok(descriptor) => {
                return Ok(Some(Dir::from_descriptor(descriptor, parent.join(name))));
            }
            Err(error) => error,
        };
        match error {
            Errno::NOENT => return Ok(None),
            Errno::ACCESS if !permitted => {
                permitted = true;
                let _ = parent
                    .open_place(name)
                    .and_then(|place| chmod_place(&place, Mode::RWXU));
            }
            Errno::XDEV if attempts < BUSY_ATTEMPTS => {
                attempts += 1;
                detach(parent, name)?;
            }
            // It was replaced by something that is not a directory.
            Errno::NOTDIR | Errno::LOOP if attempts < BUSY_ATTEMPTS => {
                attempts += 1;
                if remove_leaf(parent, name)? == Leaf::Gone {
                    return Ok(None);
                }
            }
            _ => {
                return Err(PathError::new(
                    "open directory",
                    parent.join(name),
                    error.into(),
                ));
            }
        }
    }
}

fn detach(parent: &Dir, name: &OsStr) -> Result<()> {
    match unmount_once(&proc_path(parent).join(name), Detach::Lazy) {
        // The mount is gone.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(PathError::new("unmount", parent.join(name), error.into())),
    }
}

/// Opens a directory; fails with `EXDEV` if it is a mount point.
fn open_unmounted(parent: &Dir, name: &OsStr) -> Raw<OwnedFd> {
    let flags = DIR_FLAGS | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::BENEATH;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => open_and_check(parent, name, flags),
        other => other,
    }
}

/// Like [`open_unmounted`], for kernels without `openat2`.
fn open_and_check(parent: &Dir, name: &OsStr, flags: OFlags) -> Raw<OwnedFd> {
    let descriptor = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    if is_mount_root(&descriptor)? {
        return Err(Errno::XDEV);
    }
    Ok(descriptor)
}

fn is_mount_root(directory: &OwnedFd) -> Raw<bool> {
    match rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::empty()) {
        Ok(answer)
            if answer
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT) =>
        {
            Ok(answer.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => is_listed(directory),
        Err(error) => Err(error),
    }
}

/// Kernels without a better way still have the mount table.
fn is_listed(directory: &OwnedFd) -> Raw<bool> {
    let path = crate::error::descriptor_path(directory);
    let mounts = read_mounts().map_err(|_| Errno::IO)?;
    Ok(mounts.iter().any(|mount| mount.mount_point == path))
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
    fn nothing_there_is_success() {
        let (_scratch, dir) = scratch();
        remove_tree(&dir, "missing").unwrap();
    }

    #[test]
    fn a_cancelled_removal_leaves_the_rest() {
        let (_scratch, dir) = scratch();
        let tree = dir.ensure_dir("tree", 0o700).unwrap();
        drop(tree.create_file("f", 0o600).unwrap());
        let cancel = Cancel::new();
        cancel.cancel();
        let error = remove_tree_unless(&dir, "tree", &cancel).unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
        assert!(tree.exists("f").unwrap());
        remove_tree_unless(&dir, "tree", &Cancel::new()).unwrap();
        assert!(!dir.exists("tree").unwrap());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let (_scratch, dir) = scratch();
        let kept = dir.ensure_dir("kept", 0o700).unwrap();
        drop(kept.create_file("f", 0o600).unwrap());
        let tree = dir.ensure_dir("tree", 0o700).unwrap();
        tree.symlink("../kept", "link").unwrap();
        tree.ensure_dir("sub", 0o700)
            .unwrap()
            .symlink("../../kept/", "link")
            .unwrap();
        remove_tree(&dir, "tree").unwrap();
        dir.symlink("kept", "link").unwrap();
        remove_tree(&dir, "link").unwrap();
        assert!(!dir.exists("tree").unwrap());
        assert!(!dir.exists("link").unwrap());
        assert!(kept.exists("f").unwrap());
    }

    #[test]
    fn deeper_than_descriptors_and_paths_allow() {
        let (_scratch, dir) = scratch();
        let mut level = dir.ensure_dir("tree", 0o700).unwrap();
        // More levels than a process usually may have descriptors (1024).
        for depth in 0..1100 {
            if depth % 20 == 0 {
                drop(level.create_file("f", 0o600).unwrap());
                drop(level.ensure_dir("sibling", 0o700).unwrap());
            }
            level = level.ensure_dir("down", 0o700).unwrap();
        }
        remove_tree(&dir, "tree").unwrap();
        assert_eq!(dir.entries().unwrap().count(), 0);
    }

    #[test]
    fn wide_directories_are_emptied() {
        let (_scratch, dir) = scratch();
        let tree = dir.ensure_dir("tree", 0o700).unwrap();
        for n in 0..3000 {
            drop(
                tree.create_file(format!("some-longer-file-name-{n}"), 0o600)
                    .unwrap(),
            );
        }
        remove_contents(&dir).unwrap();
        assert_eq!(dir.entries().unwrap().count(), 0);
    }

    #[test]
    fn both_ways_to_open_agree_on_plain_directories() {
        let (_scratch, dir) = scratch();
        dir.create_dir("plain", 0o700).unwrap();
        let name = OsStr::new("plain");
        assert!(open_unmounted(&dir, name).is_ok());
        assert!(open_and_check(&dir, name, DIR_FLAGS).is_ok());
        let proc = Dir::open_ambient("/").unwrap();
        let name = OsStr::new("proc");
        assert_eq!(open_unmounted(&proc, name).unwrap_err(), Errno::XDEV);
        assert_eq!(
            open_and_check(&proc, name, DIR_FLAGS).unwrap_err(),
            Errno::XDEV
        );
        let descriptor = rustix::fs::openat(&proc, name, DIR_FLAGS, Mode::empty()).unwrap();
        assert!(is_listed(&descriptor).unwrap());
    }
}
