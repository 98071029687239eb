//! Writing records to their files.
//!
//! Steps of a save, and what a crash after each leaves:
//!
//! 1. a new token is written to the lock file: other processes reload what did not change;
//! 2. for each location that changed, damaged bytes that the new file will not hold are written to
//!    a side file: a copy of bytes that are still in the file;
//! 3. the file is written under a temporary name, synced unless the location is volatile, and
//!    renamed: the old file or the new one, never a mixture;
//! 4. the directory is synced: the new file, also after a power cut.
//!
//! With several changed locations each file is old or new by itself.
//! On a full disk, where step 3 cannot write its temporary, the file is changed in
//! place instead, see `in_place`.

mod in_place;
mod sweep;
mod set_aside;

use std::path::PathBuf;

use layerhold_lockfile::{Token, TokenError, WriteGuard};
use layerhold_sys::{Dir, PathError};

use crate::damage::FileState;
use crate::fields::Fields;
use crate::loaded::LoadedFile;
use crate::location::LocationSet;
use crate::options::{Location, LocationId, Options};
use crate::record::Record;
use crate::snapshot::Snapshot;

pub(crate) use self::set_aside::{SetAside, list as side_files};
pub(crate) use self::sweep::sweep;

/// Why records were not saved. What is on the disk was loaded again, so
/// that the changes since the last save are gone from memory too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The write could not be announced to other processes.
    #[error("cannot announce a change of the {record_kind} store")]
    Token {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: TokenError,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(PathError),
    /// Damaged bytes could not be put into a side file, so they were not replaced.
    #[error("cannot set damaged {record_kind} records aside")]
    SetAside {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why, and which file.
        source: PathError,
    },
    /// The records of the file would be larger than the limit of the store.
    #[error("cannot write {size} bytes of {record_kind} records to {}: the limit is {limit}", path.display())]
    TooLarge {
        /// What the store keeps.
        record_kind: &'static str,
        /// The file.
        path: PathBuf,
        /// Bytes it would hold.
        size: u64,
        /// Bytes it may hold.
        limit: u64,
    },
    /// An earlier save failed and the records could not be loaded again.
    #[error(
        "cannot save {record_kind} records: they could not be loaded again after a failed save"
    )]
    Unknown {
        /// What the store keeps.
        record_kind: &'static str,
    },
}

impl SaveError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::File(source) | Self::SetAside { source, .. } => source.is_out_of_space(),
            Self::Token { source, .. } => source.is_out_of_space(),
            _ => false,
        }
    }
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Changes<'a, R: Record> {
    pub(crate) options: &'a Options,
    pub(crate) fields: &'a Fields,
    /// The records as they shall be.
    pub(crate) draft: &'a Snapshot<R>,
    /// Locations whose files differ from the draft.
    pub(crate) dirty: &'a LocationSet,
    /// Bytes to be put into side files.
    pub(crate) set_aside: &'a [SetAside],
}

/// Permissions of record files, as Go has them.
const MODE: u32 = 0o600;

/// How a file was saved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It holds exactly the elements of the draft.
    Replaced,
    /// Its elements are those of the draft, but maybe in other places.
    Rearranged,
}

impl<R: Record> Changes<'_, R> {
    /// Announces the changes and writes the files they are in.
    pub(crate) fn write_out(self, lock: &mut WriteGuard) -> Result<(Token, Saved), SaveError> {
        let token = lock.record_write().map_err(|source| SaveError::Token {
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
        let options = self.options;
        let file = self
            .draft
            .loaded
            .files()
            .iter()
            .find(|file| file.location == id);
        let (Some(location), Some(file)) = (options.locations.get(id.position()), file) else {
            // Locations of records were checked when they came in.
            return Ok(Saved::Replaced);
        };
        let chunks = chunks(self.draft, file);
        self.check_size(location, &chunks)?;
        let dir = Dir::create_ambient_all(&location.dir, 0o700).map_err(SaveError::File)?;
        self.keep_damaged(&dir, location, file)?;
        let io = &options.io;
        match io.replace(&dir, &location.file, MODE, &chunks, location.durability) {
            // What is known about the file beside its records is out of date.
            Ok(()) if file.document.state() != FileState::Complete => Ok(Saved::Rearranged),
            Ok(()) => Ok(Saved::Replaced),
            Err(error) if error.is_out_of_space() => {
                in_place::save(options, self.fields, self.draft, &dir, location, id, error)
                    .map_err(SaveError::File)?;
                Ok(Saved::Rearranged)
            }
            Err(error) => Err(SaveError::File(error)),
        }
    }

    fn check_size(&self, location: &Location, chunks: &[&[u8]]) -> Result<(), SaveError> {
        let size: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let limit = self.options.limit;
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

    fn keep_damaged(
        &self,
        dir: &Dir,
        location: &Location,
        file: &LoadedFile,
    ) -> Result<(), SaveError> {
        let io = self.options.io.as_ref();
        let asked = self
            .set_aside
            .iter()
            .filter(|bytes| bytes.location == file.location);
        let mut all = vec![file.document.tail()];
        all.extend(asked.map(SetAside::bytes));
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
}

/// The content of a file: the loaded bytes between changed records, and these.
fn chunks<'a, R: Record>(draft: &'a Snapshot<R>, file: &'a LoadedFile) -> Vec<&'a [u8]> {
    let mut chunks: Vec<&[u8]> = vec![b"["];
    let mut emit = |bytes: &'a [u8]| {
        if chunks.len() > 1 {
            chunks.push(b",");
        }
        chunks.push(bytes);
    };
    let range = file.entries();
    let mut next = range.start;
    for (entry, replacement) in draft.pending.replaced.range(range.clone()) {
        run(file, next, *entry).into_iter().for_each(&mut emit);
        let put = replacement.and_then(|place| draft.pending.records.get(place));
        put.into_iter().for_each(|put| emit(&put.json));
        next = entry + 1;
    }
    run(file, next, range.end).into_iter().for_each(&mut emit);
    draft
        .pending
        .added(file.location)
        .for_each(|(_, put)| emit(&put.json));
    chunks.push(b"]");
    chunks
}

/// The bytes from one entry up to another, with what is between them.
fn run(file: &LoadedFile, from: u32, to: u32) -> Option<&[u8]> {
    let last = to.checked_sub(1).filter(|last| *last >= from)?;
    let start = file.document.element(from - file.first)?.start;
    let end = file.document.element(last - file.first)?.end;
    Some(file.document.range(start, end))
}
