//! What is not served, and what is wrong with it.

use crate::LocationId;
use crate::base::{Base, Entry, Part, lock};
use crate::damage::{DamageKind, Damaged};
use crate::document::Fault;
use crate::record::Record;
use crate::text::{quoted, skip_space, unescape};

impl<R: Record> Base<R> {
    pub(crate) fn hide(&mut self, entry: Entry, kind: DamageKind) {
        self.hidden.insert(entry);
        self.damage.extend(self.damaged(entry, kind));
    }

    pub(crate) fn damaged(&self, entry: Entry, kind: DamageKind) -> Option<Damaged> {
        let (part, item) = self.locate(entry)?;
        Some(Damaged {
            record_kind: R::KIND,
            location: part.location,
            path: part.path.as_ref().clone(),
            index: (entry - part.first) as usize,
            offset: u64::from(item.start),
            len: u64::from(item.end.saturating_sub(item.start)),
            kind,
        })
    }

    /// Damage of an entry that does not exist, which nobody asks for.
    pub(crate) fn nowhere(&self) -> Damaged {
        Damaged {
            record_kind: R::KIND,
            location: LocationId::FIRST,
            path: self
                .parts
                .first()
                .map(|part| part.path.as_ref().clone())
                .unwrap_or_default(),
            index: 0,
            offset: 0,
            len: 0,
            kind: DamageKind::Syntax,
        }
    }

    /// All damage that is known by now, by files and positions.
    pub(crate) fn damage(&self) -> Vec<Damaged> {
        let mut all = self.damage.clone();
        all.extend(lock(&self.found).values().cloned());
        all.sort_by_key(|damaged| (damaged.location, damaged.offset));
        all
    }

    /// The bytes that damage is about.
    pub(crate) fn damaged_bytes(&self, damaged: &Damaged) -> &[u8] {
        if let Some(entry) = self.entry_of(damaged) {
            return self.raw(entry);
        }
        let mut parts = self.parts.iter();
        let part = parts.find(|part| part.location == damaged.location);
        part.map(|part| part.document.tail()).unwrap_or_default()
    }

    /// The identifier that damaged bytes begin with, as far as it can be told.
    pub(crate) fn claimed_id(&self, damaged: &Damaged) -> Option<String> {
        let known = self.entry_of(damaged).map(|entry| self.id(entry));
        if let Some(id) = known.filter(|id| !id.is_empty()) {
            return Some(id.to_owned());
        }
        claimed_id(self.damaged_bytes(damaged))
    }

    /// The elements that are left out because another one has this identifier.
    pub(crate) fn duplicates_of(&self, id: &str) -> Vec<Damaged> {
        let same = |damaged: &&Damaged| matches!(&damaged.kind, DamageKind::DuplicateId { id: other } if other == id);
        self.damage.iter().filter(same).cloned().collect()
    }

    /// The entry that damage is about; `None` for the end of a file.
    pub(crate) fn entry_of(&self, damaged: &Damaged) -> Option<Entry> {
        let part = self
            .parts
            .iter()
            .find(|part| part.location == damaged.location)?;
        let entry = part.first.checked_add(u32::try_from(damaged.index).ok()?)?;
        let (_, item) = self
            .locate(entry)
            .filter(|(found, _)| found.location == part.location)?;
        (u64::from(item.start) == damaged.offset).then_some(entry)
    }
}

impl From<Fault> for DamageKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax => Self::Syntax,
            Fault::MissingId => Self::MissingId,
        }
    }
}

pub(crate) fn tail_damage<R: Record>(part: &Part) -> Damaged {
    let len = part.document.tail().len() as u64;
    Damaged {
        record_kind: R::KIND,
        location: part.location,
        path: part.path.as_ref().clone(),
        index: part.document.items().len(),
        offset: part.document.bytes.len() as u64 - len,
        len,
        kind: DamageKind::Tail,
    }
}

/// The identifier at the beginning of bytes that are no record: records of all tools have it first.
/// At the end of a torn file there may be a comma before it.
fn claimed_id(bytes: &[u8]) -> Option<String> {
    let start = skip_space(bytes, 0);
    let comma = usize::from(bytes.get(start) == Some(&b','));
    let after = |position: usize, token: &[u8]| {
        let start = skip_space(bytes, position);
        let rest = bytes.get(start..)?;
        rest.starts_with(token).then(|| start + token.len())
    };
    let name = after(start + comma, b"{")?;
    let colon = after(after(name, b"\"id\"")?, b":")?;
    let quote = after(colon, b"\"")? - 1;
    let found = quoted(bytes, quote)?;
    let id = unescape(bytes.get(found.start..found.end)?)?;
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_bytes_claim_the_identifier_they_begin_with() {
        let cases = [
            (r#"{"id":"a","n":}"#, Some("a")),
            (r#" { "id" : "a\u0062" "#, Some("ab")),
            (r#",{"id":"a","names":["x"#, Some("a")),
            (r#"{"id":"a""#, Some("a")),
            (r#"{"id":"a"#, None),
            (r#"{"id":"","n":1}"#, None),
            (r#"{"id":1}"#, None),
            (r#"{"n":1,"id":"a"}"#, None),
            (r#"{"id":"\q"}"#, None),
            (",", None),
            ("", None),
            ("null", None),
        ];
        for (bytes, id) in cases {
            assert_eq!(claimed_id(bytes.as_bytes()).as_deref(), id, "{bytes}");
        }
        assert_eq!(claimed_id(b"{\"id\":\"\xff\"}"), None);
    }
}
