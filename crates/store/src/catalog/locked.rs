//! Records while they may be changed.

use std::sync::Arc;

use layerhold_json_store::{
    BigDataError, ChangeError, NameChange, Record, SaveError, Snapshot as RecordSnapshot,
    WriteGuard,
};
use layerhold_staging::StagedAddition;

use crate::catalog::record_stores::{Placement, RecordStore, Records, StoreRecords};

/// The records of one kind while nobody else reads or writes them. Those of additional stores are
/// as they were when the locks were taken, and cannot be changed.
///
/// A change goes to the place where the record is; a record that is nowhere is looked for in the
/// first place, which then says that it is not there.
#[derive(Debug)]
pub(crate) struct Locked<R: Record> {
    own: Vec<WriteLocked<R>>,
    additional: Vec<StoreRecords<R>>,
}

/// One place that is locked.
#[derive(Debug)]
pub(crate) struct WriteLocked<R: Record> {
    pub(crate) store: Arc<RecordStore<R>>,
    pub(crate) guard: WriteGuard<R>,
}

impl<R: Record> Records<R> for Locked<R> {
    fn own(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.own.iter().map(|held| (&held.store, &*held.guard))
    }

    fn additional(&self) -> impl Iterator<Item = (&Arc<RecordStore<R>>, &RecordSnapshot<R>)> {
        self.additional.iter().map(StoreRecords::pair)
    }
}

impl<R: Record> Locked<R> {
    pub(crate) fn new(own: Vec<WriteLocked<R>>, additional: Vec<StoreRecords<R>>) -> Self {
        Self { own, additional }
    }

    /// The places, each with its lock.
    pub(crate) fn guards(&self) -> impl Iterator<Item = &WriteGuard<R>> {
        self.own.iter().map(|held| &held.guard)
    }

    /// The places, each with its lock, for changing what is in them.
    pub(crate) fn guards_mut(&mut self) -> impl Iterator<Item = &mut WriteGuard<R>> {
        self.own.iter_mut().map(|held| &mut held.guard)
    }

    /// Adds a record.
    pub(crate) fn insert(&mut self, record: R, placement: Placement) -> Result<(), ChangeError> {
        self.at(placement.store, record.id())?
            .insert(record, placement.location)
    }

    /// Changes a record. Names that it has afterwards are taken from whoever had them.
    pub(crate) fn update(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut R),
    ) -> Result<Arc<R>, ChangeError> {
        let position = self.position(id);
        let record = self.at(position, id)?.update(id, change)?;
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
        let record = self.at(position, id)?.change_names(id, change, names)?;
        self.take_names(position, &record)?;
        Ok(record)
    }

    /// Removes a record, also a damaged one.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), ChangeError> {
        let position = self.position(id);
        self.at(position, id)?.remove(id)
    }

    /// Writes a data item and lets the record take note of it.
    pub(crate) fn set_big_data(
        &mut self,
        id: &str,
        key: &str,
        data: &[u8],
        note: impl FnOnce(&mut R),
    ) -> Result<(), BigDataError> {
        let guard = self.at_with_data(id, key)?;
        guard.set_big_data(id, key, data, note)
    }

    /// Moves a file that was written before the lock was taken into place as a data item, and lets
    /// the record take note of it.
    pub(crate) fn put_big_data(
        &mut self,
        id: &str,
        key: &str,
        data: &StagedAddition,
        note: impl FnOnce(&mut R),
    ) -> Result<(), BigDataError> {
        let guard = self.at_with_data(id, key)?;
        let place = (data.area(), data.name());
        guard.put_big_data(id, key, place, |record, _size| note(record))
    }

    fn at_with_data(&mut self, id: &str, key: &str) -> Result<&mut WriteGuard<R>, BigDataError> {
        let position = self.position(id);
        self.at(position, id)
            .map_err(|source| BigDataError::Record {
                key: key.to_owned(),
                source,
            })
    }

    /// Saves what changed.
    pub(crate) fn save(&mut self) -> Result<(), SaveError> {
        self.guards_mut().try_for_each(WriteGuard::save)
    }

    /// Tells whether there is a record that could be removed, if only one that is so damaged that
    /// it is none.
    pub(crate) fn can_remove(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    fn position(&self, id: &str) -> usize {
        self.find(id).unwrap_or(0)
    }

    fn find(&self, id: &str) -> Option<usize> {
        let own = || self.own.iter();
        own()
            .position(|held| held.guard.contains(id))
            .or_else(|| own().position(|held| !held.guard.damaged_with_id(id).is_empty()))
    }

    fn at(&mut self, position: usize, id: &str) -> Result<&mut WriteGuard<R>, ChangeError> {
        let held = self.own.get_mut(position).map(|held| &mut held.guard);
        held.ok_or_else(|| ChangeError::NotFound {
            record_kind: R::KIND,
            id: id.to_owned(),
        })
    }

    /// Takes the names of a record from records in other places. In its own place that has been
    /// done.
    fn take_names(&mut self, position: usize, record: &R) -> Result<(), ChangeError> {
        for (other, held) in self.own.iter_mut().enumerate() {
            if other == position {
                continue;
            }
            for name in record.names() {
                let Some(loser) = held.guard.by_name(name).map(str::to_owned) else {
                    continue;
                };
                let kept = |names: &[String]| {
                    let kept = names.iter().filter(|name| !record.names().contains(name));
                    kept.cloned().collect()
                };
                held.guard.update(&loser, |loser| {
                    let names = kept(loser.names());
                    loser.set_names(names);
                })?;
            }
        }
        Ok(())
    }
}
