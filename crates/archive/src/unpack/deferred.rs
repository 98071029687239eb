//! Attributes of directories that have to be set last.
//!
//! Creating an entry changes the times of its directory; a mode without write permission would stop
//! an unprivileged process from creating entries; a default ACL would change the modes of new
//! entries.

use std::collections::HashMap;

use layerhold_sys::{Dir, Times};

use crate::entry_path::split;
use crate::unpack::entry_attributes::OWNER_BITS;
use crate::unpack::entry_attributes::Xattrs;

/// Directories whose attributes are deferred, in the order of the archive.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    pub(super) directories: Vec<Directory>,
    /// Real paths at which directories were removed, and how many directories were deferred by
    /// then.
    pub(super) removed: HashMap<Vec<u8>, usize>,
    /// The parent directory that was opened last.
    pub(super) parent: Option<(Vec<u8>, Dir)>,
}

#[derive(Debug)]
pub(super) struct Directory {
    /// The path with all links resolved.
    pub(super) path: Vec<u8>,
    pub(super) times: Times,
    /// The mode, if it lacks permissions for the owner.
    pub(super) mode: u32,
    pub(super) xattrs: Xattrs,
}

impl Directory {
    pub(super) fn is_restricted(&self) -> bool {
        self.mode & OWNER_BITS != OWNER_BITS
    }
}

impl Deferred {
    /// Notes that a directory was removed. Attributes deferred for it and for its descendants do
    /// not apply to later entries of the same names.
    pub(super) fn remove(&mut self, path: Vec<u8>) {
        self.removed.insert(path, self.directories.len());
    }

    /// Removes and returns the directories that still exist.
    pub(super) fn take(&mut self) -> Vec<Directory> {
        let removed = std::mem::take(&mut self.removed);
        let mut number = 0;
        let mut directories = std::mem::take(&mut self.directories);
        directories.retain(|directory| {
            let was_removed = |path| removed.get(path).is_some_and(|count| number < *count);
            let is_there =
                removed.is_empty() || !with_those_above(&directory.path).any(was_removed);
            number += 1;
            is_there
        });
        directories
    }
}

/// A path and its ancestors, deepest first.
fn with_those_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut next = Some(path).filter(|path| !path.is_empty());
    std::iter::from_fn(move || {
        let path = next?;
        next = Some(split(path).0).filter(|above| !above.is_empty());
        Some(path)
    })
}
