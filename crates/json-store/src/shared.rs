//! What the clones and guards of a store share: the lock, and what was loaded last.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerhold_lockfile::{
    LockError, LockFile, LockHolder, Protection, ReadOnlyLockFile, Token, TokenError,
};
use layerhold_sys::{Cancel, PathError};

use crate::fields::Fields;
use crate::load::{Stamp, load, stamps};
use crate::location::LocationSet;
use crate::options::{Access, Freshness, Options};
use crate::record::Record;
use crate::save::{SaveError, sweep};
use crate::snapshot::Snapshot;

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The lock could not be taken.
    #[error("cannot lock the {record_kind} store")]
    Lock {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: LockError,
    },
    /// The last-write token could not be read.
    #[error("cannot tell whether the {record_kind} store changed")]
    Token {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: TokenError,
    },
    /// A record file could not be read.
    #[error(transparent)]
    File(PathError),
    /// A store that was opened for reading only cannot be locked for writing.
    #[error("cannot change the {record_kind} store with the lock {}: it is read-only", path.display())]
    ReadOnly {
        /// What the store keeps.
        record_kind: &'static str,
        /// The lock file.
        path: PathBuf,
    },
    /// What was found needed a repair, which could not be saved.
    #[error("cannot save a repair of the {record_kind} store")]
    Repair {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: Box<SaveError>,
    },
    /// Each time a repair was saved, another process damaged the store again.
    #[error("cannot read the {record_kind} store: it needs a repair again after {tries} of them")]
    KeepsChanging {
        /// What the store keeps.
        record_kind: &'static str,
        /// Repairs that were made.
        tries: u32,
    },
}

impl ReadError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Lock { source, .. } => source.is_out_of_space(),
            Self::File(error) => error.is_out_of_space(),
            Self::Repair { source, .. } => source.is_out_of_space(),
            _ => false,
        }
    }

    /// Whether the wait for the lock was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Lock { source, .. } if source.is_cancelled())
    }

    /// Whether the lock did not become free within [`Options::lock_timeout`].
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self, Self::Lock { source, .. } if source.is_timed_out())
    }
}

#[derive(Debug)]
pub(crate) struct Shared<R: Record> {
    pub(crate) options: Options,
    pub(crate) fields: Arc<Fields>,
    lock: Lock,
    cached: Arc<Mutex<Option<Cached<R>>>>,
    /// Whether leftovers of killed writers were removed.
    swept: Arc<AtomicBool>,
    /// Whether the files were scanned without being kept, see `lookup`.
    pub(crate) passed: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
enum Lock {
    ReadWrite(LockFile),
    ReadOnly(ReadOnlyLockFile),
}

/// What was loaded, and by what it is recognised as up to date.
#[derive(Debug)]
pub(crate) struct Cached<R: Record> {
    pub(crate) snapshot: Arc<Snapshot<R>>,
    pub(crate) token: Token,
    pub(crate) stamps: Vec<Option<Stamp>>,
    /// Repairs that could not be saved, on a full or read-only disk.
    pub(crate) repairs: LocationSet,
}

/// Whether what is loaded is up to date.
pub(crate) enum Current<R: Record> {
    Fresh(Arc<Snapshot<R>>),
    /// Saving is needed first, under the write lock.
    NeedsRepair,
}

/// What a reader does about repairs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repairs {
    Save,
    /// They cannot be saved here.
    KeepInMemory,
}

impl<R: Record> Shared<R> {
    pub(crate) fn open(options: Options) -> Result<Self, LockError> {
        let lock = match options.access {
            Access::ReadWrite => {
                let lock = LockFile::brief(&options.lock)?;
                let lock = lock.cancelled_by(options.cancel.clone());
                Lock::ReadWrite(lock.with_timeout(options.lock_timeout))
            }
            Access::ReadOnly => {
                let lock = ReadOnlyLockFile::brief(&options.lock)?;
                let lock = lock.cancelled_by(options.cancel.clone());
                Lock::ReadOnly(lock.with_timeout(options.lock_timeout))
            }
        };
        Ok(Self {
            fields: Arc::new(Fields::new(R::KEYS)),
            options,
            lock,
            cached: Arc::default(),
            swept: Arc::default(),
            passed: Arc::default(),
        })
    }

    /// Another handle on the same lock and the same loaded records, with other waits for the lock.
    pub(crate) fn with_bounds(&self, cancel: Cancel, lock_timeout: Option<Duration>) -> Self {
        let lock = match self.lock.clone() {
            Lock::ReadWrite(lock) => {
                let lock = lock.cancelled_by(cancel.clone());
                Lock::ReadWrite(lock.with_timeout(lock_timeout))
            }
            Lock::ReadOnly(lock) => {
                let lock = lock.cancelled_by(cancel.clone());
                Lock::ReadOnly(lock.with_timeout(lock_timeout))
            }
        };
        let mut options = self.options.clone();
        (options.cancel, options.lock_timeout) = (cancel, lock_timeout);
        Self {
            options,
            fields: Arc::clone(&self.fields),
            lock,
            cached: Arc::clone(&self.cached),
            swept: Arc::clone(&self.swept),
            passed: Arc::clone(&self.passed),
        }
    }

