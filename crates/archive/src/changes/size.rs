use std::collections::HashSet;
use std::path::Path;

use layerhold_sys::{Cancel, Descent, Dir, PathError, Stat};

use crate::changes::{Change, ChangeKind, ChangesError};

/// Adds up the sizes of everything added or modified except directories, in bytes. A file with
/// several names counts once (Go: `pkg/archive/changes.go`, `ChangesSize`).
///
/// # Errors
/// If the tree cannot be read, and if `cancel` asked for it. Entries that vanished count nothing.
pub fn changes_size(root: &Dir, changes: &[Change], cancel: &Cancel) -> Result<u64, ChangesError> {
    let mut lookup = LastParent::new(root);
    let mut sum = SizeSum::default();
    for change in changes.iter().filter(|c| c.kind != ChangeKind::Delete) {
        cancel.check()?;
        let stat = lookup.with(&change.path, |dir, name| dir.stat(name));
        let Some(stat) = stat.map_err(ChangesError::New)?.flatten() else {
            continue;
        };
        sum.add(&stat);
    }
    Ok(sum.bytes)
}

/// Adds up the sizes of everything except directories. A file with several names counts once.
#[derive(Debug, Default)]
pub(super) struct SizeSum {
    linked: HashSet<(u64, u64)>,
    pub(super) bytes: u64,
}

impl SizeSum {
    pub(super) fn add(&mut self, stat: &Stat) {
        if !stat.is_dir() && (stat.nlink < 2 || self.linked.insert((stat.dev, stat.ino))) {
            self.bytes = self.bytes.saturating_add(stat.size);
        }
    }
}

/// Opens the directories of sorted paths, each from its parent.
#[derive(Debug)]
pub(crate) struct LastParent(Descent);

impl LastParent {
    pub(crate) fn new(root: &Dir) -> Self {
        Self(Descent::new(root))
    }

    /// Calls `with` the open directory of a path and the last component; returns `None` if the
    /// directory is missing.
    pub(crate) fn with<T>(
        &mut self,
        path: &Path,
        call: impl FnOnce(&Dir, &std::ffi::OsStr) -> Result<T, PathError>,
    ) -> Result<Option<T>, PathError> {
        let Some(name) = path.file_name() else {
            return Ok(None);
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        let parent = parent.strip_prefix("/").unwrap_or(parent);
        let Some(dir) = self.open(parent)? else {
            return Ok(None);
        };
        call(&dir, name).map(Some)
    }

    fn open(&mut self, parent: &Path) -> Result<Option<Dir>, PathError> {
        match self.0.go_to(parent) {
            Err(error) if is_absent(&error) => Ok(None),
            other => other.map(Some),
        }
    }
}

fn is_absent(error: &PathError) -> bool {
    error.is_not_found() || error.kind() == std::io::ErrorKind::NotADirectory
}
