//! Finds the lengths that several files have in common.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerhold_sys::{Stat, may_dedupe};

use super::walk::{FileBatch, Stop};

/// The lengths of files on each filesystem.
#[derive(Debug)]
pub(super) struct Lengths {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether several files have this length, by filesystem and length.
    shared: HashMap<(u64, u64), bool>,
    links: SeenLinks,
    /// Filesystems that were probed for sharing blocks.
    asked: HashSet<u64>,
}

impl Lengths {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the lengths of some files. Ends the walk on a filesystem that cannot share blocks.
    pub(super) fn note(&self, found: FileBatch<'_>) -> Result<(), Stop> {
        let Some((name, first)) = found.files.first() else {
            return Ok(());
        };
        // The files of a tree are on one filesystem unless another is mounted inside, so the first
        // file stands for all.
        if self.state().asked.insert(first.dev)
            && let Ok(file) = found.dir.open_file(name)
            && let Ok(false) = may_dedupe(&file)
        {
            return Err(Stop::Filesystem(found.dir.path().to_owned()));
        }
        let mut state = self.state();
        for (_, stat) in &found.files {
            if state.links.is_first(stat) {
                state
                    .shared
                    .entry((stat.dev, stat.size))
                    .and_modify(|several| *several = true)
                    .or_insert(false);
            }
        }
        Ok(())
    }

    /// Keeps the files that have a length in common with another one.
    pub(super) fn retain_shared<T>(&self, files: &mut Vec<(T, Stat)>) {
        let state = self.state();
        files.retain(|(_, stat)| state.shared.get(&(stat.dev, stat.size)) == Some(&true));
    }
}

/// Inodes with several names that were seen before.
#[derive(Debug, Default)]
pub(super) struct SeenLinks(HashSet<(u64, u64)>);

impl SeenLinks {
    /// Tells whether an inode is seen for the first time.
    pub(super) fn is_first(&mut self, stat: &Stat) -> bool {
        stat.nlink <= 1 || self.0.insert((stat.dev, stat.ino))
    }
}
