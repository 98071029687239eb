//! A store of layer records over a file with any content:
//!
//! - Opening never panics and never fails because of the file's content: damage is quarantined.
//! - Every listed record can be looked up by ID and by name; the answer has its own ID or is
//!   damaged.
//! - A file in the written form, without damage, is listed completely, in order, and byte for byte.
//! - A lookup without loading the file gives the same answer as one after loading it.
//! - A new record can be added and saved beside any damage; the other records and the damage stay
//!   as they were.
//! - Everything with an ID can be removed by it; damaged bytes are kept in side files.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use layerhold_json_store::{
    DamageKind, Damaged, JsonStore, KeySpec, Location, LocationId, LookupError, Options, Record,
    Resolution, Snapshot, Stored,
};
use layerhold_schema::{LayerRecord, RecordError, read_array, write_array};
use layerhold_testkit::{TempDir, scratch};

/// A layer record as the store sees it, with unchecked content.
#[derive(Debug, Clone)]
struct Layer(LayerRecord);

impl Record for Layer {
    const KIND: &'static str = "layer";
    const KEYS: &'static [KeySpec] = &[KeySpec::field("parent"), KeySpec::field("diff-digest")];
    type Error = RecordError;

    fn parse(json: &[u8]) -> Result<Self, RecordError> {
        LayerRecord::from_json(json).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write_json(out);
    }

    fn id(&self) -> &str {
        &self.0.id
    }

    fn names(&self) -> &[String] {
        &self.0.names
    }

    fn set_names(&mut self, names: Vec<String>) {
        self.0.names = names;
    }

    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        let value = if key == 0 {
            &self.0.parent
        } else {
            &self.0.diff_digest
        };
        if !value.is_empty() {
            found(value);
        }
    }
}

thread_local! {
    static PLACE: RefCell<TempDir> = RefCell::new(scratch());
}

/// Checks one input.
pub fn run(data: &[u8]) {
    PLACE.with_borrow_mut(|place| {
        check(place, data);
        // Side files for damage would accumulate.
        if std::fs::read_dir(place.path()).unwrap().count() > 50 {
            *place = scratch();
        }
    });
}

fn open(place: &TempDir) -> JsonStore<Layer> {
    let options = Options::new(place.path().join("layers.lock"), place.path());
    JsonStore::open(options.location(Location::durable(place.path(), "layers.json")))
        .expect("a directory can be opened")
}

fn check(place: &TempDir, data: &[u8]) {
    let path = place.path().join("layers.json");
    std::fs::write(&path, data).unwrap();
    let store = open(place);
    let snapshot = store.snapshot().expect("damage does not stop the store");
    let ids = ask(&snapshot);
    if let Ok(records) = read_array::<LayerRecord>(data)
        && write_array(&records) == data
        && is_sound(&records)
    {
        let expected: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        assert!(snapshot.ids().eq(expected.iter().copied()), "{expected:?}");
        assert!(snapshot.verify().is_empty());
        for record in &records {
            assert_eq!(snapshot.json(&record.id), Some(record.to_json().as_slice()));
        }
    }
    for text in ids
        .iter()
        .map(String::as_str)
        .take(5)
        .chain(["upper", "a", "the-new-one"])
    {
        ask_once(place, &snapshot, text);
    }
    drop(snapshot);
    add_one(&store, place, &ids);
}

/// Whether these records need no repair.
fn is_sound(records: &[LayerRecord]) -> bool {
    let ids: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
    let names: Vec<_> = records.iter().flat_map(|record| &record.names).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    // By documentation, a field whose name is not in Go's spelling is not found.
    ids.len() == records.len()
        && distinct.len() == names.len()
        && records
            .iter()
            .all(|record| !record.id.is_empty() && record.extra.is_empty())
}

fn ask(snapshot: &Arc<Snapshot<Layer>>) -> Vec<String> {
    let ids: Vec<String> = snapshot.ids().map(str::to_owned).collect();
    assert_eq!(ids.len(), snapshot.len());
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an ID is listed twice");
    for id in &ids {
        assert!(snapshot.contains(id));
        match snapshot.get(id) {
            Ok(Some(found)) => ask_names(snapshot, id, &found),
            Ok(None) => panic!("{id:?} is listed and not there"),
            Err(Damaged {
                kind: DamageKind::Invalid(_) | DamageKind::AmbiguousId,
                ..
            }) => {}
            Err(other) => panic!("{id:?} is listed and damaged otherwise: {other:?}"),
        }
    }
    drop((snapshot.files(), snapshot.damaged()));
    ids
}

