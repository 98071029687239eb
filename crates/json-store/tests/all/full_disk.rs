//! A filesystem without any room left.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use layerhold_json_store::{JsonStore, NameChange, Record};
use layerhold_testkit::{FilesystemKind, require_filesystem};

use crate::support::{DURABLE, Thing, list, options_in, strings};

/// Takes every byte that is left, up to the last block.
fn fill(dir: &Path) {
    let mut file = File::create(dir.join("filler")).unwrap();
    for size in [1 << 16, 4096, 512, 1] {
        let piece = vec![0_u8; size];
        while file.write_all(&piece).is_ok() && file.sync_data().is_ok() {}
    }
    // Directories have room of their own.
    for number in 0.. {
        let Ok(mut more) = File::create(dir.join(format!("filler-{number:060}"))) else {
            return;
        };
        if more.write_all(&[0; 4096]).is_err() || number > 2000 {
            return;
        }
    }
}

fn things(count: usize) -> Vec<Thing> {
    let thing = |number: usize| {
        Thing::named(&format!("{number:03}"), &[&format!("name-{number}")])
            .with("text", "y".repeat(number % 90 + 1))
    };
    (0..count).map(thing).collect()
}

fn empties_itself(kind: FilesystemKind, mib: u64) {
    let Some(filesystem) = require_filesystem(kind, mib) else {
        return;
    };
    let dir = filesystem.path().join("store");
    let store = JsonStore::<Thing>::open(options_in(&dir)).unwrap();
    let mut guard = store.write().unwrap();
    for thing in things(200) {
        guard.insert(thing, DURABLE).unwrap();
    }
    guard.save().unwrap();
    drop(guard);
    fill(filesystem.path());

    let file = dir.join("things.json");
    let full = std::fs::read(&file).unwrap();
    assert_eq!(full, list(&things(200)).into_bytes());
    let mut expected = things(200);
    // From the middle, the end and the beginning, one by one and several at once.
    for round in [
        vec![100],
        vec![199],
        vec![0],
        vec![1, 2, 50, 198, 101],
        (60..90).collect(),
    ] {
        let mut guard = store.write().unwrap();
        for number in round {
            let id = format!("{number:03}");
            guard.remove(&id).unwrap();
            expected.retain(|thing| thing.id() != id);
        }
        guard.save().unwrap();
        drop(guard);
        check(&dir, &expected);
        // Valid for all other readers too.
        let text = std::fs::read(&file).unwrap();
        assert_eq!(text.len(), full.len());
        let all: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        assert_eq!(all.len(), expected.len());
    }

    // A record that shrinks, and one that takes the room of one that is gone.
    let mut guard = store.write().unwrap();
    guard.change_names("010", NameChange::Set, &[]).unwrap();
    guard.update("010", |thing| thing.set("text", "")).unwrap();
    guard.save().unwrap();
    drop(guard);
    let small = store
        .snapshot()
        .unwrap()
        .get("010")
        .unwrap()
        .unwrap()
        .into_record();
    *expected
        .iter_mut()
        .find(|thing| thing.id() == "010")
        .unwrap() = small.as_ref().clone();
    check(&dir, &expected);

    // Everything goes.
    let mut guard = store.write().unwrap();
    for thing in &expected {
        guard.remove(thing.id()).unwrap();
    }
    guard.save().unwrap();
    drop(guard);
    check(&dir, &[]);
    std::fs::remove_file(filesystem.path().join("filler")).unwrap();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("new"), DURABLE).unwrap();
    guard.save().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), br#"[{"id":"new"}]"#);
}

fn check(dir: &Path, expected: &[Thing]) {
    let snapshot = JsonStore::<Thing>::open(options_in(dir))
        .unwrap()
        .snapshot()
        .unwrap();
    assert_eq!(snapshot.verify().len(), 0);
    let found = snapshot
        .iter()
        .map(|thing| thing.unwrap().into_record().as_ref().clone());
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn root_a_full_tmpfs_can_be_emptied() {
    empties_itself(FilesystemKind::Tmpfs, 1);
}

#[test]
fn root_a_full_ext4_can_be_emptied() {
    empties_itself(FilesystemKind::Ext4, 8);
}

/// Growing needs room; without it the save fails and everything is as before.
#[test]
fn root_what_does_not_fit_is_refused() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 1) else {
        return;
    };
    let dir = filesystem.path().join("store");
    let store = JsonStore::<Thing>::open(options_in(&dir)).unwrap();
    let mut guard = store.write().unwrap();
    for thing in things(50) {
        guard.insert(thing, DURABLE).unwrap();
    }
    guard.save().unwrap();
    fill(filesystem.path());
    let before = std::fs::read(dir.join("things.json")).unwrap();
    guard
        .insert(Thing::new("big").with("text", "x".repeat(9000)), DURABLE)
        .unwrap();
    guard.remove("007").unwrap();
    let error = guard.save().unwrap_err();
    assert!(error.is_out_of_space(), "{error:?}");
    assert_eq!(std::fs::read(dir.join("things.json")).unwrap(), before);
    assert_eq!(guard.len(), 50);
    // A little more fits into the last block of the file.
    guard
        .change_names("007", NameChange::Add, &strings(&["longer-than-before"]))
        .unwrap();
    guard.save().unwrap();
    drop(guard);
    let reopened = JsonStore::<Thing>::open(options_in(&dir))
        .unwrap()
        .snapshot()
        .unwrap();
    assert_eq!(reopened.by_name("longer-than-before"), Some("007"));
    assert_eq!(reopened.by_name("name-7"), Some("007"));
    assert_eq!(reopened.len(), 50);
    assert_eq!(reopened.verify().len(), 0);
}
