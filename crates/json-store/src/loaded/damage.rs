//! What is known to be damaged, and the bytes and entries it is about.

use super::index::Entry;
use super::records::{LoadedRecords, lock};
use crate::damage::{DamageKind, Damaged};
use crate::record::Record;

impl<R: Record> LoadedRecords<R> {
    /// All damage that is known by now, by files and positions.
    pub(crate) fn damage(&self) -> Vec<Damaged> {
        let mut all = self.damage.clone();
        all.extend(lock(&self.found).values().cloned());
        all.sort_by_key(|damaged| (damaged.location, damaged.offset));
        all
    }

    /// The bytes that damage is about.
    pub(crate) fn damaged_bytes(&self, damaged: &Damaged) -> &[u8] {
        if let Some(entry) = self.entry_of(damaged) {
            return self.raw(entry);
        }
        let mut files = self.files.iter();
        let file = files.find(|file| file.location == damaged.location);
        file.map(|file| file.document.tail()).unwrap_or_default()
    }

    /// The elements that are left out because another one has this ID.
    pub(crate) fn duplicates_of(&self, id: &str) -> Vec<Damaged> {
        let same = |damaged: &&Damaged| matches!(&damaged.kind, DamageKind::DuplicateId { id: other } if other == id);
        self.damage.iter().filter(same).cloned().collect()
    }

    /// The entry that damage is about; `None` for the end of a file.
    pub(crate) fn entry_of(&self, damaged: &Damaged) -> Option<Entry> {
        let file = self
            .files
            .iter()
            .find(|file| file.location == damaged.location)?;
        let entry = file.first.checked_add(u32::try_from(damaged.index).ok()?)?;
        let (_, element) = self
            .locate(entry)
            .filter(|(found, _)| found.location == file.location)?;
        (u64::from(element.start) == damaged.offset).then_some(entry)
    }
}
