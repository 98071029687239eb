//! Recognising the few fields of a record that are indexed.

use crate::record::{KeySource, KeySpec};

/// A field that the splitter extracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Names,
    /// The key at this position among those of [`KeySource::Field`].
    Key(usize),
}

/// The field names to look for, prepared for comparing them with the bytes before a colon.
#[derive(Debug)]
pub(crate) struct Fields {
    patterns: Vec<Pattern>,
    /// For each last character of a name the patterns that end in it, as bits.
    by_last: [u32; 256],
    keys: usize,
}

#[derive(Debug)]
struct Pattern {
    field: Field,
    /// The name with both quotes.
    quoted: Vec<u8>,
    /// Its last eight bytes (fewer if it is short), as they lie in memory.
    tail: u64,
    mask: u64,
}

impl Pattern {
    fn new(field: Field, name: &str) -> Self {
        let quoted = format!("\"{name}\"").into_bytes();
        let mut tail = [0; 8];
        let mut mask = [0; 8];
        for ((to, mask), from) in tail
            .iter_mut()
            .zip(&mut mask)
            .rev()
            .zip(quoted.iter().rev())
        {
            *to = *from;
            *mask = 0xff;
        }
        Self {
            field,
            quoted,
            tail: u64::from_le_bytes(tail),
            mask: u64::from_le_bytes(mask),
        }
    }
}

impl Fields {
    /// Looks for identifiers, names, and the keys that are fields.
    pub(crate) fn new(keys: &[KeySpec]) -> Self {
        let mut patterns = vec![
            Pattern::new(Field::Id, "id"),
            Pattern::new(Field::Names, "names"),
        ];
        let fields = keys.iter().filter(|key| key.source() == KeySource::Field);
        patterns.extend(
            fields
                .enumerate()
                .map(|(position, key)| Pattern::new(Field::Key(position), key.name())),
        );
        // 32 bits; further fields would be found by nobody, which is noticed at once.
        debug_assert!(patterns.len() <= 32, "too many keys for one record type");
        let mut by_last = [0; 256];
        for (position, pattern) in patterns.iter().enumerate() {
            let last = pattern.quoted.iter().rev().nth(1).copied().unwrap_or(b'"');
            if let Some(bits) = by_last.get_mut(usize::from(last)) {
                *bits |= 1 << position;
            }
        }
        let keys = patterns.len() - 2;
        Self {
            patterns,
            by_last,
            keys,
        }
    }

    /// How many keys are fields.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// Which field the name that ends before `colon` is; `None` if it is not a name at all.
    #[inline]
    pub(crate) fn before(&self, bytes: &[u8], colon: usize) -> Option<Option<Field>> {
        let mut end = colon;
        while end
            .checked_sub(1)
            .and_then(|at| bytes.get(at))
            .is_some_and(|byte| crate::text::is_space(*byte))
        {
            end -= 1;
        }
        let before = bytes.get(..end)?;
        let (tail, last) = if let Some(tail) = before.last_chunk::<8>() {
            (u64::from_le_bytes(*tail), tail[6])
        } else {
            // The very beginning of a file, in front of which there is nothing.
            let mut tail = [0; 8];
            for (to, from) in tail.iter_mut().rev().zip(before.iter().rev()) {
                *to = *from;
            }
            (u64::from_le_bytes(tail), tail[6])
        };
        if tail >> 56 != u64::from(b'"') {
            return None;
        }
        let mut candidates = self.by_last.get(usize::from(last)).copied().unwrap_or(0);
        while candidates != 0 {
            let position = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let Some(pattern) = self.patterns.get(position) else {
                continue;
            };
            if tail & pattern.mask == pattern.tail
                && let Some(ahead) = before.strip_suffix(pattern.quoted.as_slice())
                // An escaped quote belongs to a longer name.
                && ahead.last() != Some(&b'\\')
            {
                return Some(Some(pattern.field));
            }
        }
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_whole_names_only() {
        let keys = [
            KeySpec::field("diff-digest"),
            KeySpec::computed("digest"),
            KeySpec::field("compressed-diff-digest"),
        ];
        let fields = Fields::new(&keys);
        assert_eq!(fields.keys(), 2);
        let cases = [
            (r#"{"id""#, Some(Some(Field::Id))),
            (r#"{"id"  "#, Some(Some(Field::Id))),
            (r#"{"x\"id""#, Some(None)),
            (r#""names""#, Some(Some(Field::Names))),
            (r#"{"a":1,"diff-digest""#, Some(Some(Field::Key(0)))),
            (
                r#"{"a":1,"compressed-diff-digest""#,
                Some(Some(Field::Key(1))),
            ),
            (r#"{"a":1,"x-diff-digest""#, Some(None)),
            (r#"{"a":1,"digest""#, Some(None)),
            (r#"{"a":1,"diff-digest"#, None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                fields.before(text.as_bytes(), text.len()),
                expected,
                "{text}"
            );
        }
    }
}
