//! Writing records to their files.
//!
//! Steps of a save, and what a crash after each leaves:
//!
//! 1. a new token is written to the lock file: others reload what did not change;
//! 2. for each location that changed, damaged bytes that the new file will not
//!    hold go into a side file: a copy of bytes that are still in the file;
//! 3. the file is written under a temporary name, synced unless the location is
//!    volatile, and renamed: the old file or the new one, never a mixture;
//! 4. the directory is synced: the new file, also after a power cut.
//!
//! With several changed locations each file is old or new by itself.
//! On a full disk, where step 3 cannot write its temporary, the file is changed in
//! place instead, see `in_place`.

use std::sync::Arc;

use layerhold_sys::{Dir, PathError};

use crate::base::Part;
use crate::damage::FileState;
use crate::error::SaveError;
use crate::in_place;
use crate::options::{Location, LocationId};
use crate::record::Record;
use crate::set_aside;
use crate::snapshot::Snapshot;
use crate::store::Known;
use crate::write_guard::WriteGuard;

/// Permissions of record files, as Go has them.
const MODE: u32 = 0o600;

/// With more changes than this on top of what was loaded, the files are read
/// again, so that looking through the changes stays cheap.
const MOST_CHANGES: usize = 512;

/// How a file was saved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saved {
    /// It holds exactly the elements of the draft.
    Replaced,
    /// Its elements are those of the draft, but maybe in other places.
    Rearranged,
}

impl<R: Record> WriteGuard<R> {
    /// Writes the changes since the last save, only to the locations they are in.
    /// Records that did not change are written byte for byte as they were.
    ///
    /// # Errors
    ///
    /// After a failure the changes since the last save are gone: what is on the
    /// disk, which may be a part of them if there are several locations, was loaded
    /// again. The guard can be used on.
    pub fn save(&mut self) -> Result<(), SaveError> {
        if !self.is_known {
            return Err(SaveError::Unknown {
                record_kind: R::KIND,
            });
        }
        self.dirty.retain_writable(&self.shared.options);
        if self.dirty.is_empty() {
            return Ok(());
        }
        // Whatever happens below, a panic included: nobody uses what was known.
        *self.shared.known() = None;
        match self.write_out() {
            Ok(saved) => {
                self.after_save(saved);
                Ok(())
            }
            Err(error) => {
                // A failure to load shows in every later use of the guard.
                let _reloaded = self.reload().is_ok();
                Err(error)
            }
        }
    }

    fn write_out(&mut self) -> Result<(layerhold_lockfile::Token, Saved), SaveError> {
        let token = self
            .lock
            .record_write()
            .map_err(|source| SaveError::Token {
                record_kind: R::KIND,
                source,
            })?;
        let mut saved = Saved::Replaced;
        for location in self.dirty.iter() {
            if self.write_location(location)? == Saved::Rearranged {
                saved = Saved::Rearranged;
            }
        }
        Ok((token, saved))
    }

    fn write_location(&self, id: LocationId) -> Result<Saved, SaveError> {
        let options = &self.shared.options;
        let part = self
            .draft
            .base
            .parts()
            .iter()
            .find(|part| part.location == id);
        let (Some(location), Some(part)) = (options.locations.get(id.position()), part) else {
            // Locations of records were checked when they came in.
            return Ok(Saved::Replaced);
        };
        let chunks = chunks(&self.draft, part);
        self.check_size(location, &chunks)?;
        let dir = Dir::create_ambient_all(&location.dir, 0o700).map_err(file_error::<R>)?;
        self.keep_damaged(&dir, location, part)?;
        let io = &options.io;
        match io.replace(&dir, &location.file, MODE, &chunks, location.durability) {
            // What is known about the file beside its records is out of date.
            Ok(()) if part.document.state() != FileState::Complete => Ok(Saved::Rearranged),
            Ok(()) => Ok(Saved::Replaced),
            Err(error) if error.is_out_of_space() => {
                in_place::save(self, &dir, location, id, error).map_err(file_error::<R>)?;
                Ok(Saved::Rearranged)
            }
            Err(error) => Err(file_error::<R>(error)),
        }
    }

    fn check_size(&self, location: &Location, chunks: &[&[u8]]) -> Result<(), SaveError> {
        let size: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let limit = self.shared.options.limit;
        if size <= limit {
            return Ok(());
        }
        Err(SaveError::TooLarge {
            record_kind: R::KIND,
            path: location.path(),
            size,
            limit,
        })
    }

    fn keep_damaged(&self, dir: &Dir, location: &Location, part: &Part) -> Result<(), SaveError> {
        let io = self.shared.options.io.as_ref();
        let asked = self
            .set_aside
            .iter()
            .filter(|bytes| bytes.location == part.location);
        let mut all = vec![part.document.tail()];
        all.extend(asked.map(set_aside::SetAside::bytes));
        for bytes in all {
            set_aside::keep(io, dir, &location.file, bytes).map_err(|source| {
                SaveError::SetAside {
                    record_kind: R::KIND,
                    source,
                }
            })?;
        }
        Ok(())
    }

    fn after_save(&mut self, (token, saved): (layerhold_lockfile::Token, Saved)) {
        self.dirty.clear();
        self.set_aside.clear();
        if saved == Saved::Rearranged || self.draft.overlay.size() > MOST_CHANGES {
            // The save itself worked; a failure to load shows in later uses.
            let _reloaded = self.reload().is_ok();
            return;
        }
        let stamps = self.shared.stamps(layerhold_lockfile::Protection::Locked);
        // Without stamps the next use loads everything, which is right as well.
        let Ok(stamps) = stamps else { return };
        *self.shared.known() = Some(Known {
            snapshot: Arc::new(self.draft.clone()),
            token,
            stamps,
            repairs: self.dirty.clone(),
        });
    }
}

/// The content of a file: the loaded bytes between changed records, and these.
fn chunks<'a, R: Record>(draft: &'a Snapshot<R>, part: &'a Part) -> Vec<&'a [u8]> {
    let mut chunks: Vec<&[u8]> = vec![b"["];
    let mut emit = |bytes: &'a [u8]| {
        if chunks.len() > 1 {
            chunks.push(b",");
        }
        chunks.push(bytes);
    };
    let range = part.entries();
    let mut next = range.start;
    for (entry, replacement) in draft.overlay.replaced.range(range.clone()) {
        run(part, next, *entry).into_iter().for_each(&mut emit);
        let put = replacement.and_then(|place| draft.overlay.puts.get(place));
        put.into_iter().for_each(|put| emit(&put.json));
        next = entry + 1;
    }
    run(part, next, range.end).into_iter().for_each(&mut emit);
    draft
        .overlay
        .added(part.location)
        .for_each(|(_, put)| emit(&put.json));
    chunks.push(b"]");
    chunks
}

/// The bytes from one entry up to another, with what is between them.
fn run(part: &Part, from: u32, to: u32) -> Option<&[u8]> {
    let last = to.checked_sub(1).filter(|last| *last >= from)?;
    let start = part.document.item(from - part.first)?.start;
    let end = part.document.item(last - part.first)?.end;
    Some(part.document.range(start, end))
}

fn file_error<R: Record>(source: PathError) -> SaveError {
    SaveError::File {
        record_kind: R::KIND,
        source,
    }
}
