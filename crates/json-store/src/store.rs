//! Opening a store, reading, and locking.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use layerhold_lockfile::{LockError, LockHolder};
use layerhold_sys::{Cancel, Dir};
use layerhold_truncindex::Resolution;

use crate::big_data::{self, BigDataError};
use crate::lookup::{self, LookupError};
use crate::options::Options;
use crate::read_guard::ReadGuard;
use crate::record::Record;
use crate::save::{SaveError, side_files};
use crate::shared::{Current, ReadError, Repairs, Shared, lock_error};
use crate::snapshot::{Snapshot, Stored};
use crate::write_guard::{ChangeError, WriteGuard};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No location was given.
    #[error("cannot open a record store without a file to keep records in")]
    NoLocation,
    /// The lock file cannot be used.
    #[error("cannot use the lock of a record store")]
    Lock(#[from] LockError),
}

/// Why a record was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// The records could not be locked or loaded.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record could not be removed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The records could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The record is gone, but the files of its big data items are not.
    #[error(transparent)]
    Data(#[from] BigDataError),
}

impl DeleteError {
    /// Whether no record has the ID.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Change(error) if error.is_not_found())
    }

    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Read(error) => error.is_out_of_space(),
            Self::Change(_) => false,
            Self::Save(error) => error.is_out_of_space(),
            Self::Data(error) => error.is_out_of_space(),
        }
    }

    /// Whether the wait for the lock was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Read(error) if error.is_cancelled())
    }
}

/// Why a record was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The records could not be locked or loaded.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record could not be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The records could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl UpdateError {
    /// Whether no record has the ID.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Change(error) if error.is_not_found())
    }

    /// Whether another record has the name.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Change(error) if error.is_conflict())
    }

    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Read(error) => error.is_out_of_space(),
            Self::Change(_) => false,
            Self::Save(error) => error.is_out_of_space(),
        }
    }

    /// Whether the wait for the lock was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Read(error) if error.is_cancelled())
    }
}

