//! Finding records by further keys.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use memchr::memmem;

use crate::base::{Base, Entry};
use crate::record::{KeySource, Record};

/// So many lookups by one key (or prefix) go through all records before an index is made.
const LOOKUPS_WITHOUT_INDEX: u32 = 4;

/// An index that is made when it pays.
#[derive(Debug)]
pub(crate) struct Lazy<T> {
    lookups: AtomicU32,
    made: OnceLock<T>,
}

pub(crate) type LazyIndex = Lazy<KeyIndex>;

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
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> Option<&T> {
        if let Some(made) = self.made.get() {
            return Some(made);
        }
        let lookups = self.lookups.fetch_add(1, Ordering::Relaxed);
        (lookups >= LOOKUPS_WITHOUT_INDEX).then(|| self.made.get_or_init(make))
    }
}

/// The records with each value of a key.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex(HashMap<Box<str>, Vec<Entry>>);

impl<R: Record> Base<R> {
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

/// The column of a key among the keys that are fields.
fn field_column<R: Record>(key: usize) -> usize {
    let before = R::KEYS.iter().take(key);
    before
        .filter(|spec| spec.source() == KeySource::Field)
        .count()
}
