use std::collections::HashSet;
use std::ffi::OsString;

use crate::directory::dir::Dir;
use crate::directory::entries::EntryBuffer;
use crate::directory::stat::{FileType, Stat};
use crate::error::{PathError, Result};
use crate::locks::held::no_brief_lock;
use crate::process::cancel::Cancel;
use crate::trees::descent::Descent;

/// The size of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeUsage {
    /// Total length of everything except directories, hard links once.
    pub bytes: u64,
    /// Number of inodes, the top directory included, hard links once.
    pub inodes: u64,
    /// Size of the blocks of all inodes in bytes, directories included. Blocks that several files
    /// share count for each of them.
    pub allocated: u64,
}

/// Adds up a tree as the Go library does (Go: pkg/directory): lengths, not blocks; for symbolic
/// links the length of the target; directories as inodes only. Entries that vanish during the walk
/// are left out.
pub fn tree_usage(dir: &Dir) -> Result<TreeUsage> {
    tree_usage_unless(dir, &Cancel::new())
}

/// Adds up a tree as [`tree_usage`] does, unless `cancel` asks it to stop before the next file.
pub fn tree_usage_unless(dir: &Dir, cancel: &Cancel) -> Result<TreeUsage> {
    no_brief_lock("a tree is measured");
    let mut counter = Counter::new(cancel);
    let mut descent = Descent::new(dir);
    let mut levels = vec![counter.add_entries(&dir.reopen()?)?];
    while let Some(left) = levels.last_mut() {
        let Some(name) = left.pop() else {
            levels.pop();
            descent.leave();
            continue;
        };
        match descent.here().and_then(|here| here.open_dir(&name)) {
            Ok(dir) => {
                levels.push(counter.add_entries(&dir)?);
                descent.enter(name, dir)?;
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(counter.usage)
}

struct Counter<'a> {
    cancel: &'a Cancel,
    usage: TreeUsage,
    /// Inodes with several names that are counted already.
    linked: HashSet<(u64, u64)>,
    buffer: EntryBuffer,
}

impl<'a> Counter<'a> {
    fn new(cancel: &'a Cancel) -> Self {
        Self {
            cancel,
            usage: TreeUsage::default(),
            linked: HashSet::new(),
            buffer: EntryBuffer::default(),
        }
    }

    /// Counts an open directory and its entries, and returns the names of its subdirectories.
    fn add_entries(&mut self, dir: &Dir) -> Result<Vec<OsString>> {
        self.usage.inodes += 1;
        self.add_blocks(&dir.stat_self()?);
        let mut below = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = buffer.visit(dir, |name, file_type| {
            self.cancel
                .check()
                .map_err(|cancelled| PathError::new("measure", dir.path(), cancelled.into()))?;
            if file_type == FileType::Dir {
                below.push(name.to_owned());
            } else if let Some(stat) = dir.stat(name)? {
                self.add_file(&stat);
            }
            Ok(())
        });
        self.buffer = buffer;
        result.map(|()| below)
    }

    fn add_file(&mut self, stat: &Stat) {
        if stat.nlink <= 1 || self.linked.insert((stat.dev, stat.ino)) {
            self.usage.inodes += 1;
            // A sparse file may have any length.
            self.usage.bytes = self.usage.bytes.saturating_add(stat.size);
            self.add_blocks(stat);
        }
    }

    fn add_blocks(&mut self, stat: &Stat) {
        let bytes = stat.blocks.saturating_mul(512);
        self.usage.allocated = self.usage.allocated.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn hard_links_count_once_and_directories_count_no_bytes() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let sub = dir.ensure_dir("sub", 0o700).unwrap();
        dir.create_file("a", 0o600)
            .unwrap()
            .write_all(b"12345")
            .unwrap();
        dir.hard_link("a", &sub, "b").unwrap();
        sub.create_file("c", 0o600)
            .unwrap()
            .write_all(b"123")
            .unwrap();
        dir.symlink("target", "link").unwrap();
        let blocks = |path: &str| {
            let stat = std::fs::symlink_metadata(scratch.path().join(path)).unwrap();
            std::os::unix::fs::MetadataExt::blocks(&stat) * 512
        };
        let expected = TreeUsage {
            bytes: 5 + 3 + 6,
            inodes: 5,
            allocated: ["", "a", "sub", "sub/c", "link"].map(blocks).iter().sum(),
        };
        assert_eq!(tree_usage(&dir).unwrap(), expected);
    }

    #[test]
    fn counting_ends_when_it_is_cancelled() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        drop(dir.create_file("a", 0o600).unwrap());
        let cancel = Cancel::new();
        assert_eq!(tree_usage_unless(&dir, &cancel).unwrap().inodes, 2);
        cancel.cancel();
        let error = tree_usage_unless(&dir, &cancel).unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
    }

    #[test]
    fn a_tree_deeper_than_a_path_may_be_long_is_counted() {
        let scratch = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient(scratch.path()).unwrap();
        let mut dir = top.clone();
        for _ in 0..60 {
            drop(dir.create_file("f", 0o600).unwrap());
            dir = dir.ensure_dir("d".repeat(200), 0o700).unwrap();
        }
        let usage = tree_usage(&top).unwrap();
        assert_eq!((usage.bytes, usage.inodes), (0, 1 + 2 * 60));
        crate::remove_tree(&top, "d".repeat(200)).unwrap();
    }

    #[test]
    fn each_directory_is_opened_a_bounded_number_of_times() {
        const DEPTH: u64 = 1200;
        let scratch = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient(scratch.path()).unwrap();
        let mut dir = top.clone();
        for _ in 0..DEPTH {
            // An entry after a deep directory requires the way back to be open.
            for side in ["a", "z"] {
                dir.create_dir(side, 0o700).unwrap();
            }
            dir = dir.ensure_dir("directory", 0o700).unwrap();
        }
        let before = crate::directories_opened();
        let usage = tree_usage(&top).unwrap();
        assert_eq!(usage.inodes, 1 + 3 * DEPTH);
        assert!(crate::directories_opened() - before <= 4 * DEPTH + 2);
        crate::remove_tree(&top, "directory").unwrap();
    }
}