/// How many repairs a reader saves before it gives up (Go: layers.go has the same bound).
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
        let shared = Shared::open(options)?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Returns a handle with which waits for the lock end when `cancel` is set, as
    /// [`Options::cancelled_by`] does for the first one. Both share the lock and what is loaded.
    #[must_use]
    pub fn cancelled_by(&self, cancel: Cancel) -> Self {
        self.with_bounds(cancel, self.shared.options.lock_timeout)
    }

    /// Returns a handle with another bound on waits for the lock, as [`Options::lock_timeout`] sets
    /// for the first one. Both share the lock and what is loaded.
    #[must_use]
    pub fn lock_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        self.with_bounds(self.shared.options.cancel.clone(), timeout.into())
    }

    fn with_bounds(&self, cancel: Cancel, lock_timeout: Option<Duration>) -> Self {
        Self {
            shared: Arc::new(self.shared.with_bounds(cancel, lock_timeout)),
        }
    }

    /// What the store was opened with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// The records as they are now. Takes the read lock for a moment; files are read only if they
    /// changed.
    pub fn snapshot(&self) -> Result<Arc<Snapshot<R>>, ReadError> {
        self.read().map(ReadGuard::into_snapshot)
    }

    /// Waits for the read lock and loads what changed.
    pub fn read(&self) -> Result<ReadGuard<R>, ReadError> {
        let guard = self.read_with(|shared| shared.lock_read().map(Some))?;
        // The way to lock above waits until it has one.
        guard.ok_or(ReadError::KeepsChanging {
            record_kind: R::KIND,
            tries: 0,
        })
    }

    /// Takes the read lock unless another process or thread writes, and loads what changed.
    pub fn try_read(&self) -> Result<Option<ReadGuard<R>>, ReadError> {
        self.read_with(Shared::try_lock_read)
    }

    /// Waits for the read lock for `patience` at most, and loads what changed.
    pub fn read_timeout(&self, patience: Duration) -> Result<Option<ReadGuard<R>>, ReadError> {
        self.read_with(|shared| shared.lock_read_timeout(patience))
    }

    /// Waits for the write lock and loads what changed. A thread that holds a guard of the store
    /// must drop it first, or it waits for itself.
    pub fn write(&self) -> Result<WriteGuard<R>, ReadError> {
        let lock = self.shared.writable()?.write().map_err(lock_error::<R>)?;
        WriteGuard::begin(Arc::clone(&self.shared), lock)
    }

    /// Takes the write lock unless another process or thread reads or writes, and loads what
    /// changed.
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
                other => other.map_err(ReadError::File)?,
            };
            let found = side_files(&dir, &location.file);
            files.extend(found.map_err(ReadError::File)?);
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The record that a text means now, as [`Snapshot::lookup`](crate::Snapshot::lookup) of a new
    /// snapshot tells.
    ///
    /// If nothing is loaded, the first call scans the files without keeping them. That takes a
    /// third of the time and next to no memory where the text is an ID, the beginning of only one
    /// ID, or nothing at all. Otherwise, and where the scan does not settle it, this is a lookup in
    /// a snapshot.
    pub fn lookup(&self, text: &str) -> Result<Resolution<Stored<R>>, LookupError> {
        if let Some(found) = lookup::in_passing(&self.shared, text)? {
            return Ok(found);
        }
        Ok(self.snapshot()?.lookup(text)?)
    }

    /// Opens a big data item for reading; `None` if there is no such file. A later write of the
    /// item does not change what an open file reads.
    pub fn open_big_data(&self, id: &str, key: &str) -> Result<Option<File>, BigDataError> {
        big_data::open(&self.shared.options, id, key)
    }

    /// Reads a whole big data item, which must not be larger than `limit` bytes.
    pub fn read_big_data(
        &self,
        id: &str,
        key: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, BigDataError> {
        big_data::read(&self.shared.options, id, key, limit)
    }

    /// The size of the file of a big data item in bytes.
    pub fn big_data_size(&self, id: &str, key: &str) -> Result<Option<u64>, BigDataError> {
        big_data::size(&self.shared.options, id, key)
    }

    /// Finds the processes that hold a lock of the store, for messages
    /// ([`LockFile::holders`](layerhold_lockfile::LockFile::holders)).
    ///
    /// # Errors
    ///
    /// The lock file or procfs cannot be read.
    pub fn lock_holders(&self) -> Result<Vec<LockHolder>, LockError> {
        self.shared.lock_holders()
    }

    /// Changes a record and saves it, in one critical section: locks, loads, lets `change` change
    /// the record, and saves. If `change` fails, nothing is saved, and its error is returned. To
    /// change several records at once, take [`write`](Self::write).
    ///
    /// ```
    /// # use layerhold_json_store::{JsonStore, Record, UpdateError};
    /// # fn rename<R: Record>(store: &JsonStore<R>) -> Result<(), UpdateError> {
    /// store.update("a1", |record| {
    ///     record.set_names(vec!["new".to_owned()]);
    ///     Ok::<_, UpdateError>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the change, or an [`UpdateError`], converted.
    pub fn update<E: From<UpdateError>>(
        &self,
        id: &str,
        change: impl FnOnce(&mut R) -> Result<(), E>,
    ) -> Result<Arc<R>, E> {
        /// An error of the guard, or of the caller's change.
        enum Failure<E> {
            Guard(ChangeError),
            Change(E),
        }
        impl<E> From<ChangeError> for Failure<E> {
            fn from(error: ChangeError) -> Self {
                Self::Guard(error)
            }
        }
        let mut guard = self.write().map_err(UpdateError::Read)?;
        let changed = guard.try_update(id, |record| change(record).map_err(Failure::Change));
        let record = changed.map_err(|failure| match failure {
            Failure::Guard(error) => UpdateError::Change(error).into(),
            Failure::Change(error) => error,
        })?;
        guard.save().map_err(UpdateError::Save)?;
        Ok(record)
    }

    /// Removes a record: first the record, then the files of its big data items.
    pub fn delete(&self, id: &str) -> Result<(), DeleteError> {
        let mut guard = self.write()?;
        guard.remove(id)?;
        guard.save()?;
        guard.remove_data(id)?;
        Ok(())
    }

    /// Takes a read lock and loads under it. A repair needs the write lock, which is never taken on
    /// top: the read lock is released first, and everything is checked again afterwards, because
    /// another process may have been faster.
    fn read_with(
        &self,
        take: impl Fn(&Shared<R>) -> Result<Option<layerhold_lockfile::ReadGuard>, ReadError>,
    ) -> Result<Option<ReadGuard<R>>, ReadError> {
        let mut repairs = Repairs::Save;
        for tries in 0..=REPAIRS {
            let Some(lock) = take(&self.shared)? else {
                return Ok(None);
            };
            match self.shared.current(&lock, repairs)? {
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
    fn repair(&self) -> Result<Repairs, ReadError> {
        let Ok(lock) = self.shared.writable()?.write() else {
            // Readable, but this process cannot repair it.
            return Ok(Repairs::KeepInMemory);
        };
        drop(WriteGuard::begin(Arc::clone(&self.shared), lock)?);
        Ok(Repairs::Save)
    }
}
