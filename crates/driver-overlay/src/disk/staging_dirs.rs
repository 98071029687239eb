//! Trees in the directories `staging/<name>`, each with a lock file in it, and what dead processes
//! left of them (Go: drivers/overlay/overlay.go, `pruneStagingDirectories`).

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use layerhold_staging::StagingLock;
use layerhold_sys::{Dir, FileType, OpenOptions, PathError, RecordLock, remove_tree};

use super::homes::{Home, optional};
use super::names::{STAGING, STAGING_LOCK};

/// Go's library makes the directory before the lock. Between the two steps no process holds the
/// directory, so a directory that was made just now is left alone.
const YOUNG: Duration = Duration::from_secs(10);

/// Whether a process is filling a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulls {
    InProgress,
    None,
}

/// Which directories may be removed if their locks are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those that were not made just now.
    Old,
}

/// Removes every tree whose lock is free, before the store is shut down.
pub(crate) fn prune(home: &Home) -> Result<Pulls, PathError> {
    remove(home, Which::All)
}

/// Removes what dead processes left, while other processes may be making new trees.
pub(crate) fn recover(home: &Home) -> Result<(), PathError> {
    remove(home, Which::Old).map(drop)
}

fn remove(home: &Home, which: Which) -> Result<Pulls, PathError> {
    let Some(staging) = open(home)? else {
        return Ok(Pulls::None);
    };
    let mut pulls = Pulls::None;
    for entry in staging.entries()? {
        let entry = entry?;
        if entry.file_type == FileType::Dir && !remove_one(&staging, &entry.name, which)? {
            pulls = Pulls::InProgress;
        }
    }
    Ok(pulls)
}

/// Lists what dead processes left, without changing anything.
pub(crate) fn abandoned(home: &Home) -> Result<Vec<PathBuf>, PathError> {
    let mut found = Vec::new();
    let Some(staging) = open(home)? else {
        return Ok(found);
    };
    for entry in staging.entries()? {
        let entry = entry?;
        if entry.file_type == FileType::Dir && is_abandoned(&staging, &entry.name)? {
            found.push(staging.path().join(entry.name));
        }
    }
    Ok(found)
}

fn is_abandoned(staging: &Dir, name: &OsStr) -> Result<bool, PathError> {
    let Some(dir) = optional(staging.open_dir(name))? else {
        return Ok(false);
    };
    if is_young(&dir)? {
        return Ok(false);
    }
    match optional(dir.open_with(STAGING_LOCK, OpenOptions::read()))? {
        Some(lock) => Ok(RecordLock::try_lock_shared(lock)?.is_ok()),
        // Its owner may have finished since the directory was opened.
        None => staging.exists(name),
    }
}

fn open(home: &Home) -> Result<Option<Dir>, PathError> {
    match home.open()? {
        Some(home) => optional(home.open_dir(STAGING)),
        None => Ok(None),
    }
}

/// Removes a tree if its lock is free. Tells whether no process is at work in it.
fn remove_one(staging: &Dir, name: &OsStr, which: Which) -> Result<bool, PathError> {
    let Some(dir) = optional(staging.open_dir(name))? else {
        return Ok(true);
    };
    if which == Which::Old && is_young(&dir)? {
        return Ok(false);
    }
    let lock = match StagingLock::try_lock(&dir, STAGING_LOCK.as_ref()) {
        // Its owner has finished.
        Err(error) if error.is_not_found() => return Ok(true),
        other => other?,
    };
    let Some(_lock) = lock else {
        return Ok(false);
    };
    remove_tree(staging, name)?;
    Ok(true)
}

/// Whether an entry was made in the directory a moment ago, by the clock of this machine.
fn is_young(dir: &Dir) -> Result<bool, PathError> {
    let changed = u64::try_from(dir.stat_self()?.mtime.seconds).unwrap_or_default();
    let changed = UNIX_EPOCH.checked_add(Duration::from_secs(changed));
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    // A time in the future is no sign of youth: the clock was set.
    Ok(age.is_some_and(|age| age < YOUNG))
}
