//! Where the records of one kind are kept.
//!
//! Mostly that is one place. A split-off image store is a second place that is written, and each
//! additional store is one that is only read. Everybody looks at all of them as one list,
//! [`Records`]: what is in a place hides whatever has the same ID in a later place, so that an image
//! that was pulled up from an additional store is there once.

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
use crate::catalog::options::CatalogOptions;

/// One place.
#[derive(Debug)]
pub(crate) struct RecordStore<R: Record> {
    pub(crate) store: JsonStore<R>,
    /// The directory of its record files.
    pub(crate) dir: PathBuf,
    /// The root of the additional store that it is in, if it is only read.
    pub(crate) additional: Option<PathBuf>,
}

/// Where a new record is put: in which of the places that are written, and in which of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) store: usize,
    pub(crate) location: LocationId,
}

/// Where records are kept that must last.
pub(crate) const DURABLE: Placement = Placement {
    store: 0,
    location: LocationId::FIRST,
};
/// Where records are kept that may be lost at a reboot.
pub(crate) const VOLATILE: Placement = Placement {
    store: 0,
    location: LocationId::new(1),
};
/// Where the layers of images are recorded when images have a store of their own.
pub(crate) const IMAGE_STORE: Placement = Placement {
    store: 1,
    location: LocationId::FIRST,
};

/// All places of one kind of records.
#[derive(Debug)]
pub(crate) struct RecordStores<R: Record> {
    /// Those that are written, in the order in which they are locked. There is at least one.
    own: Vec<Arc<RecordStore<R>>>,
    /// Those that are only read, in the order in which they are searched.
    additional: Vec<Arc<RecordStore<R>>>,
}

/// The records of one place at one moment.
#[derive(Debug)]
pub(crate) struct StoreRecords<R: Record> {
    pub(crate) store: Arc<RecordStore<R>>,
    pub(crate) records: Arc<RecordSnapshot<R>>,
}

/// One place while nobody writes there.
#[derive(Debug)]
pub(crate) struct ReadLocked<R: Record> {
    store: Arc<RecordStore<R>>,
    guard: ReadGuard<R>,
}

impl<R: Record> ReadLocked<R> {
    /// What is there.
    pub(crate) fn records(&self) -> StoreRecords<R> {
        StoreRecords {
            store: Arc::clone(&self.store),
            records: Arc::clone(self.guard.snapshot()),
        }
    }

    /// What is in several places; the locks are released.
    pub(crate) fn release_all(locked: Vec<Self>) -> Vec<StoreRecords<R>> {
        locked.into_iter().map(Self::release).collect()
    }

    /// What is there; the lock is released.
    pub(crate) fn release(self) -> StoreRecords<R> {
        StoreRecords {
            store: self.store,
            records: self.guard.into_snapshot(),
        }
    }
}

/// The records of all places, as they were at one moment.
#[derive(Debug, Clone)]
pub(crate) struct MergedRecords<R: Record> {
    own: Vec<StoreRecords<R>>,
    additional: Vec<StoreRecords<R>>,
}

/// Records of several places that are looked at as one list.
pub(crate) trait Records<R: Record> {
    /// The places that are written.
    fn own(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)>;

    /// The places that are only read.
    fn additional(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)>;

    /// All places, in the order in which they are searched.
    fn stores(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.own().chain(self.additional())
    }

    /// Tells whether any place has a record of this ID.
    fn contains(&self, id: &str) -> bool {
        self.stores().any(|(_, records)| records.contains(id))
    }

    /// Tells whether a place that is written has a record of this ID.
    fn is_own(&self, id: &str) -> bool {
        self.own().any(|(_, records)| records.contains(id))
    }

    /// The place where a record is.
    fn store_of(&self, id: &str) -> Option<&Arc<RecordStore<R>>> {
        let mut stores = self.stores();
        stores
            .find(|(_, records)| records.contains(id))
            .map(|(store, _)| store)
    }

    /// The root of the additional store where a record is; `None` when it is in none.
    fn additional_root(&self, id: &str) -> Option<&Path> {
        self.store_of(id)?.additional.as_deref()
    }

    /// The ID of the record that has a name. Names in additional stores stand in nobody's way.
    fn holder_of(&self, name: &str) -> Option<&str> {
        self.own().find_map(|(_, records)| records.by_name(name))
    }

    /// The IDs of all records with a value of a key, hidden ones too.
    fn ids_by_key(&self, key: &str, value: &str) -> Vec<&str> {
        self.stores()
            .flat_map(|(_, records)| records.by_key(key, value))
            .collect()
    }

    /// The IDs of the records that are written.
    fn own_ids(&self) -> impl Iterator<Item = &str> {
        self.own().flat_map(|(_, records)| records.ids())
    }

    /// The IDs of those records that are written in whose text some bytes occur.
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

/// How the files of one kind are called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileNames {
    /// `layers` for `layers.lock`, `layers.json` and `volatile-layers.json`.
    pub(crate) plural: &'static str,
    pub(crate) freshness: Freshness,
    /// Whether there is a file for records that may be lost.
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

/// The directories of a place that is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreDirs<'a> {
    /// That of the file of records that last.
    pub(crate) durable: &'a Path,
    /// That of the file of records that may be lost; `None` where no such records are kept.
    pub(crate) volatile: Option<&'a Path>,
    /// That of the lock.
    pub(crate) lock: &'a Path,
    /// That of the data items.
    pub(crate) data: &'a Path,
}

