//! Record stores: the directories in which the records of one kind are kept.
//!
//! Usually there is one. A separate image store is a second one that is written, and each
//! additional store is one that is only read. Callers see all of them as one list, [`Records`]. A
//! record hides records of the same ID in later stores, so an image that was copied from an
//! additional store is listed once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_json_store::{
    Freshness, JsonStore, Location, LocationId, Options, ReadError, ReadGuard, Record,
    Snapshot as RecordSnapshot,
};
use layerhold_sys::{PathError, stat_ambient};

use crate::catalog::error::AccessError;
use crate::catalog::locked::{Locked, WriteLocked};
use crate::catalog::lookup::ItemRecord;
use crate::catalog::options::{CatalogOptions, LockBounds};

/// One record store.
#[derive(Debug)]
pub(crate) struct RecordStore<R: Record> {
    pub(crate) store: JsonStore<R>,
    /// The directory of its record files.
    pub(crate) dir: PathBuf,
    /// The root of the additional store that it belongs to; `None` if it is written.
    pub(crate) additional: Option<PathBuf>,
}

/// Where a new record is put: in which writable record store, and in which of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) store: usize,
    pub(crate) location: LocationId,
}

/// The placement of records that survive a reboot.
pub(crate) const DURABLE: Placement = Placement {
    store: 0,
    location: LocationId::FIRST,
};
/// The placement of records that may be lost at a reboot.
pub(crate) const VOLATILE: Placement = Placement {
    store: 0,
    location: LocationId::new(1),
};
/// The placement of image layers when there is a separate image store.
pub(crate) const IMAGE_STORE: Placement = Placement {
    store: 1,
    location: LocationId::FIRST,
};

/// All record stores of one kind.
#[derive(Debug)]
pub(crate) struct RecordStores<R: Record> {
    /// The writable ones, in lock order. There is at least one.
    own: Vec<Arc<RecordStore<R>>>,
    /// The read-only ones, in search order.
    additional: Vec<Arc<RecordStore<R>>>,
}

/// The records of one store at one moment.
#[derive(Debug)]
pub(crate) struct StoreRecords<R: Record> {
    pub(crate) store: Arc<RecordStore<R>>,
    pub(crate) records: Arc<RecordSnapshot<R>>,
}

/// One record store with its read lock.
#[derive(Debug)]
pub(crate) struct ReadLocked<R: Record> {
    store: Arc<RecordStore<R>>,
    guard: ReadGuard<R>,
}

impl<R: Record> ReadLocked<R> {
    /// Returns the records.
    pub(crate) fn records(&self) -> StoreRecords<R> {
        StoreRecords {
            store: Arc::clone(&self.store),
            records: Arc::clone(self.guard.snapshot()),
        }
    }

    /// Releases several locks and returns the records.
    pub(crate) fn release_all(locked: Vec<Self>) -> Vec<StoreRecords<R>> {
        locked.into_iter().map(Self::release).collect()
    }

    /// Releases the lock and returns the records.
    pub(crate) fn release(self) -> StoreRecords<R> {
        StoreRecords {
            store: self.store,
            records: self.guard.into_snapshot(),
        }
    }
}

/// The records of all stores of one kind, as they were when each was read.
#[derive(Debug, Clone)]
pub(crate) struct MergedRecords<R: Record> {
    own: Vec<StoreRecords<R>>,
    additional: Vec<StoreRecords<R>>,
}

/// The records of several stores as one list.
pub(crate) trait Records<R: Record> {
    /// Goes through the writable stores, in lock order.
    fn own(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)>;

    /// Goes through the additional stores, in search order.
    fn additional(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)>;

    /// Goes through all stores, in search order.
    fn stores(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.own().chain(self.additional())
    }

    /// Tells whether any store has a record of this ID.
    fn contains(&self, id: &str) -> bool {
        self.stores().any(|(_, records)| records.contains(id))
    }

    /// Tells whether a writable store has a record of this ID.
    fn is_own(&self, id: &str) -> bool {
        self.own().any(|(_, records)| records.contains(id))
    }

    /// Finds the store that has a record.
    fn store_of(&self, id: &str) -> Option<&Arc<RecordStore<R>>> {
        let mut stores = self.stores();
        stores
            .find(|(_, records)| records.contains(id))
            .map(|(store, _)| store)
    }

    /// Returns the root of the additional store that has a record; `None` when none has.
    fn additional_root(&self, id: &str) -> Option<&Path> {
        self.store_of(id)?.additional.as_deref()
    }

    /// Finds the ID of the record that has a name. Names in additional stores do not count: they
    /// may be used again.
    fn holder_of(&self, name: &str) -> Option<&str> {
        self.own().find_map(|(_, records)| records.by_name(name))
    }

    /// Lists the IDs of all records whose index `key` has a value, hidden records included.
    fn ids_by_key(&self, key: &str, value: &str) -> Vec<&str> {
        self.stores()
            .flat_map(|(_, records)| records.by_key(key, value))
            .collect()
    }

