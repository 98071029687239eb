//! Finding records in an immutable state of a store.

use std::ops::Deref;
use std::sync::Arc;

use layerhold_sys::best_effort;
use layerhold_truncindex::Resolution;
use memchr::memmem;

use crate::LocationId;
use crate::damage::{Damaged, FileReport, NameConflict};
use crate::loaded::{Entry, LoadedRecords};
use crate::pending::{Pending, PendingRecord};
use crate::record::{KeyUse, Record};

/// The records of a store at one moment. It never changes and holds no lock.
///
/// Finding a record parses none. Only a record that is asked for is parsed, and can turn out to be
/// damaged then.
#[derive(Clone, Debug)]
pub struct Snapshot<R: Record> {
    pub(crate) loaded: Arc<LoadedRecords<R>>,
    pub(crate) pending: Arc<Pending<R>>,
    pub(crate) conflicts: Arc<[NameConflict]>,
}

/// A record and where it is kept. Dereferences to the record.
#[derive(Clone, Debug)]
pub struct Stored<R> {
    record: Arc<R>,
    location: LocationId,
}

impl<R> Stored<R> {
    pub(crate) fn new(record: Arc<R>, location: LocationId) -> Self {
        Self { record, location }
    }

    /// The location whose file the record is in.
    #[must_use]
    pub fn location(&self) -> LocationId {
        self.location
    }

    /// The record without its location.
    #[must_use]
    pub fn into_record(self) -> Arc<R> {
        self.record
    }
}

impl<R> Deref for Stored<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

/// Where a record is: among the loaded ones, or among the pending changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Loaded(Entry),
    Pending(usize),
}

