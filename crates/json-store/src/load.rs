//! Reading the files of a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_sys::{Dir, PathError, Stat, Timestamp, stat_ambient};

use crate::damage::{Damaged, NameConflict};
use crate::document::Document;
use crate::fields::Fields;
use crate::loaded::{Entry, LoadedRecords};
use crate::location::LocationSet;
use crate::options::{Location, LocationId, Options};
use crate::record::Record;
use crate::snapshot::Snapshot;

/// By what a file is recognised as unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: Timestamp,
    ctime: Timestamp,
}

impl From<Stat> for Stamp {
    fn from(stat: Stat) -> Self {
        Self {
            dev: stat.dev,
            ino: stat.ino,
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
        }
    }
}

/// The stamps of all locations; a missing file has none.
pub(crate) fn stamps(options: &Options) -> Result<Vec<Option<Stamp>>, PathError> {
    let stamp = |location: &Location| {
        let stat = stat_ambient(location.path())?;
        Ok(stat.map(Stamp::from))
    };
    options.locations.iter().map(stamp).collect()
}

/// All records, as the files of a store together say.
#[derive(Debug)]
pub(crate) struct Joined<R: Record> {
    /// The records, with names taken from all but the last holder.
    pub(crate) snapshot: Snapshot<R>,
    /// The locations that have to be saved for that.
    pub(crate) repairs: LocationSet,
}

/// Reads and joins all locations.
pub(crate) fn load<R: Record>(options: &Options, fields: &Fields) -> Result<Joined<R>, PathError> {
    let mut documents = Vec::with_capacity(options.locations.len());
    // Most locations are in one directory, which is opened once.
    let mut opened: Option<(&Path, Option<Dir>)> = None;
    for (position, location) in options.locations.iter().enumerate() {
        let dir = match opened.take_if(|(path, _)| *path == location.dir) {
            Some((_, dir)) => dir,
            None => open_if_there(&location.dir)?,
        };
        let document = read(options, dir.as_ref(), location, fields)?;
        opened = Some((&location.dir, dir));
        documents.push((
            LocationId::new(position),
            Arc::new(location.path()),
            Arc::new(document),
        ));
    }
    let mut loaded = join(documents);
    loaded.repairs.retain_writable(options);
    Ok(loaded)
}

/// Joins documents and resolves what they disagree about.
fn join<R: Record>(documents: Vec<(LocationId, Arc<PathBuf>, Arc<Document>)>) -> Joined<R> {
    let (loaded, conflicts) = LoadedRecords::new(documents);
    let mut losers: Vec<Entry> = conflicts.iter().map(|(loser, _)| *loser).collect();
    losers.sort_unstable();
    losers.dedup();
    let all: Vec<NameConflict> = conflicts
        .into_iter()
        .map(|(_, conflict)| conflict)
        .collect();
    let mut loaded = Joined {
        snapshot: Snapshot::new(loaded, all),
        repairs: LocationSet::default(),
    };
    for loser in losers {
        // A damaged record has no names to lose.
        let _damage: Option<Damaged> = loaded.take_names(loser).err();
    }
    loaded
}

impl<R: Record> Snapshot<R> {
    /// Takes the content of one record file for a whole store, without any file.
    /// Content that is no list of records is treated as damage, as it would be in a store.
    #[must_use]
    pub fn from_bytes(content: Vec<u8>) -> Self {
        let document = Document::new(content, &Fields::new(R::KEYS));
        let file = (LocationId::FIRST, Arc::default(), Arc::new(document));
        join(vec![file]).snapshot
    }
}

impl<R: Record> Joined<R> {
    /// Takes the names from a record that other records hold.
    fn take_names(&mut self, loser: Entry) -> Result<(), Damaged> {
        let snapshot = &mut self.snapshot;
        let mut record = snapshot.loaded.record(loser)?.as_ref().clone();
        let kept = record.names().iter().filter(|name| {
            let holder = snapshot.loaded.find_name(name);
            holder.is_none_or(|holder| holder == loser)
        });
        let kept: Vec<String> = kept.cloned().collect();
        if kept.len() == record.names().len() {
            return Ok(());
        }
        record.set_names(kept);
        let Some((file, _)) = snapshot.loaded.locate(loser) else {
            return Ok(());
        };
        let location = file.location;
        // The file of the loser is the one to be saved; Go marks that of the
        // holder, so that the repair may never get to the disk (Go: containers.go).
        self.repairs.insert(location);
        let _record = Arc::make_mut(&mut snapshot.pending).put(record, location, Some(loser));
        Ok(())
    }
}

fn open_if_there(path: &Path) -> Result<Option<Dir>, PathError> {
    match Dir::open_ambient(path) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

fn read(
    options: &Options,
    dir: Option<&Dir>,
    location: &Location,
    fields: &Fields,
) -> Result<Document, PathError> {
    let Some(dir) = dir else {
        return Ok(Document::absent());
    };
    let bytes = options.io.read(dir, &location.file, options.limit);
    let document = match bytes? {
        Some(bytes) => Document::new(bytes, fields),
        None => Document::absent(),
    };
    Ok(document)
}
