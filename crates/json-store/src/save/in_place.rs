//! Saving on a full disk, by changing the file itself.
//!
//! JSON may have white space between elements, so a record is removed by
//! writing spaces over it and one of the commas beside it, and a record that
//! did not grow is written over the old one and padded. Neither needs space, the
//! file stays valid for every reader, and the next ordinary save drops the
//! spaces. A new or longer record goes behind the last one, which works as long
//! as the last block of the file has room; then the old one is removed.
//!
//! Steps, and what a crash after each leaves:
//!
//! 1. new elements and a closing bracket are written behind the closing
//!    bracket, and synced: the old records, with bytes behind them that are set
//!    aside. A failure is undone: the bytes that were there come back.
//! 2. the old closing bracket becomes a comma (one byte): the old and the new records;
//!    where both have an ID, the first counts, which is the old one;
//! 3. records that changed or are gone are written over, one write each: any of
//!    them done or not. A power cut within a write can leave a mixture of old
//!    record and spaces, which is set aside as damage; other records are not touched.
//!
//! Every write but those of step 1 goes to bytes that the file has already. A
//! filesystem that copies on write may refuse even that; then the save fails, and
//! the file is as after some of the steps.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use layerhold_sys::{Dir, Durability, OpenOptions, PathError};

use crate::damage::FileState;
use crate::document::Document;
use crate::fields::Fields;
use crate::loaded::LoadedFile;
use crate::options::{Location, LocationId, Options};
use crate::record::Record;
use crate::snapshot::Snapshot;

/// Changes a file into what the draft has for a location. `full` says why the file could not be
/// replaced, and is the error if this fails as well.
pub(crate) fn save<R: Record>(
    options: &Options,
    fields: &Fields,
    draft: &Snapshot<R>,
    dir: &Dir,
    location: &Location,
    id: LocationId,
    full: PathError,
) -> Result<(), PathError> {
    let Some(bytes) = options.io.read(dir, &location.file, options.limit)? else {
        return Err(full);
    };
    let document = Document::new(bytes, fields);
    let plan = match Plan::new(draft, id, &document) {
        Some(plan) => plan,
        None => return Err(full),
    };
    let file = dir.open_with(&location.file, OpenOptions::write())?;
    plan.carry_out(&file, &document, location.durability)
        .map_err(|source| PathError::new("change in place", location.path(), source))
}

