//! Records under their write locks.

use std::collections::HashSet;
use std::sync::Arc;

use layerhold_json_store::{
    BigDataError, ChangeError, NameChange, Record, SaveError, Snapshot as RecordSnapshot,
    WriteGuard,
};
use layerhold_staging::StagedAddition;

use crate::catalog::record_stores::{Placement, RecordStore, Records, StoreRecords};

/// The records of one kind under their write locks. Those of additional stores are as they were
/// when the locks were taken, and cannot be changed.
///
/// A change goes to the record store that has the record. For a record that none has, the first
/// store reports that it is not found.
#[derive(Debug)]
pub(crate) struct Locked<R: Record> {
    own: Vec<WriteLocked<R>>,
    additional: Vec<StoreRecords<R>>,
}

/// One record store with its write lock.
#[derive(Debug)]
pub(crate) struct WriteLocked<R: Record> {
    pub(crate) store: Arc<RecordStore<R>>,
    pub(crate) guard: WriteGuard<R>,
}

impl<R: Record> Records<R> for Locked<R> {
    fn own(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.own.iter().map(|store| (&store.store, &*store.guard))
    }

    fn additional(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.additional.iter().map(StoreRecords::pair)
    }
}

impl<R: Record> Locked<R> {
    pub(crate) fn new(own: Vec<WriteLocked<R>>, additional: Vec<StoreRecords<R>>) -> Self {
        Self { own, additional }
    }

    /// Goes through the write locks, one for each record store.
    pub(crate) fn guards(&self) -> impl Iterator<Item = &WriteGuard<R>> {
        self.own.iter().map(|store| &store.guard)
    }

    /// Goes through the write locks, for changing records of one store.
    pub(crate) fn guards_mut(&mut self) -> impl Iterator<Item = &mut WriteGuard<R>> {
        self.own.iter_mut().map(|store| &mut store.guard)
    }

    /// Adds a record.
    pub(crate) fn insert(&mut self, record: R, placement: Placement) -> Result<(), ChangeError> {
        self.guard_at(placement.store, record.id())?
            .insert(record, placement.location)
    }

    /// Changes a record. Names that it gains are taken from the records that had them.
    pub(crate) fn update(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut R),
    ) -> Result<Arc<R>, ChangeError> {
        let position = self.position(id);
        let record = self.guard_at(position, id)?.update(id, change)?;
        self.take_names(position, &record)?;
        Ok(record)
    }

    /// Replaces, adds or removes names.
    pub(crate) fn change_names(
        &mut self,
        id: &str,
        change: NameChange,
        names: &[String],
    ) -> Result<Arc<R>, ChangeError> {
        let position = self.position(id);
        let record = self
            .guard_at(position, id)?
            .change_names(id, change, names)?;
        self.take_names(position, &record)?;
        Ok(record)
    }

    /// Removes a record, also a damaged one.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), ChangeError> {
        let position = self.position(id);
        self.guard_at(position, id)?.remove(id)
    }

    /// Writes a big data item and notes it in the record.
    pub(crate) fn set_big_data(
        &mut self,
        id: &str,
        key: &str,
        data: &[u8],
        note: impl FnOnce(&mut R),
    ) -> Result<(), BigDataError> {
        let guard = self.guard_for_big_data(id, key)?;
        guard.set_big_data(id, key, data, note)
    }

    /// Moves a staged file into place as a big data item and notes it in the record.
    pub(crate) fn put_big_data(
        &mut self,
        id: &str,
        key: &str,
        data: &StagedAddition,
        note: impl FnOnce(&mut R),
    ) -> Result<(), BigDataError> {
        let guard = self.guard_for_big_data(id, key)?;
        let place = (data.area(), data.name());
        guard.put_big_data(id, key, place, |record, _size| note(record))
    }

    fn guard_for_big_data(
        &mut self,
        id: &str,
        key: &str,
    ) -> Result<&mut WriteGuard<R>, BigDataError> {
        let position = self.position(id);
        self.guard_at(position, id)
            .map_err(|source| BigDataError::Record {
                key: key.to_owned(),
                source,
            })
    }

    /// Saves the records that changed.
    pub(crate) fn save(&mut self) -> Result<(), SaveError> {
        self.guards_mut().try_for_each(WriteGuard::save)
    }

    /// Tells whether there is a record to remove, usable or damaged.
    pub(crate) fn can_remove(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    fn position(&self, id: &str) -> usize {
        self.find(id).unwrap_or(0)
    }

    fn find(&self, id: &str) -> Option<usize> {
        let own = || self.own.iter();
        own()
            .position(|store| store.guard.contains(id))
            .or_else(|| own().position(|store| !store.guard.damaged_with_id(id).is_empty()))
    }

    fn guard_at(&mut self, position: usize, id: &str) -> Result<&mut WriteGuard<R>, ChangeError> {
        let guard = self.own.get_mut(position).map(|store| &mut store.guard);
        guard.ok_or_else(|| ChangeError::NotFound {
            record_kind: R::KIND,
            id: id.to_owned(),
        })
    }

    /// Takes the names of a record from the records of other stores. Its own store has already done
    /// so for its records.
    fn take_names(&mut self, position: usize, record: &R) -> Result<(), ChangeError> {
        if self.own.len() < 2 || record.names().is_empty() {
            return Ok(());
        }
        let taken: HashSet<&String> = record.names().iter().collect();
        for (other, store) in self.own.iter_mut().enumerate() {
            if other == position {
                continue;
            }
            for name in record.names() {
                let Some(holder) = store.guard.by_name(name).map(str::to_owned) else {
                    continue;
                };
                store.guard.update(&holder, |holder| {
                    let kept = holder.names().iter().filter(|name| !taken.contains(name));
                    let kept = kept.cloned().collect();
                    holder.set_names(kept);
                })?;
            }
        }
        Ok(())
    }
}
