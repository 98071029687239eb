//! A lock file that is only locked for reading.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use layerhold_sys::{Cancel, HeldFor, LockHolder, LockKind, PathError, RecordLock};

use crate::acquire::{Access, Bounds, LockError, holders, lock, poll, try_lock};
use crate::guard::ReadGuard;
use crate::shared::Shared;

/// A lock file that is only ever locked for reading, as that of an additional store. It has no
/// methods to write.
///
/// Where there is no lock file and none can be created, on read-only media or without permission,
/// the guards protect nothing and say so ([`Protection::None`](crate::Protection::None)).
#[derive(Clone, Debug)]
pub struct ReadOnlyLockFile {
    shared: Arc<Shared>,
    bounds: Bounds,
}

impl ReadOnlyLockFile {
    /// Names a lock file. A relative path is taken from the directory the
    /// process is in now.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, LockError> {
        Ok(Self {
            shared: Shared::new(path.as_ref(), HeldFor::AnyTime)?,
            bounds: Bounds::default(),
        })
    }

    /// Names a lock file whose locks are held for moments only, as
    /// [`LockFile::brief`](crate::LockFile::brief) does.
    pub fn brief(path: impl AsRef<Path>) -> Result<Self, LockError> {
        Ok(Self {
            shared: Shared::new(path.as_ref(), HeldFor::Moments)?,
            bounds: Bounds::default(),
        })
    }

    /// Has waits end when they are asked to, as
    /// [`LockFile::cancelled_by`](crate::LockFile::cancelled_by) does.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.bounds.cancel = Some(cancel);
        self
    }

    /// Bounds [`read`](Self::read), as [`LockFile::with_timeout`](crate::LockFile::with_timeout)
    /// does.
    #[must_use]
    pub fn with_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.bounds.timeout = timeout.into();
        self
    }

    /// Finds the processes that hold a lock of this file, as
    /// [`LockFile::holders`](crate::LockFile::holders) does.
    ///
    /// # Errors
    ///
    /// [`LockError::Holders`] if the file or procfs cannot be read.
    pub fn holders(&self) -> Result<Vec<LockHolder>, LockError> {
        holders(self.path())
    }

    /// The absolute path of the lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Waits for a read lock, without bound unless [one was set](Self::with_timeout).
    pub fn read(&self) -> Result<ReadGuard, LockError> {
        let lock = lock(
            self.path(),
            Access::ReadOnly,
            LockKind::Shared,
            &self.bounds,
        );
        unprotected_if_impossible(lock.map(Some)).map(|lock| self.guard(lock))
    }

    /// Takes a read lock unless another process or thread writes.
    pub fn try_read(&self) -> Result<Option<ReadGuard>, LockError> {
        let lock = match try_lock(self.path(), Access::ReadOnly, LockKind::Shared) {
            Ok(None) => return Ok(None),
            other => unprotected_if_impossible(other)?,
        };
        Ok(Some(self.guard(lock)))
    }

    /// Waits for a read lock for `patience` at most.
    pub fn read_timeout(&self, patience: Duration) -> Result<Option<ReadGuard>, LockError> {
        let kind = LockKind::Shared;
        let lock = match poll(self.path(), Access::ReadOnly, kind, &self.bounds, patience) {
            Ok(None) => return Ok(None),
            other => unprotected_if_impossible(other)?,
        };
        Ok(Some(self.guard(lock)))
    }

    fn guard(&self, lock: Option<RecordLock>) -> ReadGuard {
        ReadGuard::new(Arc::clone(&self.shared), lock)
    }
}

/// Returns no lock where a lock file cannot be created.
///
/// An existing lock file that cannot be read stays an error: other processes may rely on it.
fn unprotected_if_impossible(
    lock: Result<Option<RecordLock>, LockError>,
) -> Result<Option<RecordLock>, LockError> {
    match lock {
        Err(LockError::CreateParent { source, .. }) if cannot_be_made(&source) => Ok(None),
        Err(LockError::Open { path, source }) if cannot_be_made(&source) => {
            match layerhold_sys::stat_ambient(&path) {
                Ok(None) => Ok(None),
                _ => Err(LockError::Open { path, source }),
            }
        }
        other => other,
    }
}

fn cannot_be_made(error: &PathError) -> bool {
    error.is_read_only_filesystem() || error.is_permission_denied()
}
