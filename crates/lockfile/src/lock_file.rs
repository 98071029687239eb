use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use layerhold_sys::{Cancel, HeldFor, HeldLock, LockKind, RecordLock, is_held_by_this_thread};

use crate::error::LockError;
use crate::file::{self, Access};
use crate::guard::{ReadGuard, WriteGuard};
use crate::queue::WriterQueue;

/// A lock file that can be locked for reading and for writing.
///
/// Nothing is opened before the first lock is taken; the file (0644) and the
/// directories above it (0700) are made when they are missing, also when they
/// vanish later. Clones share one handle; two handles on one path exclude each
/// other like two processes. A handle may be used by many threads.
///
/// There is no way from a read lock to a write lock: release, take the write
/// lock, and look again.
#[derive(Clone, Debug)]
pub struct LockFile {
    shared: Arc<Shared>,
    cancel: Option<Cancel>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    /// Writes recorded through this handle, as a part of their tokens.
    pub(crate) writes: AtomicU64,
    pub(crate) held_for: HeldFor,
    queue: WriterQueue,
}

impl Shared {
    pub(crate) fn new(path: &Path, held_for: HeldFor) -> Result<Arc<Self>, LockError> {
        Ok(Arc::new(Self {
            path: file::absolute(path)?,
            held_for,
            writes: AtomicU64::new(0),
            queue: WriterQueue::default(),
        }))
    }

    /// Notes that this thread took the lock.
    pub(crate) fn note_held(&self) -> HeldLock {
        HeldLock::note(&self.path, self.held_for)
    }
}

impl LockFile {
    /// Names a lock file. A relative path is taken from the directory the
    /// process is in now.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, LockError> {
        Ok(Self {
            shared: Shared::new(path.as_ref(), HeldFor::AnyTime)?,
            cancel: None,
        })
    }

    /// Names a lock file whose locks are held for moments only. Long work must not be done under
    /// them: in builds with debug assertions [`no_brief_lock`](layerhold_sys::no_brief_lock) panics
    /// on a thread that holds one.
    pub fn brief(path: impl AsRef<Path>) -> Result<Self, LockError> {
        Ok(Self {
            shared: Shared::new(path.as_ref(), HeldFor::Moments)?,
            cancel: None,
        })
    }

    /// Has waits without bound end with [`LockError::Cancelled`] when they are asked to.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    fn cancel(&self) -> Option<&Cancel> {
        self.cancel.as_ref()
    }

    /// Tells whether this thread took a lock of this path, through this handle or another one, and
    /// has not given it back. If so, waiting for a lock that excludes it would be waiting for
    /// itself.
    #[must_use]
    pub fn is_held_by_this_thread(&self) -> bool {
        is_held_by_this_thread(self.path())
    }

    /// The absolute path of the lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Waits for a read lock, without bound.
    pub fn read(&self) -> Result<ReadGuard, LockError> {
        self.shared.queue.let_writers_pass();
        let lock = file::lock(
            self.path(),
            Access::ReadWrite,
            LockKind::Shared,
            self.cancel(),
        )?;
        Ok(self.read_guard(lock))
    }

    /// Waits for a write lock, without bound.
    pub fn write(&self) -> Result<WriteGuard, LockError> {
        let waiting = self.shared.queue.enter();
        let lock = file::lock(
            self.path(),
            Access::ReadWrite,
            LockKind::Exclusive,
            self.cancel(),
        )?;
        drop(waiting);
        Ok(self.write_guard(lock))
    }

    /// Takes a read lock if nobody writes.
    pub fn try_read(&self) -> Result<Option<ReadGuard>, LockError> {
        let lock = file::try_lock(self.path(), Access::ReadWrite, LockKind::Shared)?;
        Ok(lock.map(|lock| self.read_guard(lock)))
    }

    /// Takes a write lock if nobody reads or writes.
    pub fn try_write(&self) -> Result<Option<WriteGuard>, LockError> {
        let lock = file::try_lock(self.path(), Access::ReadWrite, LockKind::Exclusive)?;
        Ok(lock.map(|lock| self.write_guard(lock)))
    }

    /// Waits for a read lock for `patience` at most.
    pub fn read_timeout(&self, patience: Duration) -> Result<Option<ReadGuard>, LockError> {
        let lock = poll(patience, || {
            file::try_lock(self.path(), Access::ReadWrite, LockKind::Shared)
        })?;
        Ok(lock.map(|lock| self.read_guard(lock)))
    }

    /// Waits for a write lock for `patience` at most.
    pub fn write_timeout(&self, patience: Duration) -> Result<Option<WriteGuard>, LockError> {
        let waiting = self.shared.queue.enter();
        let lock = poll(patience, || {
            file::try_lock(self.path(), Access::ReadWrite, LockKind::Exclusive)
        })?;
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

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Tries until it works or the time is over, with pauses that double.
///
/// The kernel has no timed wait for these locks, and a thread left waiting
/// would take the lock at some later time when nobody wants it any more.
pub(crate) fn poll<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>, LockError>,
) -> Result<Option<T>, LockError> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(taken) = attempt()? {
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
