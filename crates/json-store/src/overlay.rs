//! Changes on top of loaded records.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::LocationId;
use crate::base::Entry;
use crate::record::Record;

/// A record that was added or changed.
#[derive(Clone, Debug)]
pub(crate) struct Put<R> {
    pub(crate) record: Arc<R>,
    /// What it is in the file.
    pub(crate) json: Arc<[u8]>,
    pub(crate) location: LocationId,
    /// The loaded entry whose place it takes; new records come last.
    pub(crate) entry: Option<Entry>,
    /// Whether it was not removed again.
    pub(crate) live: bool,
}

/// What differs from the loaded records.
#[derive(Clone, Debug)]
pub(crate) struct Overlay<R> {
    pub(crate) puts: Vec<Put<R>>,
    /// For loaded entries that are gone or changed, the place in `puts` of what replaced them.
    pub(crate) replaced: BTreeMap<Entry, Option<usize>>,
    /// How many of the replaced entries were served.
    pub(crate) replaced_records: usize,
    ids: HashMap<String, usize>,
    names: HashMap<String, usize>,
}

impl<R> Default for Overlay<R> {
    fn default() -> Self {
        Self {
            puts: Vec::new(),
            replaced: BTreeMap::new(),
            replaced_records: 0,
            ids: HashMap::new(),
            names: HashMap::new(),
        }
    }
}

impl<R: Record> Overlay<R> {
    pub(crate) fn is_replaced(&self, entry: Entry) -> bool {
        !self.replaced.is_empty() && self.replaced.contains_key(&entry)
    }

    /// How much there is to go through.
    pub(crate) fn size(&self) -> usize {
        self.puts.len() + self.replaced.len()
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Put<R>> {
        self.puts.iter().filter(|put| put.live)
    }

    /// New records of a location, in the order they were added.
    pub(crate) fn added(&self, location: LocationId) -> impl Iterator<Item = (usize, &Put<R>)> {
        let puts = self.puts.iter().enumerate();
        puts.filter(move |(_, put)| put.live && put.entry.is_none() && put.location == location)
    }

    pub(crate) fn find_id(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Adds a record, or replaces a loaded one.
    pub(crate) fn put(&mut self, record: R, location: LocationId, entry: Option<Entry>) -> Arc<R> {
        let place = self.puts.len();
        self.ids.insert(record.id().to_owned(), place);
        self.hold_names(&record, place);
        let json = json(&record);
        let record = Arc::new(record);
        self.puts.push(Put {
            json,
            record: Arc::clone(&record),
            location,
            entry,
            live: true,
        });
        if let Some(entry) = entry {
            self.replaced.insert(entry, Some(place));
            self.replaced_records += 1;
        }
        record
    }

    /// Changes a record that is in the overlay.
    pub(crate) fn change(&mut self, place: usize, record: R) -> Arc<R> {
        self.release_names(place);
        self.hold_names(&record, place);
        let json = json(&record);
        let record = Arc::new(record);
        if let Some(put) = self.puts.get_mut(place) {
            put.json = json;
            put.record = Arc::clone(&record);
        }
        record
    }

    /// Removes a record that is in the overlay.
    pub(crate) fn remove(&mut self, place: usize) {
        self.release_names(place);
        let Some(put) = self.puts.get_mut(place) else {
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

    fn hold_names(&mut self, record: &R, place: usize) {
        for name in record.names() {
            self.names.insert(name.clone(), place);
        }
    }

    fn release_names(&mut self, place: usize) {
        self.names.retain(|_, holder| *holder != place);
    }
}

fn json<R: Record>(record: &R) -> Arc<[u8]> {
    let mut json = Vec::new();
    record.write(&mut json);
    json.into()
}