    /// Goes through the IDs of the records in writable stores.
    fn own_ids(&self) -> impl Iterator<Item = &str> {
        self.own().flat_map(|(_, records)| records.ids())
    }

    /// Lists the IDs of records in writable stores whose JSON contains some bytes.
    fn own_mentioning(&self, bytes: &[u8]) -> Vec<&str> {
        self.own()
            .flat_map(|(_, records)| records.mentioning(bytes))
            .collect()
    }
}

impl<R: Record> Clone for StoreRecords<R> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            records: Arc::clone(&self.records),
        }
    }
}

impl<R: Record> Records<R> for MergedRecords<R> {
    fn own(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.own.iter().map(StoreRecords::pair)
    }

    fn additional(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.additional.iter().map(StoreRecords::pair)
    }
}

impl<R: Record> StoreRecords<R> {
    pub(crate) fn pair(&self) -> (&Arc<RecordStore<R>>, &RecordSnapshot<R>) {
        (&self.store, &self.records)
    }
}

impl<R: Record> MergedRecords<R> {
    pub(crate) fn new(own: Vec<StoreRecords<R>>, additional: Vec<StoreRecords<R>>) -> Self {
        Self { own, additional }
    }
}

/// The names of the files of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileNames {
    /// `layers` for `layers.lock`, `layers.json` and `volatile-layers.json`.
    pub(crate) plural: &'static str,
    pub(crate) freshness: Freshness,
    /// Whether there is a file for volatile records.
    pub(crate) has_volatile: bool,
}

impl FileNames {
    fn lock(self) -> String {
        format!("{}.lock", self.plural)
    }

    fn durable(self) -> String {
        format!("{}.json", self.plural)
    }

    fn volatile(self) -> String {
        format!("volatile-{}.json", self.plural)
    }
}

/// The directories of a writable record store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreDirs<'a> {
    /// The directory of the durable record file.
    pub(crate) durable: &'a Path,
    /// The directory of the volatile record file; `None` where there is none.
    pub(crate) volatile: Option<&'a Path>,
    /// The directory of the lock.
    pub(crate) lock: &'a Path,
    /// The directory of big data items.
    pub(crate) data: &'a Path,
}

impl<'a> StoreDirs<'a> {
    /// Uses one directory for everything.
    pub(crate) fn all_in(dir: &'a Path) -> Self {
        Self {
            durable: dir,
            volatile: Some(dir),
            lock: dir,
            data: dir,
        }
    }
}

impl<R: ItemRecord> RecordStore<R> {
    /// Opens a writable record store.
    pub(crate) fn own(
        files: FileNames,
        dirs: StoreDirs<'_>,
        options: &CatalogOptions<'_>,
    ) -> Result<Self, AccessError> {
        let mut options = Options::new(dirs.lock.join(files.lock()), dirs.data)
            .location(Location::durable(dirs.durable, files.durable()))
            .freshness(files.freshness)
            .io(Arc::clone(&options.io))
            .cancelled_by(options.bounds.cancel.clone())
            .lock_timeout(options.bounds.timeout);
        if let Some(dir) = dirs.volatile.filter(|_| files.has_volatile) {
            options = options.location(Location::volatile(dir, files.volatile()));
        }
        Ok(Self {
            store: open(options)?,
            dir: dirs.durable.to_owned(),
            additional: None,
        })
    }

    /// Opens a read-only record store below the root of an additional store. It need not exist yet.
    pub(crate) fn additional(
        files: FileNames,
        root: &Path,
        dir: PathBuf,
        options: &CatalogOptions<'_>,
    ) -> Result<Self, AccessError> {
        // The writer may be on another host, or the file may be replaced by hand: the token alone
        // is not enough.
        let mut options = Options::new(dir.join(files.lock()), &dir)
            .read_only()
            .location(Location::read_only(&dir, files.durable()))
            .freshness(Freshness::TokenAndFiles)
            .io(Arc::clone(&options.io))
            .cancelled_by(options.bounds.cancel.clone())
            .lock_timeout(options.bounds.timeout);
        if files.has_volatile {
            options = options.location(Location::read_only(&dir, files.volatile()));
        }
        Ok(Self {
            store: open(options)?,
            dir,
            additional: Some(root.to_owned()),
        })
    }

    fn with_bounds(&self, bounds: &LockBounds) -> Self {
        Self {
            store: self
                .store
                .cancelled_by(bounds.cancel.clone())
                .lock_timeout(bounds.timeout),
            dir: self.dir.clone(),
            additional: self.additional.clone(),
        }
    }

    /// Takes the read lock. `None` for an additional store that does not exist: nothing is created
    /// in it.
    pub(crate) fn read(&self) -> Result<Option<ReadGuard<R>>, AccessError> {
        if self.additional.is_some() && stat_ambient(&self.dir)?.is_none() {
            return Ok(None);
        }
        self.store.read().map(Some).map_err(read_error::<R>)
    }

    /// Tells whether records were ever saved: a save writes to the lock file first.
    pub(crate) fn was_saved(&self) -> Result<bool, PathError> {
        let lock = self.dir.join(format!("{}s.lock", R::ITEM));
        Ok(stat_ambient(&lock)?.is_some_and(|stat| stat.size > 0))
    }

