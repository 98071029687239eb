//! The records of all files of a store as they were loaded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use memchr::memmem;

use crate::LocationId;
use crate::damage::{DamageKind, Damaged, FileReport, FileState, NameConflict};
use crate::document::{Document, Fault, Item, Span, hash};
use crate::record::{KeySource, Record};
use crate::table::Table;

/// A record by its position among all elements of all files.
pub(crate) type Entry = u32;

/// The content of one location.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) location: LocationId,
    pub(crate) path: Arc<PathBuf>,
    pub(crate) document: Arc<Document>,
    /// The entry its first element is.
    pub(crate) first: Entry,
}

impl Part {
    fn end(&self) -> Entry {
        self.first
            .saturating_add(u32::try_from(self.document.items().len()).unwrap_or(u32::MAX))
    }

    /// Its elements as entries.
    pub(crate) fn entries(&self) -> std::ops::Range<Entry> {
        self.first..self.end()
    }
}

/// Parsed records are kept up to this number, so that memory stays bounded.
const CACHED: usize = 1024;

/// So many lookups by one key (or prefix) go through all records before an index is made.
const LOOKUPS_WITHOUT_INDEX: u32 = 4;

#[derive(Debug)]
pub(crate) struct Base<R: Record> {
    parts: Vec<Part>,
    total: u32,
    /// Elements that are not served: damaged, or second ones with an identifier.
    hidden: HashSet<Entry>,
    damage: Vec<Damaged>,
    ids: Table,
    names: Names,
    keys: Vec<LazyIndex>,
    sorted: Lazy<Vec<Entry>>,
    parsed: Mutex<HashMap<Entry, Arc<R>>>,
    /// Damage that came to light when a record was parsed.
    found: Mutex<BTreeMap<Entry, Damaged>>,
}

/// Names by their text; positions are those of `list`.
#[derive(Debug, Default)]
struct Names {
    list: Vec<(Entry, Span)>,
    table: Table,
}

/// An index that is made when it pays.
#[derive(Debug)]
struct Lazy<T> {
    lookups: AtomicU32,
    made: OnceLock<T>,
}

type LazyIndex = Lazy<KeyIndex>;

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self {
            lookups: AtomicU32::new(0),
            made: OnceLock::new(),
        }
    }
}

impl<T> Lazy<T> {
    /// The index, unless going through all records is still cheaper.
    fn get(&self, make: impl FnOnce() -> T) -> Option<&T> {
        if let Some(made) = self.made.get() {
            return Some(made);
        }
        let lookups = self.lookups.fetch_add(1, Ordering::Relaxed);
        (lookups >= LOOKUPS_WITHOUT_INDEX).then(|| self.made.get_or_init(make))
    }
}

/// The records with each value of a key.
#[derive(Debug, Default)]
struct KeyIndex(HashMap<Box<str>, Vec<Entry>>);

impl<R: Record> Base<R> {
    /// Joins the files of a store. The conflicts are about names that an
    /// earlier record still has but a later one holds.
    pub(crate) fn new(
        documents: Vec<(LocationId, Arc<PathBuf>, Arc<Document>)>,
    ) -> (Self, Vec<(Entry, NameConflict)>) {
        let mut base = Self {
            parts: Vec::with_capacity(documents.len()),
            total: 0,
            hidden: HashSet::new(),
            damage: Vec::new(),
            ids: Table::default(),
            names: Names::default(),
            keys: R::KEYS.iter().map(|_| Lazy::default()).collect(),
            sorted: Lazy::default(),
            parsed: Mutex::default(),
            found: Mutex::default(),
        };
        for (location, path, document) in documents {
            let part = Part {
                location,
                path,
                document,
                first: base.total,
            };
            base.total = part.end();
            base.parts.push(part);
        }
        base.index_ids();
        let conflicts = base.index_names();
        (base, conflicts)
    }

