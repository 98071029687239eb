//! Names: unique, and moving between records.

use layerhold_json_store::{ChangeError, JsonStore, LocationId, NameChange, NameConflict, Record};

use crate::support::{DURABLE, Place, Thing, VOLATILE, list, strings};

#[test]
fn a_name_is_taken_from_whoever_has_it() {
    let place = Place::new();
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard
        .insert(Thing::named("a", &["x", "y"]), DURABLE)
        .unwrap();
    guard.insert(Thing::named("v", &["z"]), VOLATILE).unwrap();
    guard.save().unwrap();
    let changed = guard
        .change_names("v", NameChange::Add, &strings(&["y", "w", "y"]))
        .unwrap();
    assert_eq!(changed.names(), ["y", "w", "z"]);
    assert_eq!(guard.by_name("y"), Some("v"));
    guard.save().unwrap();
    // Both files changed; only the name that was given on purpose counts as assigned.
    assert_eq!(
        place.text("things.json").unwrap(),
        r#"[{"id":"a","names":["x"]}]"#
    );
    assert_eq!(
        place.text("volatile-things.json").unwrap(),
        r#"[{"id":"v","names":["y","w","z"],"assigned":3}]"#
    );
    guard
        .change_names("v", NameChange::Remove, &strings(&["y", "none"]))
        .unwrap();
    assert_eq!(guard.by_name("y"), None);
    guard.change_names("a", NameChange::Set, &[]).unwrap();
    assert_eq!(guard.by_name("x"), None);
    assert_eq!(guard.get("a").unwrap().unwrap().names(), [""; 0]);
}

#[test]
fn new_records_do_not_take_names() {
    let place = Place::with(r#"[{"id":"a","names":["x"]}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    let error = guard
        .insert(Thing::named("b", &["x"]), DURABLE)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"cannot use the name "x": the thing a has it"#
    );
    assert!(matches!(error, ChangeError::NameInUse { name, id, .. } if name == "x" && id == "a"));
    let error = guard
        .insert(Thing::named("a", &["y"]), VOLATILE)
        .unwrap_err();
    assert!(matches!(error, ChangeError::IdInUse { id, .. } if id == "a"));
    for id in ["", ".", "..", "x/y", "/", "x\0", &"x".repeat(256)] {
        let error = guard.insert(Thing::new(id), DURABLE).unwrap_err();
        assert!(matches!(error, ChangeError::InvalidId { id: of, .. } if of == id));
    }
    assert!(matches!(
        guard
            .insert(Thing::new("b"), LocationId::new(2))
            .unwrap_err(),
        ChangeError::ReadOnly { .. }
    ));
    guard
        .insert(Thing::named("b", &["y", "y"]), DURABLE)
        .unwrap();
    assert_eq!(guard.get("b").unwrap().unwrap().names(), ["y"]);
    assert!(matches!(
        guard.update("b", |thing| *thing = Thing::new("c")).unwrap_err(),
        ChangeError::IdChanged { from, to, .. } if from == "b" && to == "c"
    ));
    assert!(matches!(
        guard.remove("c").unwrap_err(),
        ChangeError::NotFound { .. }
    ));
    assert_eq!(guard.ids().collect::<Vec<_>>(), ["a", "b"]);
}

const DOUBLED: &str = r#"[{"id":"a","names":["x","y"]},{"id":"b","names":["y","y"]}]"#;
const DOUBLED_VOLATILE: &str = r#"[{"id":"v","names":["x"]}]"#;

/// Name, loser and keeper of each conflict.
const CONFLICTS: [[&str; 3]; 2] = [["y", "a", "b"], ["x", "a", "v"]];

fn listed(conflicts: &[NameConflict]) -> Vec<[&str; 3]> {
    let mut listed = Vec::new();
    for NameConflict {
        name,
        lost_by,
        kept_by,
        ..
    } in conflicts
    {
        listed.push([name.as_str(), lost_by, kept_by]);
    }
    listed
}

/// A reader repairs too, and saves the file of the record that lost the name.
#[test]
fn doubled_names_go_to_the_later_record() {
    let place = Place::with(DOUBLED);
    place.write("volatile-things.json", DOUBLED_VOLATILE);
    let store = place.open();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.by_name("x"), Some("v"));
    assert_eq!(snapshot.by_name("y"), Some("b"));
    assert_eq!(snapshot.get("a").unwrap().unwrap().names(), [""; 0]);
    assert_eq!(listed(snapshot.name_conflicts()), CONFLICTS);
    assert_eq!(
        place.text("things.json").unwrap(),
        r#"[{"id":"a"},{"id":"b","names":["y","y"]}]"#
    );
    assert_eq!(
        place.text("volatile-things.json").unwrap(),
        DOUBLED_VOLATILE
    );
    assert_eq!(std::fs::read(place.file("things.lock")).unwrap().len(), 64);
    assert_eq!(place.open().snapshot().unwrap().name_conflicts(), []);
}

#[test]
fn a_read_only_store_repairs_in_memory() {
    let place = Place::with(DOUBLED);
    place.write("volatile-things.json", DOUBLED_VOLATILE);
    let store = JsonStore::<Thing>::open(place.options().read_only()).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.by_name("x"), Some("v"));
    assert_eq!(snapshot.get("a").unwrap().unwrap().names(), [""; 0]);
    assert_eq!(listed(snapshot.name_conflicts()), CONFLICTS);
    assert_eq!(place.text("things.json").unwrap(), DOUBLED);
    assert!(store.write().is_err());
}

/// Removing the holder does not bring a name back that an earlier record had in the file.
#[test]
fn lost_names_stay_lost() {
    let place = Place::with(list(&[
        Thing::named("a", &["x"]),
        Thing::named("b", &["x"]),
    ]));
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.remove("b").unwrap();
    assert_eq!(guard.by_name("x"), None);
    guard.save().unwrap();
    assert_eq!(place.text("things.json").unwrap(), r#"[{"id":"a"}]"#);
}
