//! The records of all files of a store as they were loaded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::claimed_id::claimed_id;
use super::index::{Entry, Lazy, LazyIndex, Searched};
use super::table::Table;
use crate::LocationId;
use crate::damage::{DamageKind, Damaged, FileReport, FileState, NameConflict};
use crate::document::{Document, Element, ElementFault, Span};
use crate::hash::hash;
use crate::record::Record;

/// The content of one location.
#[derive(Clone, Debug)]
pub(crate) struct LoadedFile {
    pub(crate) location: LocationId,
    pub(crate) path: Arc<PathBuf>,
    pub(crate) document: Arc<Document>,
    /// The entry its first element is.
    pub(crate) first: Entry,
}

impl LoadedFile {
    fn end(&self) -> Entry {
        self.first
            .saturating_add(u32::try_from(self.document.elements().len()).unwrap_or(u32::MAX))
    }

    /// Its elements as entries.
    pub(crate) fn entries(&self) -> std::ops::Range<Entry> {
        self.first..self.end()
    }

    /// What is wrong with the end of a torn file.
    fn tail_damage(&self, record_kind: &'static str) -> Damaged {
        let tail = self.document.tail();
        let len = tail.len() as u64;
        Damaged {
            record_kind,
            id: claimed_id(tail),
            location: self.location,
            path: self.path.as_ref().clone(),
            index: self.document.elements().len(),
            offset: self.document.bytes.len() as u64 - len,
            len,
            kind: DamageKind::Tail,
        }
    }
}

/// Parsed records are kept up to this number, so that memory stays bounded.
const CACHED: usize = 1024;

#[derive(Debug)]
pub(crate) struct LoadedRecords<R: Record> {
    pub(crate) files: Vec<LoadedFile>,
    total: u32,
    /// Elements that are not served: damaged, or further ones with an ID.
    pub(crate) hidden: HashSet<Entry>,
    pub(crate) damage: Vec<Damaged>,
    ids: Table,
    names: Names,
    pub(crate) keys: Vec<LazyIndex>,
    sorted: Lazy<Vec<Entry>>,
    parsed: Mutex<HashMap<Entry, Arc<R>>>,
    /// What was last searched for in all records.
    pub(super) searched: Mutex<Option<Searched>>,
    /// Damage that was found when a record was parsed.
    pub(crate) found: Mutex<BTreeMap<Entry, Damaged>>,
}

/// Names by their text; positions are those of `list`.
#[derive(Debug, Default)]
struct Names {
    list: Vec<(Entry, Span)>,
    table: Table,
}

impl<R: Record> LoadedRecords<R> {
    /// Joins the files of a store. The conflicts are about names that an
    /// earlier record still has but a later one holds.
    pub(crate) fn new(
        documents: Vec<(LocationId, Arc<PathBuf>, Arc<Document>)>,
    ) -> (Self, Vec<(Entry, NameConflict)>) {
        let mut loaded = Self {
            files: Vec::with_capacity(documents.len()),
            total: 0,
            hidden: HashSet::new(),
            damage: Vec::new(),
            ids: Table::default(),
            names: Names::default(),
            keys: R::KEYS.iter().map(|_| Lazy::default()).collect(),
            sorted: Lazy::default(),
            parsed: Mutex::default(),
            searched: Mutex::default(),
            found: Mutex::default(),
        };
        for (location, path, document) in documents {
            let file = LoadedFile {
                location,
                path,
                document,
                first: loaded.total,
            };
            loaded.total = file.end();
            loaded.files.push(file);
        }
        loaded.index_ids();
        let conflicts = loaded.index_names();
        (loaded, conflicts)
    }

    fn index_ids(&mut self) {
        let mut ids = Table::with_capacity(self.total as usize);
        for file in self.files.clone() {
            for (entry, element) in file.entries().zip(file.document.elements()) {
                if let Some(fault) = element.fault {
                    self.hide(entry, fault.into());
                    continue;
                }
                let id = file.document.span(element.id);
                let same = |other| {
                    self.locate(other).is_some_and(|(file, known)| {
                        known.hash == element.hash && file.document.span(known.id) == id
                    })
                };
                if let Some(first) = ids.find_or_insert(element.hash, entry, same) {
                    let id = file.document.text(element.id).to_owned();
                    // The first one counts, but one that cannot be read must not hide one that can.
                    let hidden = if !self.is_readable(first) && self.is_readable(entry) {
                        let _first = ids.replace(element.hash, entry, |other| other == first);
                        first
                    } else {
                        entry
                    };
                    self.hide(hidden, DamageKind::DuplicateId { id });
                }
            }
            if matches!(file.document.state(), FileState::Torn { len, .. } if len > 0) {
                self.damage.push(file.tail_damage(R::KIND));
            }
        }
        self.ids = ids;
    }