/// For each element of a file, whether it is damaged and was not set aside. Of elements with the
/// same bytes the first is the one that is served.
fn damaged_elements<R: Record>(
    draft: &Snapshot<R>,
    id: LocationId,
    document: &Document,
) -> Vec<bool> {
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    let files = draft.loaded.files().iter();
    for entry in files
        .filter(|file| file.location == id)
        .flat_map(LoadedFile::entries)
    {
        if draft.loaded.is_hidden(entry) && !draft.pending.is_replaced(entry) {
            *known.entry(draft.loaded.raw(entry)).or_default() += 1;
        }
    }
    let mut take = |element| match known.get_mut(document.raw(element)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    let mut damaged: Vec<bool> = document.elements().iter().rev().map(&mut take).collect();
    damaged.reverse();
    damaged
}

/// What happens to the elements of a file.
#[derive(Debug)]
struct Plan {
    /// Where the closing bracket is.
    bracket: usize,
    /// Elements that stay where they are, with new bytes for those that change.
    kept: Vec<(Range<usize>, Option<Vec<u8>>)>,
    /// Whether any element is removed.
    removes: bool,
    /// Elements to be added, separated by commas.
    added: Vec<u8>,
}

impl Plan {
    /// `None` if the file is not a whole list.
    fn new<R: Record>(draft: &Snapshot<R>, id: LocationId, document: &Document) -> Option<Self> {
        if document.state() != FileState::Complete {
            return None;
        }
        let mut plan = Self {
            bracket: memchr::memrchr(b']', &document.bytes)?,
            kept: Vec::new(),
            removes: false,
            added: Vec::new(),
        };
        let damaged = damaged_elements(draft, id, document);
        let mut seen = HashSet::new();
        for (element, is_damaged) in document.elements().iter().zip(damaged) {
            let range = element.start as usize..element.end as usize;
            if is_damaged {
                // Damaged elements stay as they are.
                plan.kept.push((range, None));
                continue;
            }
            let name = document.text(element.id);
            let json = draft
                .json(name)
                .filter(|_| draft.location_of(name) == Some(id) && element.fault.is_none())
                .filter(|_| seen.insert(name));
            plan.element(range, document.raw(element), json);
        }
        for name in draft
            .ids()
            .filter(|name| draft.location_of(name) == Some(id))
        {
            if !seen.contains(name) {
                plan.add(draft.json(name)?);
            }
        }
        plan.removes |= plan.kept.len() < document.elements().len();
        Some(plan)
    }

    /// Plans a record by its bytes before and after.
    fn element(&mut self, range: Range<usize>, before: &[u8], after: Option<&[u8]>) {
        match after {
            Some(json) if json == before => self.kept.push((range, None)),
            Some(json) if json.len() <= range.len() => self.kept.push((range, Some(json.to_vec()))),
            Some(json) => self.add(json),
            None => self.removes = true,
        }
    }

    fn add(&mut self, json: &[u8]) {
        if !self.added.is_empty() {
            self.added.push(b',');
        }
        self.added.extend_from_slice(json);
    }

    fn carry_out(
        &self,
        file: &File,
        document: &Document,
        durability: Durability,
    ) -> io::Result<()> {
        let sync = || match durability {
            Durability::Durable => file.sync_data(),
            Durability::Volatile => Ok(()),
        };
        if let Some(append) = self.append() {
            if let Err(error) = append.make(file).and_then(|()| sync()) {
                let before = document.bytes.get(append.at..).unwrap_or_default();
                file.set_len(document.bytes.len() as u64)?;
                file.write_all_at(before, append.at as u64)?;
                return Err(error);
            }
            self.join(document).make(file)?;
            sync()?;
        }
        for write in self.overwrites(document) {
            write.make(file)?;
        }
        sync()
    }

    /// Adds elements behind the closing bracket.
    fn append(&self) -> Option<Write> {
        if self.added.is_empty() {
            return None;
        }
        let mut bytes = self.added.clone();
        bytes.push(b']');
        Some(Write {
            at: self.bracket + 1,
            bytes,
        })
    }

    /// Makes the added elements a part of the list.
    fn join(&self, document: &Document) -> Write {
        let separator = if document.elements().is_empty() {
            b' '
        } else {
            b','
        };
        Write {
            at: self.bracket,
            bytes: vec![separator],
        }
    }

    /// Puts records in the place of longer ones, and spaces in that of records that are gone.
    fn overwrites(&self, document: &Document) -> Vec<Write> {
        let changed = self.kept.iter().filter_map(|(range, json)| {
            let mut bytes = json.clone()?;
            bytes.resize(range.len(), b' ');
            Some(Write {
                at: range.start,
                bytes,
            })
        });
        let mut writes: Vec<Write> = changed.collect();
        if self.removes {
            writes.extend(self.gaps(document));
        }
        writes
    }

    /// Spaces for what is between elements that stay, with one comma.
    fn gaps(&self, document: &Document) -> Vec<Write> {
        let added = !self.added.is_empty();
        let end = self.bracket + usize::from(added);
        let first = memchr::memchr(b'[', &document.bytes).map_or(0, |bracket| bracket + 1);
        let mut previous = first;
        let mut writes = Vec::new();
        let kept = self.kept.iter().map(|(range, _)| range.clone());
        for next in kept.chain(std::iter::once(end..end)) {
            let gap = previous..next.start;
            let between = previous != first && (next.start != end || added);
            if holds_element(document, &gap) {
                let mut bytes = vec![b' '; gap.len()];
                if let Some(comma) = bytes.first_mut().filter(|_| between) {
                    *comma = b',';
                }
                writes.push(Write {
                    at: gap.start,
                    bytes,
                });
            }
            previous = next.end;
        }
        writes
    }
}

/// Bytes for a place in the file.
#[derive(Debug)]
struct Write {
    at: usize,
    bytes: Vec<u8>,
}

impl Write {
    fn make(&self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.bytes, self.at as u64)
    }
}

