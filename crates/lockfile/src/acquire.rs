//! Taking a lock, and making sure that the file locked is the one that other processes find.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use layerhold_sys::{
    CANCEL_INTERVAL, Cancel, Cancelled, Create, Dir, LockHolder, LockKind, OpenOptions, PathError,
    RecordLock, best_effort, lock_holders, open_ambient_file, stat_ambient, stat_file,
};
use tracing::span::EnteredSpan;

/// Why a lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The directory of the lock file is missing and cannot be created.
    #[error("cannot create the directory of lock file {}", path.display())]
    CreateParent {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The lock file cannot be opened or created.
    #[error("cannot open lock file {}", path.display())]
    Open {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The system refused the lock, other than by a wait.
    #[error("cannot lock file {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The locked file could not be compared with the one that has its name.
    #[error("cannot check whether lock file {} was replaced", path.display())]
    Check {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The lock file was removed and created again each time while the lock was taken.
    #[error("cannot lock file {}: it is replaced again and again", path.display())]
    KeepsChanging {
        /// The lock file.
        path: PathBuf,
    },
    /// The wait was cancelled.
    #[error("cannot lock file {}", path.display())]
    Cancelled {
        /// The lock file.
        path: PathBuf,
        /// That the wait was cancelled.
        source: Cancelled,
    },
    /// The lock did not become free within the bound of the handle
    /// ([`LockFile::with_timeout`](crate::LockFile::with_timeout)).
    #[error("cannot lock file {} within {timeout:?}: {}", path.display(), holders_text(holders))]
    TimedOut {
        /// The lock file.
        path: PathBuf,
        /// The bound.
        timeout: Duration,
        /// The processes that held the lock when the wait ended, as far as they could be found.
        holders: Vec<LockHolder>,
    },
    /// The holders of the lock cannot be found.
    #[error("cannot find the holders of lock file {}", path.display())]
    Holders {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The path names no file.
    #[error("cannot use {} as the path of a lock file", path.display())]
    InvalidPath {
        /// What was given.
        path: PathBuf,
    },
}

impl LockError {
    /// Whether the wait was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// Whether the lock did not become free in time.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }

    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::CreateParent { source, .. } | Self::Open { source, .. } => {
                source.is_out_of_space()
            }
            _ => false,
        }
    }
}

fn holders_text(holders: &[LockHolder]) -> String {
    let mut text = String::new();
    for holder in holders {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        best_effort(write!(text, "{comma}{holder}"));
    }
    match holders {
        [] => "its holder is not known".to_owned(),
        [_] => format!("{text} holds it"),
        _ => format!("{text} hold it"),
    }
}

/// What ends a wait before there is a lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) cancel: Option<Cancel>,
    pub(crate) timeout: Option<Duration>,
}

impl Bounds {
    fn check(&self, path: &Path) -> Result<(), LockError> {
        match self.cancel.as_ref().map_or(Ok(()), Cancel::check) {
            Ok(()) => Ok(()),
            Err(source) => Err(LockError::Cancelled {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

/// Which access a lock file is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

/// How often a lock file may be replaced while it is being locked.
const REPLACEMENTS: u32 = 1000;
/// Permissions of new files and directories (Go: pkg/lockfile/lockfile.go).
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

/// The span of a wait for a lock, `lock_wait`. A disabled one costs the load of one atomic integer.
pub(crate) fn wait_span(path: &Path, kind: LockKind) -> EnteredSpan {
    let kind = match kind {
        LockKind::Shared => "read",
        LockKind::Exclusive => "write",
    };
    tracing::debug_span!(target: "layerhold", "lock_wait", path = %path.display(), kind).entered()
}

/// Waits for the lock, within the bounds.
pub(crate) fn lock(
    path: &Path,
    access: Access,
    kind: LockKind,
    bounds: &Bounds,
) -> Result<RecordLock, LockError> {
    if let Some(timeout) = bounds.timeout {
        let lock = poll(path, access, kind, bounds, timeout)?;
        return lock.ok_or_else(|| LockError::TimedOut {
            path: path.to_owned(),
            timeout,
            holders: holders(path).unwrap_or_default(),
        });
    }
    let _span = wait_span(path, kind);
    let lock = until_current(path, access, |file| match &bounds.cancel {
        None => RecordLock::lock(file, kind).map(Some),
        Some(cancel) => wait_or_cancel(file, kind, cancel),
    })?;
    // Only a request to stop ends the wait without the lock.
    lock.ok_or_else(|| LockError::Cancelled {
        path: path.to_owned(),
        source: Cancelled,
    })
}

/// Waits for the lock, or until it is asked to stop; `None` then.
///
/// The kernel serves waiters in turn, and so a thread of its own waits in the kernel for a lock
/// that is in use. If it gets the lock after the wait was given up, it releases it at once.
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
    let waiting = move || best_effort(sender.send(RecordLock::lock(file, kind)));
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

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Tries until it works, the time is over or the wait is cancelled, with pauses that double.
///
/// The kernel has no timed wait for these locks, and a thread left waiting would take the lock
/// later, when it is not wanted any more.
pub(crate) fn poll(
    path: &Path,
    access: Access,
    kind: LockKind,
    bounds: &Bounds,
    patience: Duration,
) -> Result<Option<RecordLock>, LockError> {
    let _span = wait_span(path, kind);
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        bounds.check(path)?;
        if let Some(taken) = try_lock(path, access, kind)? {
            return Ok(Some(taken));
        }
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The processes that hold a lock of the file; none if it does not exist.
pub(crate) fn holders(path: &Path) -> Result<Vec<LockHolder>, LockError> {
    // Opened without access, so that no permission on it is needed.
    let file = match open_ambient_file(path, OpenOptions::path_only()) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        other => other,
    };
    file.and_then(|file| lock_holders(&file))
        .map_err(|source| LockError::Holders {
            path: path.to_owned(),
            source,
        })
}

/// Repeats locking until the locked file is the one the path names.
///
/// A process blocked on a lock file that is then unlinked ends up holding a lock no other process
/// can see: the next process creates a new file and locks that. The Go library does not look for
/// this (Go: pkg/lockfile); looking only makes us lock what it locks.
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

/// Opens the lock file. It and the directories above it are created if they are missing.
fn open(path: &Path, access: Access) -> Result<File, LockError> {
    let existing = match access {
        Access::ReadWrite => OpenOptions::read_write(),
        // On read-only media nothing can be created: look first, and create only a missing file.
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