impl<'a> StoreDirs<'a> {
    /// Everything in one directory.
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
    /// A place that is written.
    pub(crate) fn own(
        files: FileNames,
        dirs: StoreDirs<'_>,
        options: &CatalogOptions<'_>,
    ) -> Result<Self, AccessError> {
        let mut options = Options::new(dirs.lock.join(files.lock()), dirs.data)
            .location(Location::durable(dirs.durable, files.durable()))
            .freshness(files.freshness)
            .io(Arc::clone(&options.io))
            .cancelled_by(options.cancel.clone());
        if let Some(dir) = dirs.volatile.filter(|_| files.has_volatile) {
            options = options.location(Location::volatile(dir, files.volatile()));
        }
        Ok(Self {
            store: open(options)?,
            dir: dirs.durable.to_owned(),
            additional: None,
        })
    }

    /// A place that is only read, below the root of an additional store. It need not be there yet.
    pub(crate) fn additional(
        files: FileNames,
        root: &Path,
        dir: PathBuf,
        options: &CatalogOptions<'_>,
    ) -> Result<Self, AccessError> {
        // Whoever writes there may be on another host, or have replaced the file by hand: the token
        // alone is not enough.
        let mut options = Options::new(dir.join(files.lock()), &dir)
            .read_only()
            .location(Location::read_only(&dir, files.durable()))
            .freshness(Freshness::TokenAndFiles)
            .io(Arc::clone(&options.io))
            .cancelled_by(options.cancel.clone());
        if files.has_volatile {
            options = options.location(Location::read_only(&dir, files.volatile()));
        }
        Ok(Self {
            store: open(options)?,
            dir,
            additional: Some(root.to_owned()),
        })
    }

    /// Waits for the lock for reading. `None` for an additional store that is not there: nothing is
    /// made in it.
    pub(crate) fn read(&self) -> Result<Option<ReadGuard<R>>, AccessError> {
        if self.additional.is_some() && stat_ambient(&self.dir)?.is_none() {
            return Ok(None);
        }
        self.store.read().map(Some).map_err(read_error::<R>)
    }

    /// Tells whether records were ever saved: who saves them writes to the lock file first.
    pub(crate) fn was_saved(&self) -> Result<bool, PathError> {
        let lock = self.dir.join(format!("{}s.lock", R::ITEM));
        Ok(stat_ambient(&lock)?.is_some_and(|stat| stat.size > 0))
    }

    /// As [`read`](Self::read), with the place.
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

    /// The records as they are now. Each place is locked for a moment of its own.
    pub(crate) fn read_all(&self) -> Result<MergedRecords<R>, AccessError> {
        Ok(MergedRecords::new(
            read_each(&self.own)?,
            read_each(&self.additional)?,
        ))
    }

    /// The records that are written here, as they are now, if no process is writing any of them.
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

    /// The first place that is written, and whether it is the only place.
    pub(crate) fn first(&self) -> Option<(&RecordStore<R>, bool)> {
        let first = self.own.first()?;
        let is_only = self.own.len() == 1 && self.additional.is_empty();
        Some((first, is_only))
    }

    /// The places that are only read.
    pub(crate) fn additional(&self) -> impl Iterator<Item = &Arc<RecordStore<R>>> {
        self.additional.iter()
    }

    /// What the places that are only read have now.
    pub(crate) fn read_additional(&self) -> Result<Vec<StoreRecords<R>>, AccessError> {
        read_each(&self.additional)
    }

    /// Locks the places that are written for reading.
    pub(crate) fn read_own(&self) -> Result<Vec<ReadLocked<R>>, AccessError> {
        let locked = self.own.iter().map(RecordStore::lock_for_reading);
        locked.filter_map(Result::transpose).collect()
    }

    /// Locks the places that are written for writing. What the others have must have been read
    /// before: waiting for somebody else's lock with ours in hand could be waiting for each other.
    pub(crate) fn lock(&self, additional: Vec<StoreRecords<R>>) -> Result<Locked<R>, AccessError> {
        let mut held = Vec::with_capacity(self.own.len());
        for store in &self.own {
            let guard = store.store.write().map_err(read_error::<R>)?;
            held.push(WriteLocked {
                store: Arc::clone(store),
                guard,
            });
        }
        Ok(Locked::new(held, additional))
    }

    /// As [`lock`](Self::lock), if nobody has any of the locks.
    pub(crate) fn try_lock(
        &self,
        additional: Vec<StoreRecords<R>>,
    ) -> Result<Option<Locked<R>>, AccessError> {
        let mut held = Vec::with_capacity(self.own.len());
        for store in &self.own {
            let Some(guard) = store.store.try_write().map_err(read_error::<R>)? else {
                return Ok(None);
            };
            held.push(WriteLocked {
                store: Arc::clone(store),
                guard,
            });
        }
        Ok(Some(Locked::new(held, additional)))
    }
}

fn read_each<R: ItemRecord>(
    stores: &[Arc<RecordStore<R>>],
) -> Result<Vec<StoreRecords<R>>, AccessError> {
    let locked = stores.iter().map(RecordStore::lock_for_reading);
    let snapshots = locked.filter_map(Result::transpose);
    snapshots.map(|reading| Ok(reading?.release())).collect()
}
