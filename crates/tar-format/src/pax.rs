use std::ops::Range;

use crate::ParseError;

pub(crate) const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";
const SPARSE_OFFSET: &[u8] = b"GNU.sparse.offset";
const SPARSE_NUM_BYTES: &[u8] = b"GNU.sparse.numbytes";
const SPARSE_MAP: &[u8] = b"GNU.sparse.map";

/// The shortest record is `5 k=\n`.
const SHORTEST_RECORD: i64 = 5;

/// The PAX records of one header: key and value pairs, sorted by key, each key once.
///
/// All text is in one buffer, which a parser reuses for the next entry.
#[derive(Clone, Default)]
pub struct PaxRecords {
    text: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Clone, Debug)]
struct Record {
    key: Range<usize>,
    value: Range<usize>,
}

impl PaxRecords {
    /// No records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All records, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records
            .iter()
            .map(|r| (slice(&self.text, &r.key), slice(&self.text, &r.value)))
    }

    /// The value of `key`, which may be empty.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.position(key).ok()?;
        self.records
            .get(at)
            .map(|record| slice(&self.text, &record.value))
    }

    /// Sets the value of `key`, replacing an existing one.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) {
        let record = Record {
            key: self.append(key),
            value: self.append(value),
        };
        match self.position(key) {
            Ok(at) => {
                if let Some(old) = self.records.get_mut(at) {
                    *old = record;
                }
            }
            Err(at) => self.records.insert(at, record),
        }
    }

    /// Removes all records but keeps the buffers.
    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.records
            .binary_search_by(|record| slice(&self.text, &record.key).cmp(key))
    }

    fn append(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        start..self.text.len()
    }

    /// Replaces the records by those in an extension header's body, which starts at `offset`.
    ///
    /// Of several records with one key, the last one wins, as in Go's map. The offset and length
    /// records of sparse format 0.0 become one map record of format 0.1 (Go: archive/tar/reader.go,
    /// `parsePAX`).
    pub(crate) fn parse(&mut self, body: &[u8], offset: u64) -> Result<(), ParseError> {
        self.clear();
        self.text.extend_from_slice(body);
        let mut sparse_pairs: Vec<Range<usize>> = Vec::new();
        let mut position = 0;
        while position < body.len() {
            let malformed = ParseError::PaxRecord {
                offset: offset + position as u64,
            };
            let Some((record, end)) = parse_record(body, position) else {
                return Err(malformed);
            };
            position = end;
            let (key, value) = (slice(body, &record.key), slice(body, &record.value));
            if key == SPARSE_OFFSET || key == SPARSE_NUM_BYTES {
                let expected = if sparse_pairs.len().is_multiple_of(2) {
                    SPARSE_OFFSET
                } else {
                    SPARSE_NUM_BYTES
                };
                if key != expected || value.contains(&b',') {
                    return Err(malformed);
                }
                sparse_pairs.push(record.value);
            } else {
                self.records.push(record);
            }
        }
        if !sparse_pairs.is_empty() {
            let pairs: Vec<&[u8]> = sparse_pairs.iter().map(|pair| slice(body, pair)).collect();
            let record = Record {
                key: self.append(SPARSE_MAP),
                value: self.append(&pairs.join(&b',')),
            };
            self.records.push(record);
        }
        self.sort();
        Ok(())
    }

    fn sort(&mut self) {
        let text = &self.text;
        self.records
            .sort_by(|a, b| slice(text, &a.key).cmp(slice(text, &b.key)));
        self.records.dedup_by(|later, kept| {
            let same = slice(text, &later.key) == slice(text, &kept.key);
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
    }
}

impl PartialEq for PaxRecords {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PaxRecords {}

impl std::fmt::Debug for PaxRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_map()
            .entries(self.iter().map(|(key, value)| (text(key), text(value))))
            .finish()
    }
}

fn slice<'a>(text: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    text.get(range.clone()).unwrap_or_default()
}

/// Reads the record at `start`; returns it and the start of the next one.
fn parse_record(body: &[u8], start: usize) -> Option<(Record, usize)> {
    let rest = body.get(start..)?;
    let space = rest.iter().position(|&b| b == b' ')?;
    let length = crate::number::parse_decimal(rest.get(..space)?)?;
    if length < SHORTEST_RECORD {
        return None;
    }
    let length = usize::try_from(length).ok()?;
    let record = rest.get(..length)?;
    let content = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = content.iter().position(|&b| b == b'=')?;
    let (key, value) = (content.get(..equals)?, content.get(equals + 1..)?);
    if !is_valid(key, value) {
        return None;
    }
    let key_start = start + space + 1;
    let value_start = key_start + equals + 1;
    let record = Record {
        key: key_start..key_start + key.len(),
        value: value_start..value_start + value.len(),
    };
    Some((record, start + length))
}

