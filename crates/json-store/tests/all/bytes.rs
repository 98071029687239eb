//! What is in the files after a save, byte by byte.

use std::os::unix::fs::PermissionsExt;

use layerhold_json_store::NameChange;

use crate::support::{DURABLE, Place, Thing, VOLATILE, strings};

#[test]
fn nothing_is_created_before_the_first_save() {
    let place = Place::new();
    let store = place.open();
    assert!(store.snapshot().unwrap().is_empty());
    store.write().unwrap().save().unwrap();
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn new_records_come_last() {
    let place = Place::new();
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::named("a", &["x"]), DURABLE).unwrap();
    guard.insert(Thing::new("v"), VOLATILE).unwrap();
    guard.save().unwrap();
    guard.insert(Thing::new("b"), DURABLE).unwrap();
    guard.save().unwrap();
    assert_eq!(
        place.text("things.json").unwrap(),
        r#"[{"id":"a","names":["x"]},{"id":"b"}]"#
    );
    assert_eq!(
        place.text("volatile-things.json").unwrap(),
        r#"[{"id":"v"}]"#
    );
    for file in ["things.json", "volatile-things.json"] {
        let mode = std::fs::metadata(place.file(file)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
    }
    assert_eq!(place.files(), ["things.json", "volatile-things.json"]);
    assert_eq!(guard.ids().collect::<Vec<_>>(), ["a", "b", "v"]);
}

#[test]
fn an_emptied_store_is_an_empty_list() {
    let place = Place::with(r#"[{"id":"a"},{"id":"b"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.remove("a").unwrap();
    guard.remove("b").unwrap();
    guard.save().unwrap();
    assert_eq!(place.text("things.json").unwrap(), "[]");
    assert_eq!(place.text("volatile-things.json"), None);
}

/// Odd spacing, escapes, order and fields of others survive in records that do not change.
#[test]
fn records_that_do_not_change_stay_as_they_are() {
    let first = r#"{ "names":["\u0061"], "id" : "a","x":1.50 }"#;
    let second = r#"{"id":"b","parent":"p","zzz":{"é":[null]}}"#;
    let third = r#"{"id":"\u0063","n":1e2}"#;
    let place = Place::with(format!("[\n {first} ,\n\t{second},{third}\n]\n"));
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.update("b", |thing| thing.set("parent", "q")).unwrap();
    guard.save().unwrap();
    let changed = r#"{"id":"b","parent":"q","zzz":{"é":[null]}}"#;
    assert_eq!(
        place.text("things.json").unwrap(),
        format!("[{first},{changed},{third}]")
    );
    // A second save starts from what the first one wrote.
    guard.insert(Thing::new("d"), DURABLE).unwrap();
    guard.remove("a").unwrap();
    guard.save().unwrap();
    assert_eq!(
        place.text("things.json").unwrap(),
        format!("[{changed},{third},{}]", r#"{"id":"d"}"#)
    );
    assert_eq!(guard.by_name("a"), None);
    assert_eq!(guard.get("c").unwrap().unwrap().json["n"], 100.0);
}

#[test]
fn runs_of_records_keep_what_is_between_them() {
    let place = Place::with("[{\"id\":\"a\"} , {\"id\":\"b\"},\n{\"id\":\"c\"}, {\"id\":\"d\"}]");
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.remove("c").unwrap();
    guard.save().unwrap();
    assert_eq!(
        place.text("things.json").unwrap(),
        "[{\"id\":\"a\"} , {\"id\":\"b\"},{\"id\":\"d\"}]"
    );
}

#[test]
fn only_changed_files_are_written() {
    let place = Place::with(r#" [{"id":"a"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("v"), VOLATILE).unwrap();
    guard.save().unwrap();
    assert_eq!(place.text("things.json").unwrap(), r#" [{"id":"a"}]"#);
}

#[test]
fn changes_that_change_nothing_are_not_saved() {
    let place = Place::with(r#" [{"id":"a","names":["x"]}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.update("a", |thing| thing.set("id", "a")).unwrap();
    assert!(!guard.is_dirty());
    guard.save().unwrap();
    assert_eq!(
        place.text("things.json").unwrap(),
        r#" [{"id":"a","names":["x"]}]"#
    );
    assert_eq!(std::fs::read(place.file("things.lock")).unwrap(), b"");
}

#[test]
fn unsaved_changes_go_with_the_guard() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = place.open();
    let mut guard = store.write().unwrap();
    guard.remove("a").unwrap();
    guard.insert(Thing::new("b"), DURABLE).unwrap();
    assert_eq!(guard.ids().collect::<Vec<_>>(), ["b"]);
    drop(guard);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.ids().collect::<Vec<_>>(), ["a"]);
    assert_eq!(place.text("things.json").unwrap(), r#"[{"id":"a"}]"#);
}

/// More changes than are kept on top of what was loaded.
#[test]
fn many_saves_give_what_one_would_give() {
    let place = Place::new();
    let store = place.open();
    let mut expected = Vec::new();
    for number in 0..700 {
        let mut guard = store.write().unwrap();
        let id = format!("{:04}", number % 50);
        if guard.contains(&id) {
            let change = NameChange::Set;
            guard
                .change_names(&id, change, &strings(&[&format!("n{number}"), "moving"]))
                .unwrap();
        } else {
            guard.insert(Thing::new(&id), VOLATILE).unwrap();
        }
        guard.save().unwrap();
        expected.retain(|(known, _)| *known != id);
        expected.push((id, number));
    }
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.len(), 50);
    for (id, number) in &expected {
        assert_eq!(snapshot.by_name(&format!("n{number}")), Some(id.as_str()));
    }
    assert_eq!(snapshot.by_name("moving"), Some("0049"));
    let other = place.open().snapshot().unwrap();
    let json = |snapshot: &layerhold_json_store::Snapshot<Thing>| -> Vec<Vec<u8>> {
        let ids: Vec<String> = snapshot.ids().map(str::to_owned).collect();
        ids.iter()
            .map(|id| snapshot.json(id).unwrap().to_vec())
            .collect()
    };
    assert_eq!(json(&snapshot), json(&other));
}