    fn index_ids(&mut self) {
        let mut ids = Table::with_capacity(self.total as usize);
        for part in self.parts.clone() {
            for (entry, item) in part.entries().zip(part.document.items()) {
                if let Some(fault) = item.fault {
                    self.hide(entry, fault.into());
                    continue;
                }
                let id = part.document.span(item.id);
                let same = |other| {
                    self.locate(other).is_some_and(|(part, known)| {
                        known.hash == item.hash && part.document.span(known.id) == id
                    })
                };
                if ids.find_or_insert(item.hash, entry, same).is_some() {
                    let id = part.document.text(item.id).to_owned();
                    self.hide(entry, DamageKind::DuplicateId { id });
                }
            }
            if matches!(part.document.state(), FileState::Torn { len, .. } if len > 0) {
                self.damage.push(tail_damage::<R>(&part));
            }
        }
        self.ids = ids;
    }

    fn hide(&mut self, entry: Entry, kind: DamageKind) {
        self.hidden.insert(entry);
        self.damage.extend(self.damaged(entry, kind));
    }

    fn index_names(&mut self) -> Vec<(Entry, NameConflict)> {
        let count = self
            .parts
            .iter()
            .map(|part| part.document.parts.names.len())
            .sum();
        let mut names = Names {
            list: Vec::with_capacity(count),
            table: Table::with_capacity(count),
        };
        let mut conflicts = Vec::new();
        for part in &self.parts {
            for name in &part.document.parts.names {
                let entry = part.first.saturating_add(name.item);
                if self.hidden.contains(&entry) {
                    continue;
                }
                let position = u32::try_from(names.list.len()).unwrap_or(u32::MAX);
                let text = part.document.span(name.span);
                names.list.push((entry, name.span));
                let list = &names.list;
                let same = |other: u32| {
                    let other = list.get(other as usize);
                    other.is_some_and(|(entry, span)| self.span_bytes(*entry, *span) == text)
                };
                let before = names.table.replace(hash(text), position, same);
                let holder = before.and_then(|before| names.list.get(before as usize));
                if let Some((loser, _)) = holder.filter(|(loser, _)| *loser != entry) {
                    let conflict = NameConflict {
                        name: part.document.text(name.span).to_owned(),
                        lost_by: self.id(*loser).to_owned(),
                        kept_by: self.id(entry).to_owned(),
                    };
                    conflicts.push((*loser, conflict));
                }
            }
        }
        self.names = names;
        conflicts
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Number of records that are served.
    pub(crate) fn len(&self) -> usize {
        (self.total as usize).saturating_sub(self.hidden.len())
    }

    pub(crate) fn is_hidden(&self, entry: Entry) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&entry)
    }

    /// The file an entry is in, and its element there.
    pub(crate) fn locate(&self, entry: Entry) -> Option<(&Part, &Item)> {
        let part = self.parts.iter().rev().find(|part| part.first <= entry)?;
        let item = part.document.item(entry.checked_sub(part.first)?)?;
        Some((part, item))
    }

    fn span_bytes(&self, entry: Entry, span: Span) -> &[u8] {
        match self.locate(entry) {
            Some((part, _)) => part.document.span(span),
            None => &[],
        }
    }

    fn id_bytes(&self, entry: Entry) -> &[u8] {
        match self.locate(entry) {
            Some((part, item)) => part.document.span(item.id),
            None => &[],
        }
    }

    pub(crate) fn id(&self, entry: Entry) -> &str {
        match self.locate(entry) {
            Some((part, item)) => part.document.text(item.id),
            None => "",
        }
    }

    pub(crate) fn raw(&self, entry: Entry) -> &[u8] {
        match self.locate(entry) {
            Some((part, item)) => part.document.raw(item),
            None => &[],
        }
    }

    /// The record with an identifier.
    pub(crate) fn find_id(&self, id: &str) -> Option<Entry> {
        let id = id.as_bytes();
        self.ids.find(hash(id), |entry| self.id_bytes(entry) == id)
    }

    /// The record that holds a name.
    pub(crate) fn find_name(&self, name: &str) -> Option<Entry> {
        let same = |position: u32| {
            let known = self.names.list.get(position as usize);
            known.is_some_and(|(entry, span)| self.span_bytes(*entry, *span) == name.as_bytes())
        };
        let position = self.names.table.find(hash(name.as_bytes()), same)?;
        self.names
            .list
            .get(position as usize)
            .map(|(entry, _)| *entry)
    }

    /// All entries that are served, in the order of the files.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.total).filter(|entry| !self.is_hidden(*entry))
    }

    /// The records whose identifier begins with a prefix.
    pub(crate) fn with_prefix(&self, prefix: &str, found: &mut dyn FnMut(Entry)) {
        let begins = |entry: &Entry| self.id_bytes(*entry).starts_with(prefix.as_bytes());
        let sorted = self.sorted.get(|| {
            let mut entries: Vec<Entry> = self.entries().collect();
            entries.sort_by(|one, other| self.id_bytes(*one).cmp(self.id_bytes(*other)));
            entries
        });
        let Some(sorted) = sorted else {
            self.entries().filter(begins).for_each(found);
            return;
        };
        let first = sorted.partition_point(|entry| self.id_bytes(*entry) < prefix.as_bytes());
        let rest = sorted.get(first..).unwrap_or_default().iter();
        rest.take_while(|entry| begins(entry))
            .for_each(|entry| found(*entry));
    }

    /// The records with a value of a key, in the order of the files.
    pub(crate) fn find_key(&self, key: usize, value: &str) -> Vec<Entry> {
        let (Some(lazy), Some(spec)) = (self.keys.get(key), R::KEYS.get(key)) else {
            return Vec::new();
        };
        let index = match spec.source() {
            KeySource::Field => lazy.get(|| self.field_index(key)),
            KeySource::Mentioned => lazy.get(|| self.computed_index(key)),
            // Parsing everything for every lookup would never pay.
            KeySource::Computed => Some(lazy.made.get_or_init(|| self.computed_index(key))),
        };
        if let Some(index) = index {
            return index.0.get(value).cloned().unwrap_or_default();
        }
        if spec.source() == KeySource::Mentioned {
            return self.find_mentioned(key, value);
        }
        let column = field_column::<R>(key);
        let mut found = Vec::new();
        self.for_each_field(column, &mut |entry, text| {
            if text == value.as_bytes() {
                found.push(entry);
            }
        });
        found
    }

    fn find_mentioned(&self, key: usize, value: &str) -> Vec<Entry> {
        if value.is_empty() {
            return Vec::new();
        }
        let finder = memmem::Finder::new(value);
        let has = |entry: &Entry| {
            let mut has = false;
            if finder.find(self.raw(*entry)).is_some()
                && let Ok(record) = self.record(*entry)
            {
                record.key_values(key, &mut |found| has |= found == value);
            }
            has
        };
        self.entries().filter(has).collect()
    }

    fn field_index(&self, key: usize) -> KeyIndex {
        let mut index = KeyIndex::default();
        self.for_each_field(field_column::<R>(key), &mut |entry, text| {
            index.add(std::str::from_utf8(text).unwrap_or_default(), entry);
        });
        index
    }

    fn for_each_field(&self, column: usize, found: &mut dyn FnMut(Entry, &[u8])) {
        for part in &self.parts {
            for entry in part.entries() {
                let text = part
                    .document
                    .span(part.document.key(entry - part.first, column));
                if !text.is_empty() && !self.is_hidden(entry) {
                    found(entry, text);
                }
            }
        }
    }

    fn computed_index(&self, key: usize) -> KeyIndex {
        let mut index = KeyIndex::default();
        for entry in self.entries() {
            if let Ok(record) = self.parse(entry) {
                record.key_values(key, &mut |value| index.add(value, entry));
            }
        }
        index
    }

    /// A parsed record, which is then kept for the next time.
    pub(crate) fn record(&self, entry: Entry) -> Result<Arc<R>, Damaged> {
        if let Some(record) = lock(&self.parsed).get(&entry) {
            return Ok(Arc::clone(record));
        }
        let record = Arc::new(self.parse(entry)?);
        let mut parsed = lock(&self.parsed);
        if parsed.len() >= CACHED {
            parsed.clear();
        }
        parsed.insert(entry, Arc::clone(&record));
        Ok(record)
    }

    /// A parsed record that is not kept, for going through all of them.
    pub(crate) fn record_once(&self, entry: Entry) -> Result<Arc<R>, Damaged> {
        if let Some(record) = lock(&self.parsed).get(&entry) {
            return Ok(Arc::clone(record));
        }
        self.parse(entry).map(Arc::new)
    }

    fn parse(&self, entry: Entry) -> Result<R, Damaged> {
        let kind = match R::parse(self.raw(entry)) {
            Ok(record) if record.id() == self.id(entry) => return Ok(record),
            Ok(_) => DamageKind::AmbiguousId,
            Err(error) => DamageKind::Invalid(Arc::new(error)),
        };
        let damaged = self.damaged(entry, kind).unwrap_or_else(|| self.nowhere());
        lock(&self.found).insert(entry, damaged.clone());
        Err(damaged)
    }

    fn damaged(&self, entry: Entry, kind: DamageKind) -> Option<Damaged> {
        let (part, item) = self.locate(entry)?;
        Some(Damaged {
            record_kind: R::KIND,
            location: part.location,
            path: part.path.as_ref().clone(),
            index: (entry - part.first) as usize,
            offset: u64::from(item.start),
            len: u64::from(item.end.saturating_sub(item.start)),
            kind,
        })
    }

    /// Damage of an entry that does not exist, which nobody asks for.
    fn nowhere(&self) -> Damaged {
        Damaged {
            record_kind: R::KIND,
            location: LocationId::FIRST,
            path: self
                .parts
                .first()
                .map(|part| part.path.as_ref().clone())
                .unwrap_or_default(),
            index: 0,
            offset: 0,
            len: 0,
            kind: DamageKind::Syntax,
        }
    }

    /// All damage that is known by now, by files and positions.
    pub(crate) fn damage(&self) -> Vec<Damaged> {
        let mut all = self.damage.clone();
        all.extend(lock(&self.found).values().cloned());
        all.sort_by_key(|damaged| (damaged.location, damaged.offset));
        all
    }

    /// The elements that are left out because an earlier one has this identifier.
    pub(crate) fn duplicates_of(&self, id: &str) -> Vec<Damaged> {
        let same = |damaged: &&Damaged| matches!(&damaged.kind, DamageKind::DuplicateId { id: other } if other == id);
        self.damage.iter().filter(same).cloned().collect()
    }

    /// The entry that damage is about; `None` for the end of a file.
    pub(crate) fn entry_of(&self, damaged: &Damaged) -> Option<Entry> {
        let part = self
            .parts
            .iter()
            .find(|part| part.location == damaged.location)?;
        let entry = part.first.checked_add(u32::try_from(damaged.index).ok()?)?;
        let (_, item) = self
            .locate(entry)
            .filter(|(found, _)| found.location == part.location)?;
        (u64::from(item.start) == damaged.offset).then_some(entry)
    }

    pub(crate) fn reports(&self) -> Vec<FileReport> {
        let report = |part: &Part| FileReport {
            location: part.location,
            path: part.path.as_ref().clone(),
            state: part.document.state(),
            len: part.document.bytes.len() as u64,
            elements: part.document.items().len(),
        };
        self.parts.iter().map(report).collect()
    }
}

impl KeyIndex {
    fn add(&mut self, value: &str, entry: Entry) {
        if value.is_empty() {
            return;
        }
        if let Some(entries) = self.0.get_mut(value) {
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        } else {
            self.0.insert(value.into(), vec![entry]);
        }
    }
}

impl From<Fault> for DamageKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax => Self::Syntax,
            Fault::MissingId => Self::MissingId,
        }
    }
}

/// The column of a key among the keys that are fields.
fn field_column<R: Record>(key: usize) -> usize {
    let before = R::KEYS.iter().take(key);
    before
        .filter(|spec| spec.source() == KeySource::Field)
        .count()
}

fn tail_damage<R: Record>(part: &Part) -> Damaged {
    let len = part.document.tail().len() as u64;
    Damaged {
        record_kind: R::KIND,
        location: part.location,
        path: part.path.as_ref().clone(),
        index: part.document.items().len(),
        offset: part.document.bytes.len() as u64 - len,
        len,
        kind: DamageKind::Tail,
    }
}

/// A panic elsewhere cannot leave these maps half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