    /// Takes the read lock as [`read`](Self::read) does, and keeps the store with it.
    pub(crate) fn lock_for_reading(self: &Arc<Self>) -> Result<Option<ReadLocked<R>>, AccessError> {
        let guard = self.read()?;
        Ok(guard.map(|guard| ReadLocked {
            store: Arc::clone(self),
            guard,
        }))
    }
}

fn open<R: ItemRecord>(options: Options) -> Result<JsonStore<R>, AccessError> {
    JsonStore::open(options).map_err(|source| AccessError::Open {
        kind: R::ITEM,
        source: Box::new(source),
    })
}

pub(crate) fn read_error<R: ItemRecord>(source: ReadError) -> AccessError {
    AccessError::Read {
        kind: R::ITEM,
        source: Box::new(source),
    }
}

impl<R: ItemRecord> RecordStores<R> {
    pub(crate) fn new(own: Vec<RecordStore<R>>, additional: Vec<RecordStore<R>>) -> Self {
        let shared = |stores: Vec<RecordStore<R>>| stores.into_iter().map(Arc::new).collect();
        Self {
            own: shared(own),
            additional: shared(additional),
        }
    }

    /// Returns another handle on the same records, whose waits for locks these bounds end.
    pub(crate) fn with_bounds(&self, bounds: &LockBounds) -> Self {
        let bound = |stores: &[Arc<RecordStore<R>>]| {
            let stores = stores
                .iter()
                .map(|store| Arc::new(store.with_bounds(bounds)));
            stores.collect()
        };
        Self {
            own: bound(&self.own),
            additional: bound(&self.additional),
        }
    }

    /// Reads the records of all stores. Each store is locked only while it is read.
    pub(crate) fn read_all(&self) -> Result<MergedRecords<R>, AccessError> {
        Ok(MergedRecords::new(
            read_each(&self.own)?,
            read_each(&self.additional)?,
        ))
    }

    /// Reads the records of the writable stores; `None` if a process is writing any of them.
    pub(crate) fn try_read_all(&self) -> Result<Option<MergedRecords<R>>, AccessError> {
        let mut snapshots = Vec::with_capacity(self.own.len());
        for store in &self.own {
            let Some(guard) = store.store.try_read().map_err(read_error::<R>)? else {
                return Ok(None);
            };
            snapshots.push(StoreRecords {
                store: Arc::clone(store),
                records: guard.into_snapshot(),
            });
        }
        Ok(Some(MergedRecords::new(snapshots, Vec::new())))
    }

    /// Returns the first writable store, and whether it is the only store.
    pub(crate) fn first(&self) -> Option<(&RecordStore<R>, bool)> {
        let first = self.own.first()?;
        let is_only = self.own.len() == 1 && self.additional.is_empty();
        Some((first, is_only))
    }

    /// Goes through the read-only stores.
    pub(crate) fn additional(&self) -> impl Iterator<Item = &Arc<RecordStore<R>>> {
        self.additional.iter()
    }

    /// Reads the records of the read-only stores.
    pub(crate) fn read_additional(&self) -> Result<Vec<StoreRecords<R>>, AccessError> {
        read_each(&self.additional)
    }

    /// Takes the read locks of the writable stores.
    pub(crate) fn read_own(&self) -> Result<Vec<ReadLocked<R>>, AccessError> {
        let locked = self.own.iter().map(RecordStore::lock_for_reading);
        locked.filter_map(Result::transpose).collect()
    }

    /// Takes the write locks of the writable stores. Additional stores must have been read before:
    /// waiting for a lock of another store while holding ours could deadlock.
    pub(crate) fn lock(&self, additional: Vec<StoreRecords<R>>) -> Result<Locked<R>, AccessError> {
        let mut locked = Vec::with_capacity(self.own.len());
        for store in &self.own {
            let guard = store.store.write().map_err(read_error::<R>)?;
            locked.push(WriteLocked {
                store: Arc::clone(store),
                guard,
            });
        }
        Ok(Locked::new(locked, additional))
    }

    /// Takes the locks as [`lock`](Self::lock) does, if all are free.
    pub(crate) fn try_lock(
        &self,
        additional: Vec<StoreRecords<R>>,
    ) -> Result<Option<Locked<R>>, AccessError> {
        let mut locked = Vec::with_capacity(self.own.len());
        for store in &self.own {
            let Some(guard) = store.store.try_write().map_err(read_error::<R>)? else {
                return Ok(None);
            };
            locked.push(WriteLocked {
                store: Arc::clone(store),
                guard,
            });
        }
        Ok(Some(Locked::new(locked, additional)))
    }
}

fn read_each<R: ItemRecord>(
    stores: &[Arc<RecordStore<R>>],
) -> Result<Vec<StoreRecords<R>>, AccessError> {
    let locked = stores.iter().map(RecordStore::lock_for_reading);
    let snapshots = locked.filter_map(Result::transpose);
    snapshots.map(|reading| Ok(reading?.release())).collect()
}
