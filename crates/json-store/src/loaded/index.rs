//! Indices that are built when they pay.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// A record by its position among all elements of all files.
pub(crate) type Entry = u32;

/// So many lookups by one key (or prefix) go through all records before an index is built.
const LOOKUPS_WITHOUT_INDEX: u32 = 4;

/// An index that is built when it pays.
#[derive(Debug)]
pub(crate) struct Lazy<T> {
    lookups: AtomicU32,
    built: OnceLock<T>,
}

pub(crate) type LazyIndex = Lazy<KeyIndex>;

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self {
            lookups: AtomicU32::new(0),
            built: OnceLock::new(),
        }
    }
}

impl<T> Lazy<T> {
    /// The index, unless going through all records is still cheaper.
    pub(crate) fn get(&self, build: impl FnOnce() -> T) -> Option<&T> {
        if let Some(built) = self.built.get() {
            return Some(built);
        }
        let lookups = self.lookups.fetch_add(1, Ordering::Relaxed);
        (lookups >= LOOKUPS_WITHOUT_INDEX).then(|| self.built.get_or_init(build))
    }

    /// The index, built at the first lookup.
    pub(super) fn get_now(&self, build: impl FnOnce() -> T) -> &T {
        self.built.get_or_init(build)
    }
}

/// What all records were last searched for, and those that have it.
#[derive(Debug)]
pub(crate) struct Searched {
    pub(super) bytes: Box<[u8]>,
    pub(super) found: Arc<[Entry]>,
}

/// The records with each value of a key.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex(HashMap<Box<str>, Vec<Entry>>);

impl KeyIndex {
    /// The records with a value, in the order of the files.
    pub(super) fn entries(&self, value: &str) -> Vec<Entry> {
        self.0.get(value).cloned().unwrap_or_default()
    }

    pub(super) fn add(&mut self, value: &str, entry: Entry) {
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
