//! Finding records by further keys.

use super::index::{Entry, KeyIndex};
use super::records::LoadedRecords;
use crate::record::{KeySource, Record};

impl<R: Record> LoadedRecords<R> {
    /// The records with a value of a key, in the order of the files.
    pub(crate) fn find_key(&self, key: usize, value: &str) -> Vec<Entry> {
        let (Some(lazy), Some(spec)) = (self.keys.get(key), R::KEYS.get(key)) else {
            return Vec::new();
        };
        let index = match spec.source() {
            KeySource::Field => lazy.get(|| self.field_index(key)),
            KeySource::Mentioned => lazy.get(|| self.computed_index(key)),
            // Parsing everything for every lookup would never pay.
            KeySource::Computed => Some(lazy.get_now(|| self.computed_index(key))),
        };
        if let Some(index) = index {
            return index.entries(value);
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
        let mut found = self.entries_mentioning(value.as_bytes());
        found.retain(|entry| {
            let mut has = false;
            if let Ok(record) = self.record(*entry) {
                record.key_values(key, &mut |found| has |= found == value);
            }
            has
        });
        found
    }

    fn field_index(&self, key: usize) -> KeyIndex {
        let mut index = KeyIndex::default();
        self.for_each_field(field_column::<R>(key), &mut |entry, text| {
            index.add(std::str::from_utf8(text).unwrap_or_default(), entry);
        });
        index
    }

    fn for_each_field(&self, column: usize, found: &mut dyn FnMut(Entry, &[u8])) {
        for file in &self.files {
            for entry in file.entries() {
                let text = file
                    .document
                    .span(file.document.key(entry - file.first, column));
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

/// The column of a key among the keys that are fields.
fn field_column<R: Record>(key: usize) -> usize {
    let before = R::KEYS.iter().take(key);
    before
        .filter(|spec| spec.source() == KeySource::Field)
        .count()
}
