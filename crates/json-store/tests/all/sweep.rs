//! Temporary files of killed writers.

use crate::support::{DURABLE, Place, Thing};

/// The names in the directory of the records that begin as temporary files do, sorted.
fn temporary_files(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(".tmp-")).collect();
    names.sort();
    names
}

#[test]
fn the_first_save_removes_what_killed_writers_left() {
    let place = Place::new();
    for name in [
        ".tmp-things.json123",
        ".tmp-volatile-things.json4294967295",
        ".tmp-things.json.damaged-0123456789abcdef7",
        ".tmp-others.json123",
        ".tmp-things.json",
        ".tmp-things.jsonx1",
    ] {
        place.write(name, "cut off");
    }
    std::fs::create_dir(place.file(".tmp-things.json5")).unwrap();
    let kept = [
        ".tmp-others.json123",
        ".tmp-things.json",
        ".tmp-things.json5",
        ".tmp-things.jsonx1",
    ];
    let store = place.open();
    // Readers, and writers that save nothing, remove nothing.
    drop(store.snapshot().unwrap());
    let mut guard = store.write().unwrap();
    guard.save().unwrap();
    assert_eq!(temporary_files(&place).len(), 7);
    guard.insert(Thing::new("a"), DURABLE).unwrap();
    guard.save().unwrap();
    assert_eq!(temporary_files(&place), kept);
}
