//! Builds the list of changes during the walk of a tree.

use std::ffi::OsString;

use crate::changes::{Change, ChangeKind};
use crate::entry_path::shown;
use crate::tree::push;

/// The changes so far, and the path of the walk.
#[derive(Default)]
pub(crate) struct Listing {
    path: Vec<u8>,
    changes: Vec<Change>,
}

/// A directory on the path of the walk.
pub(crate) struct ListedDir {
    /// Number of changes listed before the walk entered this directory.
    changes_before: usize,
    /// The directory itself is listed already. The root is never listed.
    listed: bool,
    path_length: usize,
}

impl ListedDir {
    pub(crate) const ROOT: Self = Self {
        changes_before: 0,
        listed: true,
        path_length: 0,
    };
}

impl Listing {
    /// The path of the walk, relative to the root.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Moves the walk to an entry of `directory`.
    pub(crate) fn go_to(&mut self, directory: &ListedDir, name: &OsString) {
        self.path.truncate(directory.path_length);
        push(&mut self.path, name);
    }

    pub(crate) fn list(&mut self, kind: ChangeKind) {
        let path = [b"/", &*self.path].concat();
        let path = shown(&path);
        self.changes.push(Change { path, kind });
    }

    /// Lists the entry if it changed, and enters it as a directory.
    pub(crate) fn list_dir(&mut self, kind: Option<ChangeKind>) -> ListedDir {
        let changes_before = self.changes.len();
        if let Some(kind) = kind {
            self.list(kind);
        }
        ListedDir {
            changes_before,
            listed: kind.is_some(),
            path_length: self.path.len(),
        }
    }

    /// Leaves a directory: lists it as modified if something below it changed.
    pub(crate) fn leave(&mut self, directory: &ListedDir) {
        self.path.truncate(directory.path_length);
        if !directory.listed && self.changes.len() > directory.changes_before {
            self.list(ChangeKind::Modify);
        }
    }

    /// All changes, sorted by path.
    pub(crate) fn finish(self) -> Vec<Change> {
        let mut changes = self.changes;
        changes.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        changes
    }
}
