//! A store of layer records over a file with any content:
//!
//! - Opening never panics and never fails because of what the file holds: damage is set aside.
//! - Whatever is listed can be asked for, by ID and by name, and answers with its own ID or as damaged.
//! - A file in the form it is written in, without damage, is listed completely, in order, and byte for byte.
//! - A new record can be added and saved beside any damage; everything else is there as before, and so is the damage.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use layerhold_json_store::{
    DamageKind, Damaged, JsonStore, KeySpec, Location, LocationId, Options, Record, Snapshot,
};
use layerhold_schema::{LayerRecord, RecordError, read_array, write_array};
use layerhold_testkit::{TempDir, scratch};

/// A layer, as the store sees it, without checking what it says.
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
        // Side files for damage would pile up.
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
    drop(snapshot);
    add_one(&store, place, &ids);
}

/// Whether nothing about these records has to be repaired.
fn is_sound(records: &[LayerRecord]) -> bool {
    let ids: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
    let names: Vec<_> = records.iter().flat_map(|record| &record.names).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    // A field of the same name that is not spelled as Go spells it is documented not to be found.
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
            "{name:?} of {id:?} belongs to nobody"
        );
    }
}

/// Whether the text has its names where Go writes them. Others are found by ID only, as the store's crate says.
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
    // A record whose text is no JSON can have the ID of a good one; which of the two is served depends on where the file was
    // torn, so only the ID is sure to be there again.
    let draft = guard.to_snapshot();
    let is_readable = !draft
        .damaged()
        .iter()
        .any(|damaged| matches!(damaged.kind, DamageKind::Syntax));
    let json: Vec<Option<Vec<u8>>> = before
        .iter()
        .map(|id| draft.json(id).map(<[u8]>::to_vec))
        .collect();
    guard
        .save()
        .expect("a record can be added beside any damage");
    drop(guard);
    let after = open(place).snapshot().expect("what was saved can be read");
    let listed: BTreeSet<&str> = after.ids().collect();
    for (id, json) in before.iter().zip(json) {
        assert!(listed.contains(id.as_str()), "{id:?} was lost by a save");
        if is_readable {
            assert_eq!(
                after.json(id).map(<[u8]>::to_vec),
                json,
                "{id:?} was changed by a save of another record"
            );
        }
    }
    assert!(listed.contains(NEW));
    // Without the torn end that a save takes away, a record that was set aside together with it may be listed; it is still
    // damaged, as asking for it tells.
    let more = listed
        .into_iter()
        .filter(|id| *id != NEW && !before.iter().any(|known| known == id));
    for id in more {
        assert!(after.get(id).is_err(), "{id:?} appeared from nowhere");
    }
}