impl<R: Record> Snapshot<R> {
    pub(crate) fn new(loaded: LoadedRecords<R>, conflicts: Vec<NameConflict>) -> Self {
        Self {
            loaded: Arc::new(loaded),
            pending: Arc::default(),
            conflicts: conflicts.into(),
        }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.loaded.len() + self.pending.live().count())
            .saturating_sub(self.pending.replaced_records)
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a record with exactly this ID.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.find_id(id).is_some()
    }

    /// The record with exactly this ID.
    ///
    /// # Errors
    ///
    /// The record is there but damaged.
    pub fn get(&self, id: &str) -> Result<Option<Stored<R>>, Damaged> {
        self.find_id(id).map(|slot| self.stored(slot)).transpose()
    }

    /// The ID of the record that a text means: one with this ID,
    /// this name, this value of a key declared [`resolved`](crate::KeySpec::resolved),
    /// or else the only one whose ID begins with it.
    #[must_use]
    pub fn resolve(&self, text: &str) -> Resolution<&str> {
        self.resolve_slot(text).map(|slot| self.id(slot))
    }

    /// The record that a text means, see [`resolve`](Self::resolve).
    ///
    /// # Errors
    ///
    /// The record is there but damaged.
    pub fn lookup(&self, text: &str) -> Result<Resolution<Stored<R>>, Damaged> {
        Ok(match self.resolve_slot(text) {
            Resolution::One(slot) => Resolution::One(self.stored(slot)?),
            Resolution::None => Resolution::None,
            Resolution::Ambiguous => Resolution::Ambiguous,
        })
    }

    /// The ID of the record that has a name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&str> {
        self.find_name(name).map(|slot| self.id(slot))
    }

    /// The IDs of the records that have a value of a key, in the order
    /// of the store. Nothing has a value of a key that is not among [`Record::KEYS`].
    #[must_use]
    pub fn by_key(&self, key: &str, value: &str) -> Vec<&str> {
        let Some(key) = R::KEYS.iter().position(|spec| spec.name() == key) else {
            return Vec::new();
        };
        let slots = self.find_key(key, value);
        slots.into_iter().map(|slot| self.id(slot)).collect()
    }

    /// The ID that begins with a prefix, if it is the only one.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Resolution<&str> {
        self.find_prefix(prefix).map(|slot| self.id(slot))
    }

    /// The IDs that begin with a prefix, in the order of the store; all of them for the empty one.
    pub fn ids_with_prefix<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = &'s str> {
        self.ids().filter(move |id| id.starts_with(prefix))
    }

    /// The IDs of all records in the order of the store: locations in
    /// the order they were given, records in the order of the file.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.slots().map(|slot| self.id(slot))
    }

    /// All records in the order of the store; damaged ones as errors. They are
    /// parsed on the way and not kept.
    pub fn iter(&self) -> impl Iterator<Item = Result<Stored<R>, Damaged>> {
        self.slots().map(|slot| match slot {
            Slot::Loaded(entry) => {
                let record = self.loaded.record_once(entry)?;
                Ok(self.with_location(record, slot))
            }
            Slot::Pending(_) => self.stored(slot),
        })
    }

    /// The location of a record.
    #[must_use]
    pub fn location_of(&self, id: &str) -> Option<LocationId> {
        self.find_id(id).map(|slot| self.location(slot))
    }

    /// The JSON object of a record, as it is (or will be) in the file.
    #[must_use]
    pub fn json(&self, id: &str) -> Option<&[u8]> {
        self.find_id(id).map(|slot| self.raw(slot))
    }

    /// The IDs of the records in whose JSON text some bytes occur, in the
    /// order of the store. A fast way to leave out records that need not be parsed. To ask about
    /// the same bytes again costs nothing until the files are loaded again.
    #[must_use]
    pub fn mentioning(&self, bytes: &[u8]) -> Vec<&str> {
        let loaded = self.loaded.mentioning(bytes);
        let loaded = loaded.iter().filter_map(|entry| self.untouched(*entry));
        let mut slots: Vec<Slot> = loaded.collect();
        if self.pending.size() > 0 {
            let finder = memmem::Finder::new(bytes);
            let pending = self.pending.records.iter().enumerate();
            let mentioning =
                pending.filter(|(_, put)| put.live && finder.find(&put.json).is_some());
            slots.extend(mentioning.map(|(position, _)| Slot::Pending(position)));
            slots.sort_by_key(|slot| self.order(*slot));
        }
        slots.into_iter().map(|slot| self.id(slot)).collect()
    }

    /// What was found in each location when its file was last read. Changes since, saved or
    /// not, do not show in the numbers.
    #[must_use]
    pub fn files(&self) -> Vec<FileReport> {
        self.loaded.reports()
    }

    /// The damage that is known so far: everything that keeps a file from being
    /// a list of records with IDs, and what came to light when records were parsed.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damaged> {
        let mut damage = self.loaded.damage();
        if self.pending.size() > 0 {
            let is_there = |damaged: &Damaged| match self.loaded.entry_of(damaged) {
                Some(entry) => !self.pending.is_replaced(entry),
                None => true,
            };
            damage.retain(is_there);
        }
        damage
    }

    /// Parses all records and returns all damage.
    #[must_use]
    pub fn verify(&self) -> Vec<Damaged> {
        for entry in self.loaded.entries() {
            // `damaged` returns what parsing finds.
            best_effort(self.loaded.record_once(entry));
        }
        self.damaged()
    }

    /// The bytes that were set aside.
    #[must_use]
    pub fn damaged_bytes(&self, damaged: &Damaged) -> &[u8] {
        self.loaded.damaged_bytes(damaged)
    }

    /// The damage that has an ID, see [`Damaged::id`]. The record that is found by it is
    /// parsed for that. [`WriteGuard::remove`](crate::WriteGuard::remove) removes it.
    #[must_use]
    pub fn damaged_with_id(&self, id: &str) -> Vec<Damaged> {
        if let Some(slot) = self.find_id(id) {
            // `damaged` returns what parsing finds.
            best_effort(self.record(slot));
        }
        let mut damage = self.damaged();
        damage.retain(|damaged| damaged.id.as_deref() == Some(id));
        damage
    }

    /// Names that were found in two records when the store was loaded. In a
    /// store that is written, the repair is saved at once.
    #[must_use]
    pub fn name_conflicts(&self) -> &[NameConflict] {
        &self.conflicts
    }

    pub(crate) fn find_id(&self, id: &str) -> Option<Slot> {
        if let Some(position) = self.pending.find_id(id) {
            return Some(Slot::Pending(position));
        }
        self.untouched(self.loaded.find_id(id)?)
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<Slot> {
        if let Some(position) = self.pending.find_name(name) {
            return Some(Slot::Pending(position));
        }
        self.untouched(self.loaded.find_name(name)?)
    }

    fn untouched(&self, entry: Entry) -> Option<Slot> {
        (!self.pending.is_replaced(entry)).then_some(Slot::Loaded(entry))
    }

    fn find_key(&self, key: usize, value: &str) -> Vec<Slot> {
        let loaded = self.loaded.find_key(key, value).into_iter();
        let mut slots: Vec<Slot> = loaded.filter_map(|entry| self.untouched(entry)).collect();
        for (position, pending) in self
            .pending
            .records
            .iter()
            .enumerate()
            .filter(|(_, pending)| pending.live)
        {
            let mut has = false;
            pending
                .record
                .key_values(key, &mut |found| has |= found == value);
            if has && !value.is_empty() {
                slots.push(Slot::Pending(position));
            }
        }
        if self.pending.size() > 0 {
            slots.sort_by_key(|slot| self.order(*slot));
        }
        slots
    }

    /// Sorts like the file: by location, then position, new records last.
    fn order(&self, slot: Slot) -> (LocationId, Entry, usize) {
        match slot {
            Slot::Loaded(entry) => (self.location(slot), entry, 0),
            Slot::Pending(position) => {
                let entry = self
                    .pending_record(slot)
                    .and_then(|pending| pending.entry)
                    .unwrap_or(Entry::MAX);
                (self.location(slot), entry, position)
            }
        }
    }

    fn find_prefix(&self, prefix: &str) -> Resolution<Slot> {
        if prefix.is_empty() {
            return Resolution::None;
        }
        let mut found = Resolution::None;
        let mut consider = |slot| {
            let id = self.id(slot);
            // Go leaves IDs with a space out (Go: pkg/truncindex/truncindex.go).
            if !id.starts_with(prefix) || id.contains(' ') {
                return;
            }
            found = match found {
                Resolution::One(known) if self.id(known) == prefix => Resolution::One(known),
                _ if id == prefix => Resolution::One(slot),
                Resolution::None => Resolution::One(slot),
                Resolution::One(_) | Resolution::Ambiguous => Resolution::Ambiguous,
            };
        };
        self.loaded.with_prefix(prefix, &mut |entry| {
            if let Some(slot) = self.untouched(entry) {
                consider(slot);
            }
        });
        for (position, pending) in self.pending.records.iter().enumerate() {
            if pending.live {
                consider(Slot::Pending(position));
            }
        }
        found
    }

    pub(crate) fn resolve_slot(&self, text: &str) -> Resolution<Slot> {
        if let Some(slot) = self.find_id(text).or_else(|| self.find_name(text)) {
            return Resolution::One(slot);
        }
        for (key, spec) in R::KEYS.iter().enumerate() {
            if spec.usage() == KeyUse::Resolved
                // Of several records Go's table keeps the last one.
                && let Some(slot) = self.find_key(key, text).pop()
            {
                return Resolution::One(slot);
            }
        }
        self.find_prefix(text)
    }

    /// All records in the order of the store.
    fn slots(&self) -> impl Iterator<Item = Slot> {
        self.loaded.files().iter().flat_map(|file| {
            let loaded = file.entries().filter_map(|entry| self.current(entry));
            let added = self.pending.added(file.location);
            loaded.chain(added.map(|(position, _)| Slot::Pending(position)))
        })
    }

    /// What is now in the place of a loaded element.
    fn current(&self, entry: Entry) -> Option<Slot> {
        if self.pending.size() > 0
            && let Some(replacement) = self.pending.replaced.get(&entry)
        {
            return replacement.map(Slot::Pending);
        }
        (!self.loaded.is_hidden(entry)).then_some(Slot::Loaded(entry))
    }

    pub(crate) fn pending_record(&self, slot: Slot) -> Option<&PendingRecord<R>> {
        match slot {
            Slot::Loaded(_) => None,
            Slot::Pending(position) => self.pending.records.get(position),
        }
    }

    pub(crate) fn id(&self, slot: Slot) -> &str {
        match slot {
            Slot::Loaded(entry) => self.loaded.id(entry),
            Slot::Pending(_) => self
                .pending_record(slot)
                .map(|pending| pending.record.id())
                .unwrap_or_default(),
        }
    }

    pub(crate) fn location(&self, slot: Slot) -> LocationId {
        let location = match slot {
            Slot::Loaded(entry) => self.loaded.locate(entry).map(|(file, _)| file.location),
            Slot::Pending(_) => self.pending_record(slot).map(|pending| pending.location),
        };
        location.unwrap_or(LocationId::FIRST)
    }

    fn raw(&self, slot: Slot) -> &[u8] {
        match slot {
            Slot::Loaded(entry) => self.loaded.raw(entry),
            Slot::Pending(_) => self
                .pending_record(slot)
                .map(|pending| &*pending.json)
                .unwrap_or_default(),
        }
    }

    pub(crate) fn record(&self, slot: Slot) -> Result<Arc<R>, Damaged> {
        match slot {
            Slot::Loaded(entry) => self.loaded.record(entry),
            Slot::Pending(position) => match self.pending.records.get(position) {
                Some(pending) => Ok(Arc::clone(&pending.record)),
                // Places come from the same snapshot, so this is never reached;
                // an entry that does not exist reports itself as damaged.
                None => self.loaded.record(Entry::MAX),
            },
        }
    }

    pub(crate) fn stored(&self, slot: Slot) -> Result<Stored<R>, Damaged> {
        Ok(self.with_location(self.record(slot)?, slot))
    }

    fn with_location(&self, record: Arc<R>, slot: Slot) -> Stored<R> {
        Stored::new(record, self.location(slot))
    }
}
