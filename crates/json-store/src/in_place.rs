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
//!    where both have an identifier, the first counts, which is the old one;
//! 3. records that changed or are gone are written over, one write each: any of
//!    them done or not. A power cut within a write can leave a mixture of old
//!    record and spaces, which is set aside as damage; other records are not touched.
//!
//! Every write but those of step 1 goes to bytes that the file has already. A
//! filesystem that copies on write may refuse even that; then the save fails, and
//! the file is as after some of the steps.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use layerhold_sys::{Dir, Durability, OpenOptions, PathError};

use crate::damage::FileState;
use crate::document::Document;
use crate::options::{Location, LocationId};
use crate::record::Record;
use crate::snapshot::Snapshot;
use crate::write_guard::WriteGuard;

/// Changes a file into what the draft has for a location. `full` says why it
/// could not be replaced, and is the error if this does not work either.
pub(crate) fn save<R: Record>(
    guard: &WriteGuard<R>,
    dir: &Dir,
    location: &Location,
    id: LocationId,
    full: PathError,
) -> Result<(), PathError> {
    let options = &guard.shared.options;
    let Some(bytes) = options.io.read(dir, &location.file, options.limit)? else {
        return Err(full);
    };
    let document = Document::new(bytes, &guard.shared.fields);
    let plan = match Plan::new(&guard.draft, id, &document) {
        Some(plan) => plan,
        None => return Err(full),
    };
    let file = dir.open_with(&location.file, OpenOptions::write())?;
    plan.carry_out(&file, &document, location.durability)
        .map_err(|source| PathError::new("change in place", location.path(), source))
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
        let mut seen = std::collections::HashSet::new();
        for item in document.items() {
            let range = item.start as usize..item.end as usize;
            let name = document.text(item.id);
            if item.fault.is_some() || !seen.insert(name) {
                // Damage stays as it is.
                plan.kept.push((range, None));
                continue;
            }
            let json = draft
                .json(name)
                .filter(|_| draft.location_of(name) == Some(id));
            match json {
                Some(json) if json == document.raw(item) => plan.kept.push((range, None)),
                Some(json) if json.len() <= range.len() => {
                    plan.kept.push((range, Some(json.to_vec())));
                }
                Some(json) => plan.add(json),
                None => plan.removes = true,
            }
        }
        for name in draft
            .ids()
            .filter(|name| draft.location_of(name) == Some(id))
        {
            if !seen.contains(name) {
                plan.add(draft.json(name)?);
            }
        }
        plan.removes |= plan.kept.len() < document.items().len();
        Some(plan)
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
        let end = self.append(file, document, &sync)?;
        for (range, json) in &self.kept {
            if let Some(json) = json {
                let mut padded = json.clone();
                padded.resize(range.len(), b' ');
                file.write_all_at(&padded, range.start as u64)?;
            }
        }
        if self.removes {
            self.clear_gaps(file, document, end)?;
        }
        sync()
    }

    /// Adds elements behind the closing bracket and returns where the first
    /// of them is (the bracket if there are none).
    fn append(
        &self,
        file: &File,
        document: &Document,
        sync: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<usize> {
        if self.added.is_empty() {
            return Ok(self.bracket);
        }
        let behind = self.bracket + 1;
        let mut text = self.added.clone();
        text.push(b']');
        if let Err(error) = file
            .write_all_at(&text, behind as u64)
            .and_then(|()| sync())
        {
            let before = document.bytes.get(behind..).unwrap_or_default();
            file.set_len(document.bytes.len() as u64)?;
            file.write_all_at(before, behind as u64)?;
            return Err(error);
        }
        let separator: &[u8] = if document.items().is_empty() {
            b" "
        } else {
            b","
        };
        file.write_all_at(separator, self.bracket as u64)?;
        sync()?;
        Ok(behind)
    }

    /// Writes spaces over what is between elements that stay, with one comma.
    fn clear_gaps(&self, file: &File, document: &Document, end: usize) -> io::Result<()> {
        let first = memchr::memchr(b'[', &document.bytes).map_or(0, |bracket| bracket + 1);
        let mut previous = first;
        let mut starts: Vec<Range<usize>> =
            self.kept.iter().map(|(range, _)| range.clone()).collect();
        starts.push(end..end);
        let added = !self.added.is_empty();
        for (position, next) in starts.iter().enumerate() {
            let gap = previous..next.start;
            let is_last = position + 1 == starts.len();
            let between = previous != first && (!is_last || added);
            if holds_element(document, &gap) {
                let mut spaces = vec![b' '; gap.len()];
                if let Some(comma) = spaces.first_mut().filter(|_| between) {
                    *comma = b',';
                }
                file.write_all_at(&spaces, gap.start as u64)?;
            }
            previous = next.end;
        }
        Ok(())
    }
}

fn holds_element(document: &Document, gap: &Range<usize>) -> bool {
    let items = document.items();
    let first = items.partition_point(|item| (item.start as usize) < gap.start);
    items
        .get(first)
        .is_some_and(|item| item.end as usize <= gap.end && item.start < item.end)
}