/// Whether a record is valid: no NUL in the key, nor in the value of a text field (Go:
/// archive/tar/strconv.go, `validPAXRecord`).
pub(crate) fn is_valid(key: &[u8], value: &[u8]) -> bool {
    if key.is_empty() || key.contains(&b'=') {
        return false;
    }
    match key {
        b"path" | b"linkpath" | b"uname" | b"gname" => !value.contains(&0),
        _ => !key.contains(&0),
    }
}

/// Appends one encoded record; its length counts its own digits.
pub(crate) fn write_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let content = key.len() + value.len() + b" =\n".len();
    let mut length = content + digits(content);
    if digits(length) > digits(content) {
        length = content + digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(body: &[u8], expected: Option<&[(&str, &str)]>) {
        let mut records = PaxRecords::new();
        let parsed = records.parse(body, 0).ok().map(|()| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            records
                .iter()
                .map(|(k, v)| (text(k), text(v)))
                .collect::<Vec<_>>()
        });
        let expected = expected.map(|records| {
            records
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        });
        assert_eq!(parsed, expected, "{}", String::from_utf8_lossy(body));
    }

    #[test]
    fn reads_records_as_go_does() {
        check(b"", Some(&[]));
        check(b"6 k=1\n", Some(&[("k", "1")]));
        check(b"5 k=\n", Some(&[("k", "")]));
        check(
            b"6 k=1\n6 k=2\n6 a=3\n5 k=\n",
            Some(&[("a", "3"), ("k", "")]),
        );
        check(b"+6 k=1\n", None);
        check(b"+7 k=1\n", Some(&[("k", "1")]));
        check(b"7 k=1=\n", Some(&[("k", "1=")]));
        check(b"6 k=1\nx", None);
        check(b"6 k=1x", None);
        check(b"6 k-1\n", None);
        check(b"4 =1\n", None);
        check(b"5 =1\n", None);
        check(b"000000005 k=1\n", None);
        check(b"-6 k=1\n", None);
        check(b"99999999999999999999 k=1\n", None);
        check(b"100 k=1\n", None);
        check(b"6\nk=1\n", None);
    }

    #[test]
    fn nul_is_refused_where_go_refuses_it() {
        check(b"9 path=\0\n", None);
        check(b"6 \0=1\n", None);
        check(b"6 k=\0\n", Some(&[("k", "\0")]));
    }

    #[test]
    fn sparse_0_0_becomes_0_1() {
        let mut body = Vec::new();
        for (key, value) in [
            ("offset", "0"),
            ("numbytes", "5"),
            ("offset", "10"),
            ("numbytes", "6"),
        ] {
            write_record(
                &mut body,
                format!("GNU.sparse.{key}").as_bytes(),
                value.as_bytes(),
            );
        }
        check(&body, Some(&[("GNU.sparse.map", "0,5,10,6")]));
        let mut wrong_order = Vec::new();
        write_record(&mut wrong_order, SPARSE_NUM_BYTES, b"5");
        check(&wrong_order, None);
        let mut comma = Vec::new();
        write_record(&mut comma, SPARSE_OFFSET, b"5,6");
        check(&comma, None);
    }

    #[test]
    fn length_counts_its_own_digits() {
        for size in [
            0, 1, 2, 3, 90, 91, 92, 93, 94, 95, 96, 988, 989, 990, 991, 992, 993, 9990,
        ] {
            let mut out = Vec::new();
            write_record(&mut out, b"key", &vec![b'v'; size]);
            let stated: usize = String::from_utf8_lossy(&out)
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(stated, out.len(), "{size}");
        }
    }

    proptest! {
        #[test]
        fn records_round_trip(pairs in proptest::collection::btree_map(
            "[a-zA-Z.]{1,20}", proptest::collection::vec(1u8.., 0..200), 0..8,
        )) {
            prop_assume!(!pairs.keys().any(|key| key.starts_with("GNU.sparse.")));
            let mut body = Vec::new();
            for (key, value) in &pairs {
                write_record(&mut body, key.as_bytes(), value);
            }
            let mut records = PaxRecords::new();
            records.parse(&body, 0).unwrap();
            let read: Vec<_> = records.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            let written: Vec<_> = pairs.into_iter().map(|(k, v)| (k.into_bytes(), v)).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn inserting_replaces(values in proptest::collection::vec("[ab]{0,2}", 1..20)) {
            let mut records = PaxRecords::new();
            let mut model = std::collections::BTreeMap::new();
            for (index, key) in values.iter().enumerate() {
                let value = index.to_string().into_bytes();
                records.insert(key.as_bytes(), &value);
                model.insert(key.clone().into_bytes(), value);
            }
            let read: Vec<_> = records.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(read, model.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = PaxRecords::new().parse(&body, 0);
        }
    }
}
