//! ID ranges in records.

use layerhold_idmap::{IdMap, IdRange};
use thiserror::Error;

use crate::error::Fault;
use crate::field::Field;
use crate::json::{Reader, write};

/// One range of a layer's or container's ID map, with the numbers in the file (Go:
/// pkg/idtools/idtools.go, `IDMap`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct IdMapEntry {
    /// The first ID inside.
    pub container_id: i64,
    /// The first ID outside.
    pub host_id: i64,
    /// Number of IDs.
    pub size: i64,
}

/// A range with numbers that are not IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("ID range {}:{}:{} has a number that is negative or too great", entry.container_id, entry.host_id, entry.size)]
#[non_exhaustive]
pub struct IdMapEntryError {
    /// The range.
    pub entry: IdMapEntry,
}

impl TryFrom<IdMapEntry> for IdRange {
    type Error = IdMapEntryError;

    fn try_from(entry: IdMapEntry) -> Result<Self, IdMapEntryError> {
        let range = || {
            let (container, host) = (
                entry.container_id.try_into().ok()?,
                entry.host_id.try_into().ok()?,
            );
            Some(Self::new(container, host, entry.size.try_into().ok()?))
        };
        range().ok_or(IdMapEntryError { entry })
    }
}

impl From<IdRange> for IdMapEntry {
    fn from(range: IdRange) -> Self {
        Self {
            container_id: range.container.get().into(),
            host_id: range.host.get().into(),
            size: range.size.try_into().unwrap_or(i64::MAX),
        }
    }
}

/// Converts a record's ranges to a map.
///
/// # Errors
///
/// Fails for the first range with numbers that are not IDs.
pub fn id_map_from_entries(entries: &[IdMapEntry]) -> Result<IdMap, IdMapEntryError> {
    entries
        .iter()
        .map(|entry| IdRange::try_from(*entry))
        .collect()
}

/// Converts a map to a record's ranges.
#[must_use]
pub fn id_map_to_entries(map: &IdMap) -> Vec<IdMapEntry> {
    map.ranges()
        .iter()
        .map(|range| IdMapEntry::from(*range))
        .collect()
}

impl Field for IdMapEntry {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut entry = Self::default();
        reader.object(|reader, name| {
            let (known, place) = if name.eq_ignore_ascii_case("container_id") {
                ("container_id", &mut entry.container_id)
            } else if name.eq_ignore_ascii_case("host_id") {
                ("host_id", &mut entry.host_id)
            } else if name.eq_ignore_ascii_case("size") {
                ("size", &mut entry.size)
            } else {
                return reader.raw().map(drop);
            };
            *place = reader
                .or_default(Reader::integer)
                .map_err(|fault| fault.in_field(known))?;
            Ok(())
        })?;
        Ok(entry)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"container_id\":");
        write::integer(out, self.container_id);
        out.extend_from_slice(b",\"host_id\":");
        write::integer(out, self.host_id);
        out.extend_from_slice(b",\"size\":");
        write::integer(out, self.size);
        out.push(b'}');
    }

    fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        let entry = |container_id, host_id, size| IdMapEntry {
            container_id,
            host_id,
            size,
        };
        let good = entry(0, 4_294_967_295, 4_294_967_296);
        let map = id_map_from_entries(&[good]).unwrap();
        assert_eq!(map.to_string(), "0:4294967295:4294967296");
        assert_eq!(id_map_to_entries(&map), [good]);
        for bad in [entry(-1, 0, 1), entry(0, 4_294_967_296, 1), entry(0, 0, -1)] {
            assert_eq!(
                id_map_from_entries(&[good, bad]),
                Err(IdMapEntryError { entry: bad })
            );
        }
        let error = IdMapEntryError {
            entry: entry(0, 1, -1),
        };
        assert_eq!(
            error.to_string(),
            "ID range 0:1:-1 has a number that is negative or too great"
        );
    }
}