    pub(crate) fn writable(&self) -> Result<&LockFile, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => Ok(lock),
            Lock::ReadOnly(lock) => Err(ReadError::ReadOnly {
                record_kind: R::KIND,
                path: lock.path().to_owned(),
            }),
        }
    }

    /// Removes what killed writers left, the first time that this process saves. The lock proves
    /// that no writer is left.
    pub(crate) fn sweep(&self, _lock: &layerhold_lockfile::WriteGuard) {
        if !self.swept.swap(true, Ordering::Relaxed) {
            sweep(&self.options);
        }
    }

    pub(crate) fn lock_holders(&self) -> Result<Vec<LockHolder>, LockError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.holders(),
            Lock::ReadOnly(lock) => lock.holders(),
        }
    }

    pub(crate) fn lock_read(&self) -> Result<layerhold_lockfile::ReadGuard, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.read(),
            Lock::ReadOnly(lock) => lock.read(),
        }
        .map_err(lock_error::<R>)
    }

    pub(crate) fn try_lock_read(&self) -> Result<Option<layerhold_lockfile::ReadGuard>, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.try_read(),
            Lock::ReadOnly(lock) => lock.try_read(),
        }
        .map_err(lock_error::<R>)
    }

    pub(crate) fn lock_read_timeout(
        &self,
        patience: Duration,
    ) -> Result<Option<layerhold_lockfile::ReadGuard>, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.read_timeout(patience),
            Lock::ReadOnly(lock) => lock.read_timeout(patience),
        }
        .map_err(lock_error::<R>)
    }

    /// What is loaded, if it is up to date or could be made so under a read lock.
    pub(crate) fn current(
        &self,
        lock: &layerhold_lockfile::ReadGuard,
        repairs: Repairs,
    ) -> Result<Current<R>, ReadError> {
        let token = lock.token().map_err(token_error::<R>)?;
        let stamps = self.stamps(lock.protection())?;
        // Held while loading, so that the threads of a process load only once.
        let mut cached = self.cached();
        if let Some(cached) = cached
            .as_ref()
            .filter(|cached| cached.is_fresh(&token, &stamps))
        {
            return Ok(Current::Fresh(Arc::clone(&cached.snapshot)));
        }
        let loaded = load::<R>(&self.options, &self.fields).map_err(ReadError::File)?;
        let writable = matches!(self.lock, Lock::ReadWrite(_)) && repairs == Repairs::Save;
        if writable && !loaded.repairs.is_empty() {
            return Ok(Current::NeedsRepair);
        }
        let snapshot = Arc::new(loaded.snapshot);
        *cached = Some(Cached {
            snapshot: Arc::clone(&snapshot),
            token,
            stamps,
            repairs: loaded.repairs,
        });
        Ok(Current::Fresh(snapshot))
    }

    /// What is on the disk: as it is known, or loaded now; and what has to be saved of it.
    pub(crate) fn loaded(
        &self,
        lock: &layerhold_lockfile::WriteGuard,
    ) -> Result<(Snapshot<R>, LocationSet), ReadError> {
        let token = lock.token().map_err(token_error::<R>)?;
        let stamps = self.stamps(Protection::Locked)?;
        let mut cached = self.cached();
        if let Some(cached) = cached
            .as_ref()
            .filter(|cached| cached.is_fresh(&token, &stamps))
        {
            return Ok((cached.snapshot.as_ref().clone(), cached.repairs.clone()));
        }
        let loaded = load::<R>(&self.options, &self.fields).map_err(ReadError::File)?;
        *cached = Some(Cached {
            snapshot: Arc::new(loaded.snapshot.clone()),
            token,
            stamps,
            repairs: loaded.repairs.clone(),
        });
        Ok((loaded.snapshot, loaded.repairs))
    }

    /// The stamps, if they decide about freshness.
    pub(crate) fn stamps(&self, protection: Protection) -> Result<Vec<Option<Stamp>>, ReadError> {
        if self.options.freshness == Freshness::Token && protection == Protection::Locked {
            return Ok(Vec::new());
        }
        stamps(&self.options).map_err(ReadError::File)
    }

    pub(crate) fn cached(&self) -> MutexGuard<'_, Option<Cached<R>>> {
        // It is replaced as a whole, so a panic cannot leave it half changed.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Record> Cached<R> {
    pub(crate) fn is_fresh(&self, token: &Token, stamps: &[Option<Stamp>]) -> bool {
        self.token == *token && self.stamps == stamps
    }
}

pub(crate) fn lock_error<R: Record>(source: LockError) -> ReadError {
    ReadError::Lock {
        record_kind: R::KIND,
        source,
    }
}

pub(crate) fn token_error<R: Record>(source: TokenError) -> ReadError {
    ReadError::Token {
        record_kind: R::KIND,
        source,
    }
}
