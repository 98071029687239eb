//! The lengths that several files have.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerhold_sys::{Stat, may_dedupe};

use super::walk::{FileBatch, Stop};

/// Which lengths there are, on each filesystem.
#[derive(Debug)]
pub(super) struct Lengths {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether several files have this length, by filesystem and length.
    shared: HashMap<(u64, u64), bool>,
    links: SeenLinks,
    /// Filesystems that were asked whether they can share blocks.
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

    /// Notes the lengths of some files; ends the walk on a filesystem that cannot share blocks.
    pub(super) fn note(&self, found: FileBatch<'_>) -> Result<(), Stop> {
        let Some((name, first)) = found.files.first() else {
            return Ok(());
        };
        // A tree may have a filesystem of another one in it only where somebody mounted it: the
        // first file speaks for all.
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

    /// Keeps those files that have the length of another one.
    pub(super) fn retain_shared<T>(&self, files: &mut Vec<(T, Stat)>) {
        let state = self.state();
        files.retain(|(_, stat)| state.shared.get(&(stat.dev, stat.size)) == Some(&true));
    }
}

/// Inodes with several names that were met before.
#[derive(Debug, Default)]
pub(super) struct SeenLinks(HashSet<(u64, u64)>);

impl SeenLinks {
    /// Tells whether an inode is met for the first time.
    pub(super) fn is_first(&mut self, stat: &Stat) -> bool {
        stat.nlink <= 1 || self.0.insert((stat.dev, stat.ino))
    }
}