    fn hide(&mut self, entry: Entry, kind: DamageKind) {
        self.hidden.insert(entry);
        self.damage.extend(self.damaged(entry, kind));
    }

    fn damaged(&self, entry: Entry, kind: DamageKind) -> Option<Damaged> {
        let (file, element) = self.locate(entry)?;
        let id = match self.id(entry) {
            "" => claimed_id(file.document.raw(element)),
            id => Some(id.to_owned()),
        };
        Some(Damaged {
            record_kind: R::KIND,
            id,
            location: file.location,
            path: file.path.as_ref().clone(),
            index: (entry - file.first) as usize,
            offset: u64::from(element.start),
            len: u64::from(element.end.saturating_sub(element.start)),
            kind,
        })
    }

    /// Damage of an entry that does not exist. No caller asks for one.
    fn nowhere(&self) -> Damaged {
        let path = self.files.first().map(|file| file.path.as_ref().clone());
        Damaged {
            record_kind: R::KIND,
            id: None,
            location: LocationId::FIRST,
            path: path.unwrap_or_default(),
            index: 0,
            offset: 0,
            len: 0,
            kind: DamageKind::Syntax,
        }
    }

    fn index_names(&mut self) -> Vec<(Entry, NameConflict)> {
        let count = self
            .files
            .iter()
            .map(|file| file.document.outline.names.len())
            .sum();
        let mut names = Names {
            list: Vec::with_capacity(count),
            table: Table::with_capacity(count),
        };
        let mut conflicts = Vec::new();
        for file in &self.files {
            for name in &file.document.outline.names {
                let entry = file.first.saturating_add(name.element);
                if self.hidden.contains(&entry) {
                    continue;
                }
                let position = u32::try_from(names.list.len()).unwrap_or(u32::MAX);
                let text = file.document.span(name.span);
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
                        name: file.document.text(name.span).to_owned(),
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

    pub(crate) fn files(&self) -> &[LoadedFile] {
        &self.files
    }

    /// Number of records that are served.
    pub(crate) fn len(&self) -> usize {
        (self.total as usize).saturating_sub(self.hidden.len())
    }

    pub(crate) fn is_hidden(&self, entry: Entry) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&entry)
    }

    /// The file an entry is in, and its element there.
    pub(crate) fn locate(&self, entry: Entry) -> Option<(&LoadedFile, &Element)> {
        let file = self.files.iter().rev().find(|file| file.first <= entry)?;
        let element = file.document.element(entry.checked_sub(file.first)?)?;
        Some((file, element))
    }

    fn span_bytes(&self, entry: Entry, span: Span) -> &[u8] {
        match self.locate(entry) {
            Some((file, _)) => file.document.span(span),
            None => &[],
        }
    }

    fn id_bytes(&self, entry: Entry) -> &[u8] {
        match self.locate(entry) {
            Some((file, element)) => file.document.span(element.id),
            None => &[],
        }
    }

    pub(crate) fn id(&self, entry: Entry) -> &str {
        match self.locate(entry) {
            Some((file, element)) => file.document.text(element.id),
            None => "",
        }
    }

    pub(crate) fn raw(&self, entry: Entry) -> &[u8] {
        match self.locate(entry) {
            Some((file, element)) => file.document.raw(element),
            None => &[],
        }
    }

    /// The record with an ID.
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

    /// The records whose ID begins with a prefix.
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

    fn is_readable(&self, entry: Entry) -> bool {
        R::parse(self.raw(entry)).is_ok_and(|record| record.id() == self.id(entry))
    }

    pub(crate) fn parse(&self, entry: Entry) -> Result<R, Damaged> {
        let kind = match R::parse(self.raw(entry)) {
            Ok(record) if record.id() == self.id(entry) => return Ok(record),
            Ok(_) => DamageKind::AmbiguousId,
            Err(error) => DamageKind::Invalid(Arc::new(error)),
        };
        let damaged = self.damaged(entry, kind).unwrap_or_else(|| self.nowhere());
        lock(&self.found).insert(entry, damaged.clone());
        Err(damaged)
    }

    pub(crate) fn reports(&self) -> Vec<FileReport> {
        let report = |file: &LoadedFile| FileReport {
            location: file.location,
            path: file.path.as_ref().clone(),
            state: file.document.state(),
            len: file.document.bytes.len() as u64,
            elements: file.document.elements().len(),
        };
        self.files.iter().map(report).collect()
    }
}

impl From<ElementFault> for DamageKind {
    fn from(fault: ElementFault) -> Self {
        match fault {
            ElementFault::Syntax => Self::Syntax,
            ElementFault::MissingId => Self::MissingId,
        }
    }
}

/// Locks a map. A panic elsewhere cannot leave it half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
