use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerhold_lockfile::{LockError, LockFile, Protection, ReadOnlyLockFile, Token};
use layerhold_sys::Dir;

use crate::error::{OpenError, ReadError, SaveError};
use crate::fields::Fields;
use crate::load::{Stamp, load, stamps};
use crate::location::LocationSet;
use crate::options::{Access, Freshness, Options};
use crate::read_guard::ReadGuard;
use crate::record::Record;
use crate::set_aside;
use crate::snapshot::Snapshot;
use crate::write_guard::WriteGuard;

/// How often a reader saves a repair before it gives up (Go: layers.go has the same bound).
const REPAIRS: u32 = 3;

/// Records in JSON files that several processes share.
///
/// Clones share what is loaded and may be used by many threads. Two stores
/// opened on the same files, even in one process, are like two processes.
/// Nothing is read before the first use.
#[derive(Debug)]
pub struct JsonStore<R: Record> {
    pub(crate) shared: Arc<Shared<R>>,
}

impl<R: Record> Clone for JsonStore<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Shared<R: Record> {
    pub(crate) options: Options,
    pub(crate) fields: Fields,
    lock: Lock,
    known: Mutex<Option<Known<R>>>,
    /// Whether the files were passed over without being kept, see `lookup`.
    pub(crate) passed: AtomicBool,
}

#[derive(Debug)]
enum Lock {
    ReadWrite(LockFile),
    ReadOnly(ReadOnlyLockFile),
}

/// What was loaded, and when it is out of date.
#[derive(Debug)]
pub(crate) struct Known<R: Record> {
    pub(crate) snapshot: Arc<Snapshot<R>>,
    pub(crate) token: Token,
    pub(crate) stamps: Vec<Option<Stamp>>,
    /// Repairs that could not be saved, on a full or read-only disk.
    pub(crate) repairs: LocationSet,
}

/// Whether something was found loaded and up to date.
enum Current<R: Record> {
    Fresh(Arc<Snapshot<R>>),
    /// Saving is needed first, under the write lock.
    NeedsRepair,
}

/// What a reader does about repairs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repairs {
    Save,
    /// They are not possible here.
    KeepInMemory,
}

