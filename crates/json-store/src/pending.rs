//! Pending changes: what differs from the loaded records until they are loaded again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::LocationId;
use crate::loaded::Entry;
use crate::record::Record;

/// A record that was added or changed.
#[derive(Clone)]
pub(crate) struct PendingRecord<R> {
    pub(crate) record: Arc<R>,
    /// What it is in the file.
    pub(crate) json: Arc<[u8]>,
    pub(crate) location: LocationId,
    /// The loaded entry whose place it takes; new records come last.
    pub(crate) entry: Option<Entry>,
    /// Whether it was not removed again.
    pub(crate) live: bool,
}

impl<R: fmt::Debug> fmt::Debug for PendingRecord<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingRecord")
            .field("record", &self.record)
            .field("location", &self.location)
            .field("entry", &self.entry)
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

/// What differs from the loaded records.
#[derive(Clone, Debug)]
pub(crate) struct Pending<R> {
    pub(crate) records: Vec<PendingRecord<R>>,
    /// For loaded entries that are gone or changed, the place in `records` of what replaced them.
    pub(crate) replaced: BTreeMap<Entry, Option<usize>>,
    /// How many of the replaced entries were served.
    pub(crate) replaced_records: usize,
    ids: HashMap<String, usize>,
    names: HashMap<String, usize>,
}

impl<R> Default for Pending<R> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            replaced: BTreeMap::new(),
            replaced_records: 0,
            ids: HashMap::new(),
            names: HashMap::new(),
        }
    }
}

impl<R: Record> Pending<R> {
    pub(crate) fn is_replaced(&self, entry: Entry) -> bool {
        !self.replaced.is_empty() && self.replaced.contains_key(&entry)
    }

    /// The number of changes.
    pub(crate) fn size(&self) -> usize {
        self.records.len() + self.replaced.len()
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &PendingRecord<R>> {
        self.records.iter().filter(|put| put.live)
    }

    /// New records of a location, in the order they were added.
    pub(crate) fn added(
        &self,
        location: LocationId,
    ) -> impl Iterator<Item = (usize, &PendingRecord<R>)> {
        let records = self.records.iter().enumerate();
        records.filter(move |(_, put)| put.live && put.entry.is_none() && put.location == location)
    }

    pub(crate) fn find_id(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Adds a record, or replaces a loaded one.
    pub(crate) fn put(&mut self, record: R, location: LocationId, entry: Option<Entry>) -> Arc<R> {
        let position = self.records.len();
        self.ids.insert(record.id().to_owned(), position);
        self.hold_names(&record, position);
        let json = json(&record);
        let record = Arc::new(record);
        self.records.push(PendingRecord {
            json,
            record: Arc::clone(&record),
            location,
            entry,
            live: true,
        });
        if let Some(entry) = entry {
            self.replaced.insert(entry, Some(position));
            self.replaced_records += 1;
        }
        record
    }

    /// Changes a record that is pending.
    pub(crate) fn change(&mut self, position: usize, record: R) -> Arc<R> {
        self.release_names(position);
        self.hold_names(&record, position);
        let json = json(&record);
        let record = Arc::new(record);
        if let Some(put) = self.records.get_mut(position) {
            put.json = json;
            put.record = Arc::clone(&record);
        }
        record
    }

    /// Removes a record that is pending.
    pub(crate) fn remove(&mut self, position: usize) {
        self.release_names(position);
        let Some(put) = self.records.get_mut(position) else {
            return;
        };
        put.live = false;
        if let Some(entry) = put.entry {
            self.replaced.insert(entry, None);
        }
        let id = put.record.id();
        self.ids.remove(id);
    }

    /// Removes a loaded record that was not changed before.
    pub(crate) fn remove_entry(&mut self, entry: Entry) {
        self.replaced.insert(entry, None);
        self.replaced_records += 1;
    }

    /// Removes a loaded element that is not served.
    pub(crate) fn remove_hidden(&mut self, entry: Entry) {
        self.replaced.insert(entry, None);
    }

    fn hold_names(&mut self, record: &R, position: usize) {
        for name in record.names() {
            self.names.insert(name.clone(), position);
        }
    }

    fn release_names(&mut self, position: usize) {
        let Some(put) = self.records.get(position) else {
            return;
        };
        for name in put.record.names() {
            if self.names.get(name) == Some(&position) {
                self.names.remove(name);
            }
        }
    }
}

fn json<R: Record>(record: &R) -> Arc<[u8]> {
    let mut json = Vec::new();
    record.write(&mut json);
    json.into()
}
