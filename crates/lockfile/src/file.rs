//! Opening the lock file, and making sure that the one locked is the one that
//! others will find.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use layerhold_sys::{
    CANCEL_INTERVAL, Cancel, Create, Dir, LockKind, OpenOptions, PathError, RecordLock,
    open_ambient_file, stat_ambient, stat_file,
};

use crate::error::LockError;

/// Which access a lock file is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

/// How often a lock file may be replaced under our hands before we say so.
const REPLACEMENTS: u32 = 1000;
/// Permissions of the files and directories made (Go: pkg/lockfile/lockfile.go).
const FILE_MODE: u32 = 0o644;
const DIR_MODE: u32 = 0o700;

/// Makes a path absolute, so that a later change of directory does not matter.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, LockError> {
    match std::path::absolute(path) {
        Ok(path) if path.file_name().is_some() => Ok(path),
        _ => Err(LockError::InvalidPath {
            path: path.to_owned(),
        }),
    }
}

/// Waits for the lock.
pub(crate) fn lock(
    path: &Path,
    access: Access,
    kind: LockKind,
    cancel: Option<&Cancel>,
) -> Result<RecordLock, LockError> {
    let lock = until_current(path, access, |file| match cancel {
        None => RecordLock::lock(file, kind).map(Some),
        Some(cancel) => wait_or_cancel(file, kind, cancel),
    })?;
    // Without a request to stop, waiting never ends with the lock in other hands.
    lock.ok_or_else(|| LockError::Cancelled {
        path: path.to_owned(),
    })
}

/// Waits until it has the lock, or is asked to stop; `None` then.
///
/// The kernel serves those who wait in turn, and so a lock that is in use is waited for in the
/// kernel, by a thread of its own. When that gets the lock after the wait was given up, it gives
/// the lock back at once.
fn wait_or_cancel(
    file: File,
    kind: LockKind,
    cancel: &Cancel,
) -> Result<Option<RecordLock>, PathError> {
    if cancel.is_cancelled() {
        return Ok(None);
    }
    let file = match RecordLock::try_lock(file, kind)? {
        Ok(lock) => return Ok(Some(lock)),
        Err(file) => file,
    };
    let (sender, receiver) = sync_channel(1);
    let waiting = move || drop(sender.send(RecordLock::lock(file, kind)));
    std::thread::Builder::new()
        .spawn(waiting)
        .map(drop)
        .map_err(|cause| PathError::new("start a thread that waits for a lock", "", cause))?;
    loop {
        match receiver.recv_timeout(CANCEL_INTERVAL) {
            Ok(outcome) => return outcome.map(Some),
            Err(_) if cancel.is_cancelled() => return Ok(None),
            Err(_) => {}
        }
    }
}

/// Takes the lock if it is free.
pub(crate) fn try_lock(
    path: &Path,
    access: Access,
    kind: LockKind,
) -> Result<Option<RecordLock>, LockError> {
    until_current(path, access, |file| {
        Ok(RecordLock::try_lock(file, kind)?.ok())
    })
}

/// Repeats locking until the locked file is the one the path names.
///
/// Somebody may remove the file (or a directory above it) between our open
/// and our lock; the next one to come would then make a new file and lock
/// that, and both of us would believe to be alone. The Go library does not
/// look (Go: pkg/lockfile); that we do only makes us lock what it locks.
fn until_current(
    path: &Path,
    access: Access,
    mut lock: impl FnMut(File) -> Result<Option<RecordLock>, PathError>,
) -> Result<Option<RecordLock>, LockError> {
    for _ in 0..REPLACEMENTS {
        let locked = lock(open(path, access)?).map_err(|source| LockError::Lock {
            path: path.to_owned(),
            source,
        })?;
        match locked {
            Some(lock) if !is_current(path, &lock)? => drop(lock),
            other => return Ok(other),
        }
    }
    Err(LockError::KeepsChanging {
        path: path.to_owned(),
    })
}

fn is_current(path: &Path, lock: &RecordLock) -> Result<bool, LockError> {
    let compare = || {
        let named = stat_ambient(path)?;
        let locked = stat_file(lock.file())?;
        Ok(named.is_some_and(|named| named.is_same_inode(&locked)))
    };
    compare().map_err(|source| LockError::Check {
        path: path.to_owned(),
        source,
    })
}

/// Opens the lock file, making it and the directories above it when missing.
fn open(path: &Path, access: Access) -> Result<File, LockError> {
    let existing = match access {
        Access::ReadWrite => OpenOptions::read_write(),
        // Read-only media have no use for a file that has to be made; so look
        // first, and make one only where there is none.
        Access::ReadOnly => OpenOptions::read(),
    };
    let create = existing.create(Create::IfMissing).mode(FILE_MODE);
    let first = if access == Access::ReadOnly {
        existing
    } else {
        create
    };
    let failed = |source| LockError::Open {
        path: path.to_owned(),
        source,
    };
    match open_ambient_file(path, first) {
        Err(error) if error.is_not_found() => {}
        other => return other.map_err(failed),
    }
    let mut attempts = 0;
    loop {
        make_parent(path)?;
        match open_ambient_file(path, create) {
            // The directory vanished again before the file was made in it.
            Err(error) if error.is_not_found() && attempts < REPLACEMENTS => attempts += 1,
            other => return other.map_err(failed),
        }
    }
}

fn make_parent(path: &Path) -> Result<(), LockError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    match Dir::create_ambient_all(parent, DIR_MODE) {
        Ok(_) => Ok(()),
        // Removed again right after it was made; the caller tries again.
        Err(error) if error.is_not_found() => Ok(()),
        Err(source) => Err(LockError::CreateParent {
            path: path.to_owned(),
            source,
        }),
    }
}
