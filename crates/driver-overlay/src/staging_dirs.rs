//! Partial pulls of Go's library that died: `staging/<name>` with a lock file inside
//! (Go: drivers/overlay/overlay.go, `pruneStagingDirectories`).

use std::ffi::OsStr;

use layerhold_staging::StagingLock;
use layerhold_sys::{Dir, FileType, PathError, remove_tree};

use crate::homes::{Home, optional};
use crate::names::STAGING;

const LOCK: &str = "staging.lock";

/// Whether somebody is pulling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulls {
    InProgress,
    None,
}

/// Removes what nobody holds the lock of.
pub(crate) fn prune(home: &Home) -> Result<Pulls, PathError> {
    let dir = match home.open()? {
        Some(home) => optional(home.open_dir(STAGING))?,
        None => None,
    };
    let Some(staging) = dir else {
        return Ok(Pulls::None);
    };
    let mut pulls = Pulls::None;
    for entry in staging.entries()? {
        let entry = entry?;
        if entry.file_type == FileType::Dir && !prune_one(&staging, &entry.name)? {
            pulls = Pulls::InProgress;
        }
    }
    Ok(pulls)
}

fn prune_one(staging: &Dir, name: &OsStr) -> Result<bool, PathError> {
    let Some(dir) = optional(staging.open_dir(name))? else {
        return Ok(true);
    };
    let Some(_lock) = StagingLock::try_lock(&dir, OsStr::new(LOCK))? else {
        return Ok(false);
    };
    remove_tree(staging, name)?;
    Ok(true)
}
