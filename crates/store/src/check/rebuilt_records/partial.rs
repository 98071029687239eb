//! What can be read of a damaged record.

use std::collections::BTreeMap;

use layerhold_json_store::{Record, Snapshot as RecordSnapshot};
use layerhold_sys::Dir;
use serde_json::{Map, Value};

use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{MergedRecords, Placement, Records, read_error};
use crate::check::error::CheckError;

/// Side files with damaged records are read up to this size.
const MAX_SIDE_FILE: u64 = 64 << 20;

/// What can be read of a damaged record.
#[derive(Debug, Clone, Default)]
pub(super) struct PartialRecord {
    /// The members, in the order of the text.
    members: Map<String, Value>,
    /// The names of invalid members, which were left out.
    invalid: Vec<String>,
    /// Whether the text has all members.
    is_whole: bool,
    /// The record file that it was in; `None` for one that was set aside.
    pub(super) placement: Option<Placement>,
}

impl PartialRecord {
    /// Reads all complete members. What is before the first brace is skipped.
    fn read(bytes: &[u8]) -> Option<Self> {
        let start = bytes.iter().position(|byte| *byte == b'{')?;
        let mut rest = bytes.get(start + 1..)?;
        let mut partial = Self::default();
        loop {
            rest = rest.trim_ascii_start();
            match rest.first()? {
                b'}' => {
                    partial.is_whole = true;
                    break;
                }
                b',' => rest = rest.get(1..)?,
                _ => {}
            }
            let Some((name, value, behind)) = member(rest) else {
                break;
            };
            drop(partial.members.insert(name, value));
            rest = behind;
        }
        partial.id().is_some().then_some(partial)
    }

    fn id(&self) -> Option<&str> {
        self.members.get("id")?.as_str().filter(|id| !id.is_empty())
    }

    /// Tells whether the record states a field, if only by leaving it out as empty. Members are
    /// written in the order of `fields`, so a later one shows that an earlier one was empty.
    pub(super) fn states(&self, field: &str, fields: &[&str]) -> bool {
        let mut later = fields.iter().skip_while(|name| **name != field);
        let is_invalid = self.invalid.iter().any(|name| name == field);
        !is_invalid && (self.is_whole || later.any(|name| self.members.contains_key(*name)))
    }

    /// Removes invalid members. `base` is a valid record, to which each member is added by itself.
    pub(super) fn keep_valid<R: Record>(&mut self, base: &Map<String, Value>) {
        let invalid = &mut self.invalid;
        self.members.retain(|name, value| {
            let mut alone = base.clone();
            drop(alone.insert(name.clone(), value.clone()));
            let is_valid = R::parse(Value::Object(alone).to_string().as_bytes()).is_ok();
            if !is_valid {
                invalid.push(name.clone());
            }
            is_valid
        });
    }

    /// Sets the ID, which may be missing in the remains.
    pub(super) fn set_id(&mut self, id: &str) {
        let id = Value::String(id.to_owned());
        drop(self.members.insert("id".to_owned(), id));
    }

    pub(super) fn members_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.members
    }

    /// The members as the JSON of a record.
    pub(super) fn json(&self) -> Vec<u8> {
        Value::Object(self.members.clone()).to_string().into_bytes()
    }
}

/// Parses the name and the value at the beginning of a text, and returns the rest.
fn member(text: &[u8]) -> Option<(String, Value, &[u8])> {
    let (name, behind) = value(text)?;
    let Value::String(name) = name else {
        return None;
    };
    let behind = behind.trim_ascii_start().strip_prefix(b":")?;
    let (value, behind) = value(behind)?;
    // A number at the end of a torn text may be cut off.
    (!behind.is_empty() || !value.is_number()).then_some((name, value, behind))
}

fn value(text: &[u8]) -> Option<(Value, &[u8])> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

/// The partial records of one kind, by ID.
#[derive(Debug, Default)]
pub(super) struct PartialRecords(BTreeMap<String, PartialRecord>);

impl PartialRecords {
    /// Reads them from the record files, and from the side files to which damaged records were
    /// moved.
    pub(super) fn gather<R: ItemRecord>(records: &MergedRecords<R>) -> Result<Self, CheckError> {
        let mut partials = Self::default();
        for (position, (store, part)) in records.own().enumerate() {
            partials.in_files(position, part);
            let files = store.store.set_aside_files();
            for path in files.map_err(read_error::<R>)? {
                let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
                    continue;
                };
                let bytes = Dir::open_ambient(dir)?.read_file(name, MAX_SIDE_FILE)?;
                partials.add(&bytes.unwrap_or_default(), None);
            }
        }
        Ok(partials)
    }

    fn in_files<R: ItemRecord>(&mut self, store: usize, part: &RecordSnapshot<R>) {
        for damaged in part.verify() {
            let location = damaged.location;
            self.add(
                part.damaged_bytes(&damaged),
                Some(Placement { store, location }),
            );
        }
    }

    fn add(&mut self, bytes: &[u8], placement: Option<Placement>) {
        let Some(mut partial) = PartialRecord::read(bytes) else {
            return;
        };
        partial.placement = placement;
        if let Some(id) = partial.id().map(str::to_owned) {
            let _first = self.0.entry(id).or_insert(partial);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&PartialRecord> {
        self.0.get(id)
    }

    /// The IDs of the records that are still in a record file.
    pub(super) fn in_record_files(&self) -> impl Iterator<Item = &str> {
        let in_record_files = self
            .0
            .iter()
            .filter(|(_, partial)| partial.placement.is_some());
        in_record_files.map(|(id, _)| id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, bool)> {
        let partial = PartialRecord::read(text.as_bytes())?;
        let json = String::from_utf8(partial.json()).unwrap();
        Some((json, partial.is_whole))
    }

    #[test]
    fn whole_members_are_read() {
        for (text, expected) in [
            (
                r#"{"id":"a","x":[1,{"y":2}]}"#,
                Some((r#"{"id":"a","x":[1,{"y":2}]}"#, true)),
            ),
            (r#",{"id":"a","x":"cu"#, Some((r#"{"id":"a"}"#, false))),
            (r#"{"id":"a","x":12"#, Some((r#"{"id":"a"}"#, false))),
            (
                r#"{"id":"a","x":12,"#,
                Some((r#"{"id":"a","x":12}"#, false)),
            ),
            (r#"{"id":"a","x"#, Some((r#"{"id":"a"}"#, false))),
            (
                r#"{ "id" : "a" , "x" : true }"#,
                Some((r#"{"id":"a","x":true}"#, true)),
            ),
            (r#"{"id":"","x":1}"#, None),
            (r#"{"x":1,"id""#, None),
            ("{", None),
            ("]", None),
            ("", None),
        ] {
            let expected = expected.map(|(json, is_whole)| (json.to_owned(), is_whole));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_comes_later_tells_of_what_is_not_there() {
        let fields = ["id", "names", "parent", "created"];
        let torn = PartialRecord::read(br#"{"id":"a","parent":"b","cre"#).unwrap();
        assert!(torn.states("names", &fields) && torn.states("parent", &fields));
        assert!(!torn.states("created", &fields));
        let whole = PartialRecord::read(br#"{"id":"a"}"#).unwrap();
        assert!(whole.states("created", &fields));
    }
}