fn ask_names(snapshot: &Arc<Snapshot<Layer>>, id: &str, found: &Layer) {
    assert_eq!(found.id(), id);
    drop(snapshot.by_key("parent", &found.0.parent));
    if !snapshot.json(id).is_some_and(is_plain) {
        return;
    }
    for name in found.names() {
        assert!(
            snapshot.by_name(name).is_some(),
            "{name:?} of {id:?} belongs to no record"
        );
    }
}

/// Whether the text has its names in Go's place. Others are found by ID only, as documented.
fn is_plain(json: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(json) else {
        return false;
    };
    text.to_ascii_lowercase().matches("names\"").count() == text.matches("\"names\"").count()
        && text.matches("\"names\"").count() == 1
        && !text.contains('\\')
}

fn add_one(store: &JsonStore<Layer>, place: &TempDir, before: &[String]) {
    const NEW: &str = "the-new-one";
    let mut guard = store.write().expect("damage does not stop a writer");
    let record = Layer(LayerRecord {
        id: NEW.to_owned(),
        ..LayerRecord::default()
    });
    let taken = before.iter().any(|id| id == NEW);
    let inserted = guard.insert(record, LocationId::FIRST);
    assert_eq!(inserted.is_err(), taken);
    if taken {
        return;
    }
    let draft = guard.to_snapshot();
    let json: Vec<Option<Vec<u8>>> = before
        .iter()
        .map(|id| draft.json(id).map(<[u8]>::to_vec))
        .collect();
    guard
        .save()
        .expect("a record can be added beside any damage");
    drop(guard);
    let after = open(place).snapshot().expect("what was saved can be read");
    let listed: Vec<&str> = after.ids().collect();
    let expected: Vec<&str> = before.iter().map(String::as_str).chain([NEW]).collect();
    assert_eq!(listed, expected, "a save of one record changed the list");
    for (id, json) in before.iter().zip(json) {
        assert_eq!(
            after.json(id).map(<[u8]>::to_vec),
            json,
            "{id:?} was changed by a save of another record"
        );
    }
    remove_all(store, place);
}

/// Everything with an ID can be removed by it, damaged or not, and does not come back; damaged
/// records are kept in side files.
fn remove_all(store: &JsonStore<Layer>, place: &TempDir) {
    let mut guard = store.write().expect("damage does not stop a writer");
    let mut ids: BTreeSet<String> = guard.ids().map(str::to_owned).collect();
    let mut bytes = Vec::new();
    for damaged in guard.verify() {
        if let Some(id) = damaged.id.clone() {
            ids.insert(id);
            bytes.push(guard.damaged_bytes(&damaged).to_vec());
        }
    }
    for id in &ids {
        // The valid record first, then others with its ID.
        while guard.contains(id) || !guard.damaged_with_id(id).is_empty() {
            guard.remove(id).expect("what has an ID can be removed");
        }
    }
    guard.save().expect("there is room");
    drop(guard);
    assert!(
        open(place)
            .snapshot()
            .expect("what was saved can be read")
            .is_empty()
    );
    let files = store.set_aside_files().expect("the directory can be read");
    let kept: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    for bytes in bytes {
        assert!(
            kept.contains(&bytes),
            "{:?} was not kept",
            String::from_utf8_lossy(&bytes)
        );
    }
}

/// A new store answers without loading the file; the answers are those of the snapshot.
fn ask_once(place: &TempDir, snapshot: &Snapshot<Layer>, text: &str) {
    let plain = |found: Resolution<Stored<Layer>>| found.one().map(|layer| layer.0.to_json());
    match (snapshot.lookup(text), open(place).lookup(text)) {
        (Ok(loaded), Ok(found)) => assert_eq!(plain(found), plain(loaded), "{text:?}"),
        (Err(_), Err(LookupError::Damaged(_))) => {}
        (loaded, found) => panic!("{text:?} is {loaded:?} and {found:?}"),
    }
}
