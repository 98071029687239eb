//! Recognising the few fields of a record that are indexed.

use crate::record::{KeySource, KeySpec, KeyUse};

/// A field that the splitter extracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Names,
    /// The key at this position among those of [`KeySource::Field`].
    Key(usize),
}

/// The names of the fields to extract.
#[derive(Debug)]
pub(crate) struct Fields {
    fields: Vec<Wanted>,
    /// For each length of a name the fields that are so long, as bits; the last
    /// place is for all longer ones.
    by_length: [u32; 32],
    keys: usize,
    /// The keys by whose values texts are resolved, as bits.
    resolved: u32,
}

#[derive(Debug)]
struct Wanted {
    field: Field,
    name: &'static [u8],
    ends: Ends,
}

/// The first and the last eight bytes of a name, padded with zeros if it is
/// shorter. Comparing these saves a call to compare memory for nearly all names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    head: u64,
    tail: u64,
}

impl Ends {
    #[inline]
    fn of(text: &[u8], name: &[u8], start: usize) -> Self {
        if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
            return Self {
                head: u64::from_le_bytes(*head),
                tail: u64::from_le_bytes(*tail),
            };
        }
        let word = match text.get(start..).and_then(|rest| rest.first_chunk()) {
            // What follows the name is masked out.
            Some(word) => u64::from_le_bytes(*word) & !(u64::MAX << (name.len() * 8)),
            None => {
                let mut word = [0; 8];
                for (to, from) in word.iter_mut().zip(name) {
                    *to = *from;
                }
                u64::from_le_bytes(word)
            }
        };
        Self {
            head: word,
            tail: word,
        }
    }
}

/// So many bytes of a name are certain when its ends are.
const CERTAIN: usize = 16;

impl Fields {
    /// Looks for IDs, names, and the keys that are fields.
    pub(crate) fn new(keys: &'static [KeySpec]) -> Self {
        let wanted = |field, name: &'static str| Wanted {
            field,
            name: name.as_bytes(),
            ends: Ends::of(&[], name.as_bytes(), 0),
        };
        let mut fields = vec![wanted(Field::Id, "id"), wanted(Field::Names, "names")];
        let keys = keys.iter().filter(|key| key.source() == KeySource::Field);
        let mut resolved = 0;
        for (position, key) in keys.enumerate() {
            fields.push(wanted(Field::Key(position), key.name()));
            if key.usage() == KeyUse::Resolved {
                resolved |= 1 << position;
            }
        }
        // Further fields would never be found; the assertion notices that at once.
        debug_assert!(fields.len() <= 32, "too many keys for one record type");
        let mut by_length = [0; 32];
        for (position, wanted) in fields.iter().enumerate() {
            if let Some(bits) = by_length.get_mut(wanted.name.len().min(31)) {
                *bits |= 1 << position;
            }
        }
        let keys = fields.len() - 2;
        Self {
            fields,
            by_length,
            keys,
            resolved,
        }
    }

    /// Whether a text means the record in which this field has it as a value.
    pub(crate) fn is_resolved(&self, field: Field) -> bool {
        match field {
            Field::Id | Field::Names => true,
            Field::Key(position) => self.resolved >> position & 1 == 1,
        }
    }

    /// How many keys are fields.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// The field whose name is at a place of a text.
    #[inline]
    pub(crate) fn find(&self, text: &[u8], start: usize, end: usize) -> Option<Field> {
        let name = text.get(start..end)?;
        let mut candidates = self.by_length.get(name.len().min(31)).copied()?;
        if candidates == 0 {
            return None;
        }
        let ends = Ends::of(text, name, start);
        while candidates != 0 {
            let position = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let wanted = self.fields.get(position)?;
            if wanted.ends == ends && (name.len() <= CERTAIN || wanted.name == name) {
                return Some(wanted.field);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_whole_names_only() {
        let keys = const {
            &[
                KeySpec::field("diff-digest"),
                KeySpec::computed("digest"),
                KeySpec::field("compressed-diff-digest"),
                KeySpec::field("a-name-that-is-longer-than-thirty-two-bytes"),
            ]
        };
        let fields = Fields::new(keys);
        assert_eq!(fields.keys(), 3);
        let cases = [
            ("id", Some(Field::Id)),
            ("names", Some(Field::Names)),
            ("diff-digest", Some(Field::Key(0))),
            ("compressed-diff-digest", Some(Field::Key(1))),
            (
                "a-name-that-is-longer-than-thirty-two-bytes",
                Some(Field::Key(2)),
            ),
            ("a-name-that-is-longer-than-thirty-two-bytez", None),
            ("digest", None),
            ("Id", None),
            ("", None),
        ];
        for (name, expected) in cases {
            for rest in ["", "\":1,", "\":\"some longer value\""] {
                let text = format!("{{\"{name}{rest}");
                let found = fields.find(text.as_bytes(), 2, 2 + name.len());
                assert_eq!(found, expected, "{text}");
            }
        }
    }
}
