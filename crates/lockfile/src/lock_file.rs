//! A lock file that can be locked for reading and for writing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use layerhold_sys::{Cancel, HeldFor, LockHolder, LockKind, RecordLock, is_held_by_this_thread};

use crate::acquire::{Access, Bounds, LockError, holders, lock, poll, try_lock};
use crate::guard::{ReadGuard, WriteGuard};
use crate::shared::Shared;

/// A lock file that can be locked for reading and for writing.
///
/// Nothing is opened before the first lock is taken. The file (0644) and the directories above it
/// (0700) are created when they are missing, also when they vanish later. Clones share one handle;
/// two handles on one path exclude each other like two processes. A handle may be used by many
/// threads.
///
/// There is no way from a read lock to a write lock: release, take the write
/// lock, and look again.
#[derive(Clone, Debug)]
pub struct LockFile {
    shared: Arc<Shared>,
    bounds: Bounds,
}

impl LockFile {
    /// Names a lock file. A relative path is taken from the directory the
    /// process is in now.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, LockError> {
        Ok(Self {
            shared: Shared::new(path.as_ref(), HeldFor::AnyTime)?,
            bounds: Bounds::default(),
        })
    }

    /// Names a lock file whose locks are held for moments only. Long work must not be done under
    /// them: in builds with debug assertions [`no_brief_lock`](layerhold_sys::no_brief_lock) panics
    /// on a thread that holds one.
    pub fn brief(path: impl AsRef<Path>) -> Result<Self, LockError> {
        Ok(Self {
            shared: Shared::new(path.as_ref(), HeldFor::Moments)?,
            bounds: Bounds::default(),
        })
    }

    /// Has waits end with [`LockError::Cancelled`] when `cancel` asks for it.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.bounds.cancel = Some(cancel);
        self
    }

    /// Has [`read`](Self::read) and [`write`](Self::write) wait for `timeout` at most, and then end
    /// with [`LockError::TimedOut`], which names the holders. With `None` they wait without bound,
    /// which is the default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.bounds.timeout = timeout.into();
        self
    }

    /// Finds the processes that hold a lock of this file, those of the Go library included; empty
    /// if the file does not exist. This process is listed if it holds one.
    ///
    /// The result is for messages: it may be out of date when it is returned. See
    /// [`lock_holders`](layerhold_sys::lock_holders) for what cannot be found.
    ///
    /// # Errors
    ///
    /// [`LockError::Holders`] if the file or procfs cannot be read.
    pub fn holders(&self) -> Result<Vec<LockHolder>, LockError> {
        holders(self.path())
    }

    /// Tells whether this thread holds a lock of this path, through this handle or another one. If
    /// so, waiting for a lock that excludes it would never end.
    #[must_use]
    pub fn is_held_by_this_thread(&self) -> bool {
        is_held_by_this_thread(self.path())
    }

    /// The absolute path of the lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Waits for a read lock, without bound unless [one was set](Self::with_timeout).
    pub fn read(&self) -> Result<ReadGuard, LockError> {
        self.shared.queue.let_writers_pass();
        let lock = lock(
            self.path(),
            Access::ReadWrite,
            LockKind::Shared,
            &self.bounds,
        )?;
        Ok(self.read_guard(lock))
    }

    /// Waits for a write lock, without bound unless [one was set](Self::with_timeout).
    pub fn write(&self) -> Result<WriteGuard, LockError> {
        let waiting = self.shared.queue.enter();
        let lock = lock(
            self.path(),
            Access::ReadWrite,
            LockKind::Exclusive,
            &self.bounds,
        )?;
        drop(waiting);
        Ok(self.write_guard(lock))
    }

    /// Takes a read lock unless another process or thread writes.
    pub fn try_read(&self) -> Result<Option<ReadGuard>, LockError> {
        let lock = try_lock(self.path(), Access::ReadWrite, LockKind::Shared)?;
        Ok(lock.map(|lock| self.read_guard(lock)))
    }

    /// Takes a write lock unless another process or thread reads or writes.
    pub fn try_write(&self) -> Result<Option<WriteGuard>, LockError> {
        let lock = try_lock(self.path(), Access::ReadWrite, LockKind::Exclusive)?;
        Ok(lock.map(|lock| self.write_guard(lock)))
    }

    /// Waits for a read lock for `patience` at most.
    pub fn read_timeout(&self, patience: Duration) -> Result<Option<ReadGuard>, LockError> {
        let kind = LockKind::Shared;
        let lock = poll(self.path(), Access::ReadWrite, kind, &self.bounds, patience)?;
        Ok(lock.map(|lock| self.read_guard(lock)))
    }

    /// Waits for a write lock for `patience` at most.
    pub fn write_timeout(&self, patience: Duration) -> Result<Option<WriteGuard>, LockError> {
        let waiting = self.shared.queue.enter();
        let kind = LockKind::Exclusive;
        let lock = poll(self.path(), Access::ReadWrite, kind, &self.bounds, patience)?;
        drop(waiting);
        Ok(lock.map(|lock| self.write_guard(lock)))
    }

    fn read_guard(&self, lock: RecordLock) -> ReadGuard {
        ReadGuard::new(Arc::clone(&self.shared), Some(lock))
    }

    fn write_guard(&self, lock: RecordLock) -> WriteGuard {
        WriteGuard::new(Arc::clone(&self.shared), lock)
    }
}
