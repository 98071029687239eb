//! Looking a record up once, by a scan of the files that keeps nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use layerhold_sys::{Dir, PathError};
use layerhold_truncindex::Resolution;

use crate::damage::Damaged;
use crate::fields::Fields;
use crate::options::{Location, LocationId, Options};
use crate::record::{KeySource, KeyUse, Record};
use crate::scan::{ScanResult, scan};
use crate::shared::{ReadError, Shared};
use crate::snapshot::Stored;

/// Why a record could not be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The records could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record is there but damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl LookupError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Read(error) if error.is_out_of_space())
    }

    /// Whether the wait for the lock was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Read(error) if error.is_cancelled())
    }
}

/// `None` if what is in the files must be loaded to know.
pub(crate) fn in_passing<R: Record>(
    shared: &Shared<R>,
    text: &str,
) -> Result<Option<Resolution<Stored<R>>>, ReadError> {
    // A second lookup pays for an index.
    if is_computed::<R>() || shared.passed.swap(true, Ordering::Relaxed) {
        return Ok(None);
    }
    let _lock = shared.lock_read()?;
    if shared.cached().is_some() {
        return Ok(None);
    }
    let mut beginning = None;
    for (position, location) in shared.options.locations.iter().enumerate() {
        let location_id = LocationId::new(position);
        match scan_location(&shared.options, location, text, &shared.fields)? {
            ScanResult::Nothing => {}
            ScanResult::Record(json) => {
                let record = plain::<R>(&json).filter(|record| record.id() == text);
                return Ok(record.map(|record| found(record, location_id)));
            }
            ScanResult::Beginning(json) => {
                if beginning.replace((json, location_id)).is_some() {
                    return Ok(None);
                }
            }
            ScanResult::Unsure => return Ok(None),
        }
    }
    let Some((json, location)) = beginning else {
        return Ok(Some(Resolution::None));
    };
    let record = plain::<R>(&json).filter(|record| record.id().starts_with(text));
    Ok(record.map(|record| found(record, location)))
}

/// Whether texts are resolved by keys whose values need not be in the record.
fn is_computed<R: Record>() -> bool {
    let mut keys = R::KEYS.iter();
    keys.any(|key| key.usage() == KeyUse::Resolved && key.source() == KeySource::Computed)
}

fn scan_location(
    options: &Options,
    location: &Location,
    text: &str,
    fields: &Fields,
) -> Result<ScanResult, ReadError> {
    let dir = match Dir::open_ambient(&location.dir) {
        Err(error) if error.is_not_found() => return Ok(ScanResult::Nothing),
        other => other.map_err(ReadError::File)?,
    };
    let file = options.io.open(&dir, &location.file, options.limit);
    let Some(file) = file.map_err(ReadError::File)? else {
        return Ok(ScanResult::Nothing);
    };
    scan(file, text, fields)
        .map_err(|source| ReadError::File(PathError::new("read", location.path(), source)))
}

/// The record, if loading would give the same: it can be read and has no names, which it may have
/// lost to another record.
fn plain<R: Record>(json: &[u8]) -> Option<R> {
    let record = R::parse(json).ok()?;
    record.names().is_empty().then_some(record)
}

fn found<R: Record>(record: R, location: LocationId) -> Resolution<Stored<R>> {
    Resolution::One(Stored::new(Arc::new(record), location))
}
