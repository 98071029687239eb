//! Sparse files in PAX archives: versions 0.0 and 0.1 have the map in records, 1.0 in the payload.

use crate::block::BLOCK_SIZE;
use crate::number::parse_decimal;
use crate::{Header, ParseError};

/// Whether a header has a PAX sparse map, and where.
pub(crate) enum PaxSparse {
    No,
    InRecords(Vec<(i64, i64)>),
    InPayload,
}

/// Looks for sparse records, and takes the real name and size from them (Go: archive/tar/reader.go,
/// `readGNUSparsePAXHeaders`).
pub(crate) fn pax_sparse(header: &mut Header, offset: u64) -> Result<PaxSparse, ParseError> {
    if header.records.is_empty() {
        return Ok(PaxSparse::No);
    }
    let record = |key: &str| header.records.get(key.as_bytes()).unwrap_or_default();
    let is_in_payload = match (record("GNU.sparse.major"), record("GNU.sparse.minor")) {
        (b"0", b"0" | b"1") => false,
        (b"1", b"0") => true,
        // Versions 0.0 and 0.1 do not always have a version record.
        (b"", b"") if !record("GNU.sparse.map").is_empty() => false,
        _ => return Ok(PaxSparse::No),
    };
    let bad = ParseError::SparseMap { offset };
    let name = record("GNU.sparse.name").to_vec();
    let size = match (record("GNU.sparse.size"), record("GNU.sparse.realsize")) {
        (b"", b"") => None,
        (b"", size) | (size, _) => Some(parse_decimal(size).ok_or_else(|| bad.clone())?),
    };
    let pairs = if is_in_payload {
        None
    } else {
        let map = record("GNU.sparse.map");
        Some(map_in_records(record("GNU.sparse.numblocks"), map).ok_or(bad)?)
    };
    if !name.is_empty() {
        header.name = name;
    }
    header.size = size.unwrap_or(header.size);
    Ok(pairs.map_or(PaxSparse::InPayload, PaxSparse::InRecords))
}

/// Reads the comma-separated map of version 0.1.
fn map_in_records(count: &[u8], map: &[u8]) -> Option<Vec<(i64, i64)>> {
    let count = usize::try_from(parse_decimal(count)?).ok()?;
    if map.is_empty() {
        return (count == 0).then(Vec::new);
    }
    let numbers: Vec<i64> = map
        .split(|&b| b == b',')
        .map(parse_decimal)
        .collect::<Option<_>>()?;
    let (pairs, odd) = numbers.as_chunks::<2>();
    if pairs.len() != count || !odd.is_empty() {
        return None;
    }
    Some(
        pairs
            .iter()
            .map(|&[offset, length]| (offset, length))
            .collect(),
    )
}

/// The text of a version 1.0 map, collected block by block: one decimal number per line, first the
/// number of regions, then the offset and length of each.
#[derive(Debug)]
pub(crate) struct MapText {
    /// Start of the map in the raw bytes.
    start: usize,
    blocks: usize,
    lines: u64,
    /// Number of lines, once the first one is known.
    expected: Option<u64>,
}

impl MapText {
    pub(crate) fn new(start: usize) -> Self {
        Self {
            start,
            blocks: 0,
            lines: 0,
            expected: None,
        }
    }

    /// Bytes read so far.
    pub(crate) fn size(&self) -> u64 {
        (self.blocks * BLOCK_SIZE) as u64
    }

    /// Adds one more block from the end of `raw`; returns whether the map is complete.
    pub(crate) fn add_block(&mut self, raw: &[u8]) -> Option<bool> {
        let block = raw.last_chunk::<BLOCK_SIZE>()?;
        self.blocks += 1;
        self.lines += block.iter().filter(|&&b| b == b'\n').count() as u64;
        if self.expected.is_none() && self.lines > 0 {
            let count = u64::try_from(self.numbers(raw).next()??).ok()?;
            self.expected = Some(count.checked_mul(2)?.checked_add(1)?);
        }
        Some(self.expected.is_some_and(|expected| self.lines >= expected))
    }

    /// The pairs of a complete map.
    pub(crate) fn pairs(&self, raw: &[u8]) -> Option<Vec<(i64, i64)>> {
        let mut numbers = self.numbers(raw);
        let count = usize::try_from(numbers.next()??).ok()?;
        // `count` is safe: that many lines have been read.
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((numbers.next()??, numbers.next()??));
        }
        Some(pairs)
    }

    fn numbers<'r>(&self, raw: &'r [u8]) -> impl Iterator<Item = Option<i64>> + use<'r> {
        let text = raw.get(self.start..).unwrap_or_default();
        text.split(|&b| b == b'\n').map(parse_decimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(count: &str, map: &str, expected: Option<&[(i64, i64)]>) {
        let pairs = map_in_records(count.as_bytes(), map.as_bytes());
        assert_eq!(pairs.as_deref(), expected, "{count} {map}");
    }

    #[test]
    fn maps_in_records() {
        check("0", "", Some(&[]));
        check("1", "0,5", Some(&[(0, 5)]));
        check("2", "0,5,10,20", Some(&[(0, 5), (10, 20)]));
        check("1", "", None);
        check("1", "0,5,10", None);
        check("2", "0,5", None);
        check("", "0,5", None);
        check("-1", "0,5", None);
        check("1", "0,x", None);
    }
}
