use std::ops::Deref;
use std::sync::Arc;

use layerhold_truncindex::Resolution;
use memchr::memmem;

use crate::LocationId;
use crate::base::{Base, Entry};
use crate::damage::{Damaged, FileReport, NameConflict};
use crate::document::Document;
use crate::fields::Fields;
use crate::load::join;
use crate::overlay::{Overlay, Put};
use crate::record::{KeyUse, Record};

/// The records of a store at one moment. It never changes and holds no lock.
///
/// Finding a record does not parse any; only what is asked for as a record is
/// parsed, and can turn out to be damaged then.
#[derive(Clone, Debug)]
pub struct Snapshot<R: Record> {
    pub(crate) base: Arc<Base<R>>,
    pub(crate) overlay: Arc<Overlay<R>>,
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

/// Where a record is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Loaded(Entry),
    Put(usize),
}

impl<R: Record> Snapshot<R> {
    pub(crate) fn new(base: Base<R>, conflicts: Vec<NameConflict>) -> Self {
        Self {
            base: Arc::new(base),
            overlay: Arc::default(),
            conflicts: conflicts.into(),
        }
    }

    /// Takes the content of one record file for a whole store, without any file.
    /// Content that is no list of records is treated as damage, as it would be in a store.
    #[must_use]
    pub fn from_bytes(content: Vec<u8>) -> Self {
        let document = Document::new(content, &Fields::new(R::KEYS));
        let part = (LocationId::FIRST, Arc::default(), Arc::new(document));
        join(vec![part]).snapshot
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.base.len() + self.overlay.live().count())
            .saturating_sub(self.overlay.replaced_records)
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a record with exactly this identifier.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.find_id(id).is_some()
    }

    /// The record with exactly this identifier.
    ///
    /// # Errors
    ///
    /// The record is there but damaged.
    pub fn get(&self, id: &str) -> Result<Option<Stored<R>>, Damaged> {
        self.find_id(id).map(|place| self.stored(place)).transpose()
    }

    /// The identifier of the record that a text means: one with this identifier,
    /// this name, this value of a key declared [`resolved`](crate::KeySpec::resolved),
    /// or else the only one whose identifier begins with it.
    #[must_use]
    pub fn resolve(&self, text: &str) -> Resolution<&str> {
        self.resolve_place(text).map(|place| self.id(place))
    }

    /// The record that a text means, see [`resolve`](Self::resolve).
    ///
    /// # Errors
    ///
    /// The record is there but damaged.
    pub fn lookup(&self, text: &str) -> Result<Resolution<Stored<R>>, Damaged> {
        Ok(match self.resolve_place(text) {
            Resolution::One(place) => Resolution::One(self.stored(place)?),
            Resolution::None => Resolution::None,
            Resolution::Ambiguous => Resolution::Ambiguous,
        })
    }

    /// The identifier of the record that has a name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&str> {
        self.find_name(name).map(|place| self.id(place))
    }

    /// The identifiers of the records that have a value of a key, in the order
    /// of the store. Nothing has a value of a key that is not among [`Record::KEYS`].
    #[must_use]
    pub fn by_key(&self, key: &str, value: &str) -> Vec<&str> {
        let Some(key) = R::KEYS.iter().position(|spec| spec.name() == key) else {
            return Vec::new();
        };
        let places = self.find_key(key, value);
        places.into_iter().map(|place| self.id(place)).collect()
    }

    /// The identifier that begins with a prefix, if it is the only one.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Resolution<&str> {
        self.find_prefix(prefix).map(|place| self.id(place))
    }

    /// The identifiers of all records in the order of the store: locations in
    /// the order they were given, records in the order of the file.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.places().map(|place| self.id(place))
    }

    /// All records in the order of the store; damaged ones as errors. They are
    /// parsed on the way and not kept.
    pub fn iter(&self) -> impl Iterator<Item = Result<Stored<R>, Damaged>> {
        self.places().map(|place| match place {
            Place::Loaded(entry) => {
                let record = self.base.record_once(entry)?;
                Ok(self.with_location(record, place))
            }
            Place::Put(_) => self.stored(place),
        })
    }

    /// The location of a record.
    #[must_use]
    pub fn location_of(&self, id: &str) -> Option<LocationId> {
        self.find_id(id).map(|place| self.location(place))
    }

    /// The JSON object of a record, as it is (or will be) in the file.
    #[must_use]
    pub fn json(&self, id: &str) -> Option<&[u8]> {
        self.find_id(id).map(|place| self.raw(place))
    }

    /// The identifiers of the records in whose JSON text some bytes occur, in the
    /// order of the store. A fast way to leave out records that need not be parsed.
    #[must_use]
    pub fn mentioning(&self, bytes: &[u8]) -> Vec<&str> {
        let finder = memmem::Finder::new(bytes);
        let places = self.places();
        let mentioning = places.filter(|place| finder.find(self.raw(*place)).is_some());
        mentioning.map(|place| self.id(place)).collect()
    }

    /// What was found in each location when its file was last read. Changes since, saved or
    /// not, do not show in the numbers.
    #[must_use]
    pub fn files(&self) -> Vec<FileReport> {
        self.base.reports()
    }

    /// The damage that is known so far: everything that keeps a file from being
    /// a list of records with identifiers, and what came to light when records were parsed.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damaged> {
        let mut damage = self.base.damage();
        if self.overlay.size() > 0 {
            let is_there = |damaged: &Damaged| match self.base.entry_of(damaged) {
                Some(entry) => !self.overlay.is_replaced(entry),
                None => true,
            };
            damage.retain(is_there);
        }
        damage
    }

    /// Parses all records and returns all damage.
    #[must_use]
    pub fn verify(&self) -> Vec<Damaged> {
        for entry in self.base.entries() {
            // Damage is remembered by the base.
            let _parsed = self.base.record_once(entry);
        }
        self.damaged()
    }

    /// The bytes that were set aside.
    #[must_use]
    pub fn damaged_bytes(&self, damaged: &Damaged) -> &[u8] {
        self.base.damaged_bytes(damaged)
    }

    /// The identifier of a damaged record, as far as it can be told: the one under which it is
    /// found, or the one that its bytes begin with.
    #[must_use]
    pub fn damaged_id(&self, damaged: &Damaged) -> Option<String> {
        self.base.claimed_id(damaged)
    }

    /// The damage that has an identifier, see [`damaged_id`](Self::damaged_id). The record that is
    /// found by it is parsed for that. [`WriteGuard::remove`](crate::WriteGuard::remove) takes it
    /// away.
    #[must_use]
    pub fn damaged_with_id(&self, id: &str) -> Vec<Damaged> {
        if let Some(place) = self.find_id(id) {
            // Damage is remembered by the base.
            let _parsed = self.record(place);
        }
        let mut damage = self.damaged();
        damage.retain(|damaged| self.damaged_id(damaged).as_deref() == Some(id));
        damage
    }

    /// Names that were found in two records when the store was loaded. In a
    /// store that is written, the repair is saved at once.
    #[must_use]
    pub fn name_conflicts(&self) -> &[NameConflict] {
        &self.conflicts
    }

    pub(crate) fn find_id(&self, id: &str) -> Option<Place> {
        if let Some(place) = self.overlay.find_id(id) {
            return Some(Place::Put(place));
        }
        self.untouched(self.base.find_id(id)?)
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<Place> {
        if let Some(place) = self.overlay.find_name(name) {
            return Some(Place::Put(place));
        }
        self.untouched(self.base.find_name(name)?)
    }

    fn untouched(&self, entry: Entry) -> Option<Place> {
        (!self.overlay.is_replaced(entry)).then_some(Place::Loaded(entry))
    }

    fn find_key(&self, key: usize, value: &str) -> Vec<Place> {
        let loaded = self.base.find_key(key, value).into_iter();
        let mut places: Vec<Place> = loaded.filter_map(|entry| self.untouched(entry)).collect();
        for (place, put) in self
            .overlay
            .puts
            .iter()
            .enumerate()
            .filter(|(_, put)| put.live)
        {
            let mut has = false;
            put.record
                .key_values(key, &mut |found| has |= found == value);
            if has && !value.is_empty() {
                places.push(Place::Put(place));
            }
        }
        if self.overlay.size() > 0 {
            places.sort_by_key(|place| self.order(*place));
        }
        places
    }

    /// Sorts like the file: by location, then position, new records last.
    fn order(&self, place: Place) -> (LocationId, Entry, usize) {
        match place {
            Place::Loaded(entry) => (self.location(place), entry, 0),
            Place::Put(position) => {
                let entry = self
                    .put(place)
                    .and_then(|put| put.entry)
                    .unwrap_or(Entry::MAX);
                (self.location(place), entry, position)
            }
        }
    }

    fn find_prefix(&self, prefix: &str) -> Resolution<Place> {
        if prefix.is_empty() {
            return Resolution::None;
        }
        let mut found = Resolution::None;
        let mut consider = |place| {
            let id = self.id(place);
            // Go leaves identifiers with a space out (Go: pkg/truncindex/truncindex.go).
            if !id.starts_with(prefix) || id.contains(' ') {
                return;
            }
            found = match found {
                Resolution::One(known) if self.id(known) == prefix => Resolution::One(known),
                _ if id == prefix => Resolution::One(place),
                Resolution::None => Resolution::One(place),
                Resolution::One(_) | Resolution::Ambiguous => Resolution::Ambiguous,
            };
        };
        self.base.with_prefix(prefix, &mut |entry| {
            if let Some(place) = self.untouched(entry) {
                consider(place);
            }
        });
        for (place, put) in self.overlay.puts.iter().enumerate() {
            if put.live {
                consider(Place::Put(place));
            }
        }
        found
    }

    pub(crate) fn resolve_place(&self, text: &str) -> Resolution<Place> {
        if let Some(place) = self.find_id(text).or_else(|| self.find_name(text)) {
            return Resolution::One(place);
        }
        for (key, spec) in R::KEYS.iter().enumerate() {
            if spec.usage() == KeyUse::Resolved
                // Of several records Go's table keeps the last one.
                && let Some(place) = self.find_key(key, text).pop()
            {
                return Resolution::One(place);
            }
        }
        self.find_prefix(text)
    }

    /// All records in the order of the store.
    fn places(&self) -> impl Iterator<Item = Place> {
        self.base.parts().iter().flat_map(|part| {
            let loaded = part.entries().filter_map(|entry| self.current(entry));
            let added = self.overlay.added(part.location);
            loaded.chain(added.map(|(place, _)| Place::Put(place)))
        })
    }

    /// What stands where an element was loaded.
    fn current(&self, entry: Entry) -> Option<Place> {
        if self.overlay.size() > 0
            && let Some(replacement) = self.overlay.replaced.get(&entry)
        {
            return replacement.map(Place::Put);
        }
        (!self.base.is_hidden(entry)).then_some(Place::Loaded(entry))
    }

    pub(crate) fn put(&self, place: Place) -> Option<&Put<R>> {
        match place {
            Place::Loaded(_) => None,
            Place::Put(position) => self.overlay.puts.get(position),
        }
    }

    pub(crate) fn id(&self, place: Place) -> &str {
        match place {
            Place::Loaded(entry) => self.base.id(entry),
            Place::Put(_) => self
                .put(place)
                .map(|put| put.record.id())
                .unwrap_or_default(),
        }
    }

    pub(crate) fn location(&self, place: Place) -> LocationId {
        let location = match place {
            Place::Loaded(entry) => self.base.locate(entry).map(|(part, _)| part.location),
            Place::Put(_) => self.put(place).map(|put| put.location),
        };
        location.unwrap_or(LocationId::FIRST)
    }

    fn raw(&self, place: Place) -> &[u8] {
        match place {
            Place::Loaded(entry) => self.base.raw(entry),
            Place::Put(_) => self.put(place).map(|put| &*put.json).unwrap_or_default(),
        }
    }

    pub(crate) fn record(&self, place: Place) -> Result<Arc<R>, Damaged> {
        match place {
            Place::Loaded(entry) => self.base.record(entry),
            Place::Put(position) => match self.overlay.puts.get(position) {
                Some(put) => Ok(Arc::clone(&put.record)),
                // Places come from the same snapshot, so this is never reached;
                // an entry that does not exist reports itself as damaged.
                None => self.base.record(Entry::MAX),
            },
        }
    }

    pub(crate) fn stored(&self, place: Place) -> Result<Stored<R>, Damaged> {
        Ok(self.with_location(self.record(place)?, place))
    }

    fn with_location(&self, record: Arc<R>, place: Place) -> Stored<R> {
        Stored::new(record, self.location(place))
    }
}
