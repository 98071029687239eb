use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::dir::Dir;
use crate::entries::EntryBuffer;
use crate::error::Result;
use crate::held::no_brief_lock;
use crate::stat::{FileType, Stat};

/// What a tree takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// Sum of the lengths of everything but directories, hard links once.
    pub bytes: u64,
    /// Inodes, the top directory included, hard links once.
    pub inodes: u64,
    /// Bytes of the blocks of all inodes, directories included. Blocks that
    /// several files share are counted with each of them.
    pub allocated: u64,
}

/// Adds up a tree as the Go library does (Go: pkg/directory): lengths, not
/// blocks; symbolic links count the length of their target; directories count
/// as inodes only. What vanishes meanwhile is left out.
pub fn tree_usage(dir: &Dir) -> Result<TreeUsage> {
    no_brief_lock("a tree is measured");
    let mut counter = Counter::default();
    counter.add_entries(&dir.reopen()?, Path::new(""))?;
    while let Some(path) = counter.pending.pop() {
        match dir.open_dir_nested(&path) {
            Ok(dir) => counter.add_entries(&dir, &path)?,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(counter.usage)
}

#[derive(Default)]
struct Counter {
    usage: TreeUsage,
    /// Inodes with several names that were counted already.
    linked: HashSet<(u64, u64)>,
    /// Directories still to read, by path: a hostile tree may be deeper than a
    /// stack, or the number of descriptors, allows.
    pending: Vec<PathBuf>,
    buffer: EntryBuffer,
}

impl Counter {
    /// Counts a freshly opened directory itself and what is directly in it.
    fn add_entries(&mut self, dir: &Dir, path: &Path) -> Result<()> {
        self.usage.inodes += 1;
        self.add_blocks(&dir.stat_self()?);
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = buffer.visit(dir, |name, file_type| {
            if file_type == FileType::Dir {
                self.pending.push(path.join(name));
            } else if let Some(stat) = dir.stat(name)? {
                self.add_file(&stat);
            }
            Ok(())
        });
        self.buffer = buffer;
        result
    }

    fn add_file(&mut self, stat: &Stat) {
        if stat.nlink <= 1 || self.linked.insert((stat.dev, stat.ino)) {
            self.usage.inodes += 1;
            // A sparse file may claim any length.
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
}
