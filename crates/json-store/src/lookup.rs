//! A question that a process asks once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use layerhold_sys::{Dir, PathError};
use layerhold_truncindex::Resolution;

use crate::error::{LookupError, ReadError};
use crate::fields::Fields;
use crate::load::file_error;
use crate::options::{Location, LocationId, Options};
use crate::record::{KeySource, KeyUse, Record};
use crate::seek::{Sought, seek};
use crate::snapshot::Stored;
use crate::store::JsonStore;

impl<R: Record> JsonStore<R> {
    /// The record that a text means now, as [`Snapshot::lookup`](crate::Snapshot::lookup) of a new
    /// snapshot tells.
    ///
    /// The first time, if nothing is loaded, the files are passed over without being kept, which
    /// takes a third of the time and next to no memory where the text is an identifier, the
    /// beginning of one only, or nothing at all. Otherwise, and where that does not settle it, this
    /// is a lookup in a snapshot.
    pub fn lookup(&self, text: &str) -> Result<Resolution<Stored<R>>, LookupError> {
        if let Some(found) = self.lookup_in_passing(text)? {
            return Ok(found);
        }
        Ok(self.snapshot()?.lookup(text)?)
    }

    /// `None` if what is in the files must be loaded to know.
    fn lookup_in_passing(&self, text: &str) -> Result<Option<Resolution<Stored<R>>>, ReadError> {
        let shared = &self.shared;
        // Who asks again is better off with an index.
        if is_computed::<R>() || shared.passed.swap(true, Ordering::Relaxed) {
            return Ok(None);
        }
        let _lock = shared.lock_read()?;
        if shared.known().is_some() {
            return Ok(None);
        }
        let mut beginning = None;
        for (position, location) in shared.options.locations.iter().enumerate() {
            let location_id = LocationId::new(position);
            match pass::<R>(&shared.options, location, text, &shared.fields)? {
                Sought::Nothing => {}
                Sought::Record(json) => {
                    let record = plain::<R>(&json).filter(|record| record.id() == text);
                    return Ok(record.map(|record| found(record, location_id)));
                }
                Sought::Beginning(json) => {
                    if beginning.replace((json, location_id)).is_some() {
                        return Ok(None);
                    }
                }
                Sought::Unsure => return Ok(None),
            }
        }
        let Some((json, location)) = beginning else {
            return Ok(Some(Resolution::None));
        };
        let record = plain::<R>(&json).filter(|record| record.id().starts_with(text));
        Ok(record.map(|record| found(record, location)))
    }
}

/// Whether there are keys by which texts are resolved that need not stand in a record.
fn is_computed<R: Record>() -> bool {
    let mut keys = R::KEYS.iter();
    keys.any(|key| key.usage() == KeyUse::Resolved && key.source() == KeySource::Computed)
}

fn pass<R: Record>(
    options: &Options,
    location: &Location,
    text: &str,
    fields: &Fields,
) -> Result<Sought, ReadError> {
    let dir = match Dir::open_ambient(&location.dir) {
        Err(error) if error.is_not_found() => return Ok(Sought::Nothing),
        other => other.map_err(file_error::<R>)?,
    };
    let file = options.io.open(&dir, &location.file, options.limit);
    let Some(file) = file.map_err(file_error::<R>)? else {
        return Ok(Sought::Nothing);
    };
    seek(file, text, fields)
        .map_err(|source| file_error::<R>(PathError::new("read", location.path(), source)))
}

/// The record, if it is as it would be loaded: one that can be read and has no names that it may
/// have lost to another record.
fn plain<R: Record>(json: &[u8]) -> Option<R> {
    let record = R::parse(json).ok()?;
    record.names().is_empty().then_some(record)
}

fn found<R: Record>(record: R, location: LocationId) -> Resolution<Stored<R>> {
    Resolution::One(Stored::new(Arc::new(record), location))
}