impl<R: Record> JsonStore<R> {
    /// Opens a store. Nothing is created, locked or read yet.
    ///
    /// # Errors
    ///
    /// There is no location, or the path of the lock file is unusable.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        if options.locations.is_empty() {
            return Err(OpenError::NoLocation);
        }
        let lock = match options.access {
            Access::ReadWrite => {
                let lock = LockFile::brief(&options.lock)?;
                Lock::ReadWrite(lock.cancelled_by(options.cancel.clone()))
            }
            Access::ReadOnly => {
                let lock = ReadOnlyLockFile::brief(&options.lock)?;
                Lock::ReadOnly(lock.cancelled_by(options.cancel.clone()))
            }
        };
        let shared = Shared {
            fields: Fields::new(R::KEYS),
            options,
            lock,
            known: Mutex::new(None),
            passed: AtomicBool::new(false),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// What the store was opened with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// The records as they are now, without a lock afterwards. Takes the read
    /// lock for a moment; files are read only if they changed.
    pub fn snapshot(&self) -> Result<Arc<Snapshot<R>>, ReadError> {
        self.read().map(ReadGuard::into_snapshot)
    }

    /// Waits for the read lock and loads what changed.
    pub fn read(&self) -> Result<ReadGuard<R>, ReadError> {
        let guard = self
            .shared
            .read_with(|shared| shared.lock_read().map(Some))?;
        // The way to lock above waits until it has one.
        guard.ok_or(ReadError::KeepsChanging {
            record_kind: R::KIND,
            tries: 0,
        })
    }

    /// Takes the read lock if nobody writes, and loads what changed.
    pub fn try_read(&self) -> Result<Option<ReadGuard<R>>, ReadError> {
        self.shared.read_with(Shared::try_lock_read)
    }

    /// Waits for the read lock for `patience` at most, and loads what changed.
    pub fn read_timeout(&self, patience: Duration) -> Result<Option<ReadGuard<R>>, ReadError> {
        self.shared
            .read_with(|shared| shared.lock_read_timeout(patience))
    }

    /// Waits for the write lock and loads what changed. A thread that holds a
    /// guard of the store must drop it first, or it waits for itself.
    pub fn write(&self) -> Result<WriteGuard<R>, ReadError> {
        let lock = self.shared.writable()?.write().map_err(lock_error::<R>)?;
        WriteGuard::begin(Arc::clone(&self.shared), lock)
    }

    /// Takes the write lock if nobody reads or writes, and loads what changed.
    pub fn try_write(&self) -> Result<Option<WriteGuard<R>>, ReadError> {
        let lock = self
            .shared
            .writable()?
            .try_write()
            .map_err(lock_error::<R>)?;
        lock.map(|lock| WriteGuard::begin(Arc::clone(&self.shared), lock))
            .transpose()
    }

    /// Waits for the write lock for `patience` at most, and loads what changed.
    pub fn write_timeout(&self, patience: Duration) -> Result<Option<WriteGuard<R>>, ReadError> {
        let lock = self
            .shared
            .writable()?
            .write_timeout(patience)
            .map_err(lock_error::<R>)?;
        lock.map(|lock| WriteGuard::begin(Arc::clone(&self.shared), lock))
            .transpose()
    }

    /// The side files that hold damaged bytes which a save replaced, sorted.
    pub fn set_aside_files(&self) -> Result<Vec<PathBuf>, ReadError> {
        let mut files = Vec::new();
        for location in &self.shared.options.locations {
            let dir = match Dir::open_ambient(&location.dir) {
                Err(error) if error.is_not_found() => continue,
                other => other.map_err(crate::load::file_error::<R>)?,
            };
            let found = set_aside::list(&dir, &location.file);
            files.extend(found.map_err(crate::load::file_error::<R>)?);
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

impl<R: Record> Shared<R> {
    fn writable(&self) -> Result<&LockFile, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => Ok(lock),
            Lock::ReadOnly(lock) => Err(ReadError::ReadOnly {
                record_kind: R::KIND,
                path: lock.path().to_owned(),
            }),
        }
    }

    pub(crate) fn lock_read(&self) -> Result<layerhold_lockfile::ReadGuard, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.read(),
            Lock::ReadOnly(lock) => lock.read(),
        }
        .map_err(lock_error::<R>)
    }

    fn try_lock_read(&self) -> Result<Option<layerhold_lockfile::ReadGuard>, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.try_read(),
            Lock::ReadOnly(lock) => lock.try_read(),
        }
        .map_err(lock_error::<R>)
    }

    fn lock_read_timeout(
        &self,
        patience: Duration,
    ) -> Result<Option<layerhold_lockfile::ReadGuard>, ReadError> {
        match &self.lock {
            Lock::ReadWrite(lock) => lock.read_timeout(patience),
            Lock::ReadOnly(lock) => lock.read_timeout(patience),
        }
        .map_err(lock_error::<R>)
    }

    /// Takes a read lock and loads under it. A repair needs the write lock, which
    /// is never taken on top: the read lock is released first, and everything
    /// is looked at again afterwards, because others may have been faster.
    fn read_with(
        self: &Arc<Self>,
        take: impl Fn(&Self) -> Result<Option<layerhold_lockfile::ReadGuard>, ReadError>,
    ) -> Result<Option<ReadGuard<R>>, ReadError> {
        let mut repairs = Repairs::Save;
        for tries in 0..=REPAIRS {
            let Some(lock) = take(self)? else {
                return Ok(None);
            };
            match self.current(&lock, repairs)? {
                Current::Fresh(snapshot) => return Ok(Some(ReadGuard::new(snapshot, lock))),
                Current::NeedsRepair => drop(lock),
            }
            if tries < REPAIRS {
                repairs = self.repair()?;
            }
        }
        Err(ReadError::KeepsChanging {
            record_kind: R::KIND,
            tries: REPAIRS,
        })
    }

    /// Loads under the write lock, which saves what needs a repair.
    fn repair(self: &Arc<Self>) -> Result<Repairs, ReadError> {
        let Ok(lock) = self.writable()?.write() else {
            // Readable, but not for us to repair.
            return Ok(Repairs::KeepInMemory);
        };
        drop(WriteGuard::begin(Arc::clone(self), lock)?);
        Ok(Repairs::Save)
    }

    fn current(
        &self,
        lock: &layerhold_lockfile::ReadGuard,
        repairs: Repairs,
    ) -> Result<Current<R>, ReadError> {
        let token = lock.token().map_err(token_error::<R>)?;
        let stamps = self.stamps(lock.protection())?;
        // Held while loading, so that the threads of a process load once.
        let mut known = self.known();
        if let Some(known) = known
            .as_ref()
            .filter(|known| known.is_fresh(&token, &stamps))
        {
            return Ok(Current::Fresh(Arc::clone(&known.snapshot)));
        }
        let loaded = load::<R>(&self.options, &self.fields)?;
        let writable = matches!(self.lock, Lock::ReadWrite(_)) && repairs == Repairs::Save;
        if writable && !loaded.repairs.is_empty() {
            return Ok(Current::NeedsRepair);
        }
        let snapshot = Arc::new(loaded.snapshot);
        *known = Some(Known {
            snapshot: Arc::clone(&snapshot),
            token,
            stamps,
            repairs: loaded.repairs,
        });
        Ok(Current::Fresh(snapshot))
    }

    /// The stamps, if they decide about freshness.
    pub(crate) fn stamps(&self, protection: Protection) -> Result<Vec<Option<Stamp>>, ReadError> {
        if self.options.freshness == Freshness::Token && protection == Protection::Locked {
            return Ok(Vec::new());
        }
        stamps::<R>(&self.options)
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Option<Known<R>>> {
        // It is replaced as a whole, so a panic cannot leave it half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Record> Known<R> {
    pub(crate) fn is_fresh(&self, token: &Token, stamps: &[Option<Stamp>]) -> bool {
        self.token == *token && self.stamps == stamps
    }
}

/// Whether a repair may stay in memory: nothing on this disk can be changed now,
/// which must not keep anybody from reading.
pub(crate) fn may_stay_unsaved(error: &SaveError) -> bool {
    let io = match error {
        _ if error.is_out_of_space() => return true,
        SaveError::File { source, .. } | SaveError::SetAside { source, .. } => source.kind(),
        SaveError::Token {
            source: layerhold_lockfile::TokenError::Write { source, .. },
            ..
        } => source.kind(),
        _ => return false,
    };
    matches!(
        io,
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
    )
}

pub(crate) fn lock_error<R: Record>(source: LockError) -> ReadError {
    ReadError::Lock {
        record_kind: R::KIND,
        source,
    }
}

pub(crate) fn token_error<R: Record>(source: layerhold_lockfile::TokenError) -> ReadError {
    ReadError::Token {
        record_kind: R::KIND,
        source,
    }
}