fn holds_element(document: &Document, gap: &Range<usize>) -> bool {
    let items = document.elements();
    let first = items.partition_point(|element| (element.start as usize) < gap.start);
    items
        .get(first)
        .is_some_and(|element| element.end as usize <= gap.end && element.start < element.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Records = BTreeMap<String, String>;

    fn document(text: &[u8]) -> Document {
        Document::new(text.to_vec(), &Fields::new(&[]))
    }

    /// IDs and objects; of two with one ID the first counts.
    fn records(document: &Document) -> Records {
        let mut records = Records::new();
        for element in document
            .elements()
            .iter()
            .filter(|element| element.fault.is_none())
        {
            let json = String::from_utf8_lossy(document.raw(element)).into_owned();
            records
                .entry(document.text(element.id).to_owned())
                .or_insert(json);
        }
        records
    }

    fn object(id: &str, padding: usize) -> String {
        format!(r#"{{"id":"{id}","text":"{}"}}"#, "y".repeat(padding))
    }

    fn plan(document: &Document, wanted: &Records) -> Plan {
        let mut plan = Plan {
            bracket: memchr::memrchr(b']', &document.bytes).unwrap(),
            kept: Vec::new(),
            removes: false,
            added: Vec::new(),
        };
        for element in document.elements() {
            let json = wanted
                .get(document.text(element.id))
                .map(|json| json.as_bytes());
            plan.element(
                element.start as usize..element.end as usize,
                document.raw(element),
                json,
            );
        }
        let known = records(document);
        for json in wanted
            .iter()
            .filter(|(id, _)| !known.contains_key(*id))
            .map(|(_, json)| json)
        {
            plan.add(json.as_bytes());
        }
        plan.removes |= plan.kept.len() < document.elements().len();
        plan
    }

    fn apply(text: &mut Vec<u8>, write: &Write) {
        let end = write.at + write.bytes.len();
        if text.len() < end {
            text.resize(end, b'?');
        }
        text[write.at..end].copy_from_slice(&write.bytes);
    }

    proptest! {
        /// A crash between any two writes leaves each record old or new.
        #[test]
        fn every_step_leaves_a_readable_file(
            before in prop::collection::btree_map("[a-h]", 0..30_usize, 0..6),
            after in prop::collection::btree_map("[a-h]", 0..30_usize, 0..6),
            space in "[ \n]{0,2}",
        ) {
            let objects = |sizes: &BTreeMap<String, usize>| -> Records {
                sizes.iter().map(|(id, size)| (id.clone(), object(id, *size))).collect()
            };
            let (before, after) = (objects(&before), objects(&after));
            let list: Vec<String> = before.values().cloned().collect();
            let mut text = format!("[{space}{}]{space}", list.join(&format!("{space},"))).into_bytes();
            let original = document(&text);
            prop_assert_eq!(&records(&original), &before);
            let plan = plan(&original, &after);
            if let Some(append) = plan.append() {
                apply(&mut text, &append);
                prop_assert_eq!(&records(&document(&text)), &before);
                apply(&mut text, &plan.join(&original));
            }
            for write in plan.overwrites(&original) {
                apply(&mut text, &write);
                let now = document(&text);
                prop_assert_eq!(now.state(), FileState::Complete);
                prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok());
                for (id, json) in records(&now) {
                    let known = [before.get(&id), after.get(&id)];
                    prop_assert!(known.contains(&Some(&json)), "{}", json);
                }
                for id in before.keys().filter(|id| after.contains_key(*id)) {
                    prop_assert!(records(&now).contains_key(id));
                }
            }
            prop_assert_eq!(records(&document(&text)), after);
        }
    }
}
