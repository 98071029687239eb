//! The directory that holds temporary areas, and the removal of abandoned ones.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use layerhold_sys::{Cancel, Dir, OpenOptions, PathError, RecordLock, remove_tree_unless};

use crate::area::{BeginError, TempArea};
use crate::layout::{DIR_PREFIX, LOCK_PREFIX, joined};
use crate::lock::StagingLock;

/// A directory that holds temporary areas.
///
/// Must be on the filesystem of the things that are moved into its areas.
#[derive(Clone, Debug)]
pub struct TempRoot {
    path: PathBuf,
}

/// What the search for abandoned areas found.
#[derive(Debug, Default)]
#[must_use = "failures to remove something are only reported here"]
#[non_exhaustive]
pub struct Recovery {
    /// Areas that had no owner any more and were removed.
    pub removed: Vec<OsString>,
    /// Areas whose owner is alive, or that another process is removing.
    pub in_use: Vec<OsString>,
    /// Areas without an owner that hold something that is needed.
    pub kept: Vec<OsString>,
    /// Areas that could not be removed; they stay for the next time.
    pub failed: Vec<RecoverFailure>,
}

/// Why one abandoned area is still there.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove the abandoned area {}", area.display())]
pub struct RecoverFailure {
    /// What its two names have in common.
    pub area: OsString,
    /// What the system said.
    pub source: PathError,
}

/// Why abandoned areas could not be searched for.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the temporary areas in {}", path.display())]
pub struct RecoverError {
    /// The root.
    pub path: PathBuf,
    /// What the system said.
    pub source: PathError,
}

impl TempRoot {
    /// Names a root. It is created when the first area begins.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the root is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins an area that belongs to the caller.
    pub fn begin(&self) -> Result<TempArea, BeginError> {
        TempArea::begin(&self.path)
    }

    /// Removes the areas whose owners died. Areas in use are left alone, whichever process, thread
    /// or library created them.
    pub fn recover_stale(&self) -> Result<Recovery, RecoverError> {
        self.recover_stale_unless(&Cancel::new(), &mut |_| false)
    }

    /// As [`recover_stale`](Self::recover_stale), and asks before an area is
    /// removed whether something in it is needed. The area is locked then, and
    /// what is needed may be moved to its place. It ends before the next file when `cancel` asks
    /// for that; the areas that are left stay for the next search.
    pub fn recover_stale_unless(
        &self,
        cancel: &Cancel,
        is_needed: &mut dyn FnMut(&Dir) -> bool,
    ) -> Result<Recovery, RecoverError> {
        let failed = |source| RecoverError {
            path: self.path.clone(),
            source,
        };
        let root = match Dir::open_ambient(&self.path) {
            Err(error) if error.is_not_found() => return Ok(Recovery::default()),
            other => other.map_err(failed)?,
        };
        let mut recovery = Recovery::default();
        for area in areas(&root).map_err(failed)? {
            if cancel.is_cancelled() {
                break;
            }
            match recover(&root, &area, cancel, is_needed) {
                Ok(Outcome::Removed) => recovery.removed.push(area),
                Ok(Outcome::InUse) => recovery.in_use.push(area),
                Ok(Outcome::Kept) => recovery.kept.push(area),
                Err(source) => recovery.failed.push(RecoverFailure { area, source }),
            }
        }
        Ok(recovery)
    }

    /// Lists the areas whose owners died, without removing anything. An area without a directory is
    /// not among them: all that is left of it is an empty lock file.
    pub fn abandoned(&self) -> Result<Vec<PathBuf>, RecoverError> {
        let failed = |source| RecoverError {
            path: self.path.clone(),
            source,
        };
        let root = match Dir::open_ambient(&self.path) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut abandoned = Vec::new();
        for area in areas(&root).map_err(failed)? {
            if is_abandoned(&root, &area).map_err(failed)? {
                abandoned.push(self.path.join(joined(DIR_PREFIX, &area)));
            }
        }
        Ok(abandoned)
    }
}

/// Tells whether an area is there and its lock is free.
///
/// The lock file is created first and deleted last, and so a directory without one has no owner.
fn is_abandoned(root: &Dir, area: &OsStr) -> Result<bool, PathError> {
    if !root.exists(joined(DIR_PREFIX, area))? {
        return Ok(false);
    }
    let lock = match root.open_with(joined(LOCK_PREFIX, area), OpenOptions::read()) {
        // Its owner may have finished in between, and so it is looked at again.
        Err(error) if error.is_not_found() => return root.exists(joined(DIR_PREFIX, area)),
        other => other?,
    };
    let is_free = RecordLock::try_lock_shared(lock)?.is_ok();
    Ok(is_free && root.exists(joined(DIR_PREFIX, area))?)
}

/// What lock files and directories are there, by the part of the name they share.
fn areas(root: &Dir) -> Result<BTreeSet<OsString>, PathError> {
    let mut areas = BTreeSet::new();
    for entry in root.entries()? {
        let name = entry?.name;
        let bytes = name.as_bytes();
        let area = bytes
            .strip_prefix(DIR_PREFIX.as_bytes())
            .or_else(|| bytes.strip_prefix(LOCK_PREFIX.as_bytes()));
        if let Some(area) = area {
            areas.insert(OsString::from_vec(area.to_vec()));
        }
    }
    Ok(areas)
}

/// What became of an area.
enum Outcome {
    Removed,
    InUse,
    Kept,
}

/// Removes one area that is free and not needed.
///
/// The directory goes first and the lock file last, so that the next search takes up an interrupted
/// removal.
fn recover(
    root: &Dir,
    area: &OsStr,
    cancel: &Cancel,
    is_needed: &mut dyn FnMut(&Dir) -> bool,
) -> Result<Outcome, PathError> {
    let Some(lock) = StagingLock::try_lock(root, &joined(LOCK_PREFIX, area))? else {
        return Ok(Outcome::InUse);
    };
    let name = joined(DIR_PREFIX, area);
    let is_dir = root.stat(&name)?.is_some_and(|stat| stat.is_dir());
    if is_dir && is_needed(&root.open_dir(&name)?) {
        return Ok(Outcome::Kept);
    }
    remove_tree_unless(root, name, cancel)?;
    lock.delete()?;
    Ok(Outcome::Removed)
}
