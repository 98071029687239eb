//! Several handles, threads and locks.

use std::sync::Arc;
use std::time::Duration;

use layerhold_json_store::layerhold_lockfile::LockError;
use layerhold_json_store::{JsonStore, Location, Options, ReadError, Record};

use crate::support::{DURABLE, Place, Thing, VOLATILE};

#[test]
fn handles_see_what_others_saved() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    assert!(two.snapshot().unwrap().is_empty());
    for number in 0..20 {
        let (writer, reader) = if number % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let mut guard = writer.write().unwrap();
        assert_eq!(guard.len(), number);
        guard
            .insert(Thing::new(&format!("{number:02}")), VOLATILE)
            .unwrap();
        guard.save().unwrap();
        drop(guard);
        assert_eq!(reader.snapshot().unwrap().len(), number + 1);
    }
}

#[test]
fn nothing_is_loaded_twice() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = place.open();
    let first = store.snapshot().unwrap();
    assert!(Arc::ptr_eq(&first, &store.snapshot().unwrap()));
    assert!(Arc::ptr_eq(
        &first,
        store.clone().read().unwrap().snapshot()
    ));
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("b"), DURABLE).unwrap();
    guard.save().unwrap();
    drop(guard);
    let second = store.snapshot().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!((first.len(), second.len()), (1, 2));
    // A save of our own does not make the store load again.
    place.write("things.json", "garbage");
    assert_eq!(store.snapshot().unwrap().len(), 2);
}

#[test]
fn guards_exclude_each_other() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    let reader = one.read().unwrap();
    assert!(two.try_read().unwrap().is_some());
    assert!(two.try_write().unwrap().is_none());
    assert!(
        one.write_timeout(Duration::from_millis(5))
            .unwrap()
            .is_none()
    );
    drop(reader);
    let writer = one.try_write().unwrap().unwrap();
    assert!(one.try_read().unwrap().is_none());
    assert!(
        two.read_timeout(Duration::from_millis(5))
            .unwrap()
            .is_none()
    );
    assert!(two.try_write().unwrap().is_none());
    drop(writer);
    assert!(two.read_timeout(Duration::from_secs(60)).unwrap().is_some());
}

#[test]
fn a_bounded_wait_names_the_holder() {
    let place = Place::new();
    let one = place.open();
    let options = place.options().lock_timeout(Duration::from_millis(5));
    let two = JsonStore::<Thing>::open(options).unwrap();
    assert_eq!(two.lock_holders().unwrap(), []);
    let writer = one.write().unwrap();
    let own = Some(std::process::id());
    for error in [
        two.read().map(drop).unwrap_err(),
        two.write().map(drop).unwrap_err(),
        two.snapshot().map(drop).unwrap_err(),
    ] {
        assert!(error.is_timed_out() && !error.is_cancelled());
        let ReadError::Lock {
            source: LockError::TimedOut { holders, .. },
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        let pids: Vec<_> = holders.iter().map(|holder| holder.pid).collect();
        assert_eq!(pids, [own]);
    }
    drop(writer);
    assert!(two.snapshot().is_ok());
}

#[test]
fn threads_share_one_store() {
    let place = Place::new();
    let store = place.open();
    let names = ["x".to_owned()];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, names) = (&store, &names);
            scope.spawn(move || {
                for round in 0..25 {
                    let id = format!("{thread}-{round}");
                    let mut guard = store.write().unwrap();
                    guard.insert(Thing::new(&id), VOLATILE).unwrap();
                    guard
                        .change_names(&id, layerhold_json_store::NameChange::Set, names)
                        .unwrap();
                    guard.save().unwrap();
                    drop(guard);
                    let snapshot = store.snapshot().unwrap();
                    assert!(snapshot.contains(&id));
                    let holder = snapshot.by_name("x").unwrap();
                    assert_eq!(snapshot.get(holder).unwrap().unwrap().names(), names);
                }
            });
        }
    });
    let snapshot = place.open().snapshot().unwrap();
    assert_eq!(snapshot.len(), 100);
    let named = snapshot
        .iter()
        .filter(|thing| !thing.as_ref().unwrap().names().is_empty());
    assert_eq!(named.count(), 1);
}

#[test]
fn a_vanished_directory_comes_back() {
    let place = Place::new();
    let dir = place.file("store");
    let store = JsonStore::<Thing>::open(crate::support::options_in(&dir)).unwrap();
    for id in ["a", "b"] {
        let mut guard = store.write().unwrap();
        guard.insert(Thing::new(id), DURABLE).unwrap();
        guard.save().unwrap();
        drop(guard);
        assert_eq!(store.snapshot().unwrap().ids().collect::<Vec<_>>(), [id]);
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(store.snapshot().unwrap().is_empty());
    }
}

/// A location that is only read.
#[test]
fn read_only_locations_are_served_but_not_changed() {
    let place = Place::with(r#"[{"id":"a","names":["x"]}]"#);
    place.write("other.json", r#"[{"id":"o","names":["x","y"]}]"#);
    let options = place
        .options()
        .location(Location::read_only(place.path(), "other.json"));
    let store = JsonStore::<Thing>::open(options).unwrap();
    let mut guard = store.write().unwrap();
    assert_eq!(guard.by_name("x"), Some("o"));
    assert!(guard.remove("o").is_err());
    assert!(guard.update("o", |thing| thing.set("n", 1)).is_err());
    assert!(
        guard
            .change_names(
                "a",
                layerhold_json_store::NameChange::Set,
                &["y".to_owned()]
            )
            .is_err()
    );
    assert_eq!(guard.get("o").unwrap().unwrap().names(), ["x", "y"]);
    guard.insert(Thing::new("b"), DURABLE).unwrap();
    guard.save().unwrap();
    assert_eq!(
        place.text("things.json").unwrap(),
        r#"[{"id":"a"},{"id":"b"}]"#
    );
}

#[test]
fn a_read_only_store_needs_no_lock_file() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = JsonStore::<Thing>::open(place.options().read_only()).unwrap();
    assert_eq!(store.snapshot().unwrap().len(), 1);
    assert!(matches!(store.write(), Err(ReadError::ReadOnly { .. })));
    assert!(JsonStore::<Thing>::open(Options::new("lock", "data")).is_err());
}

#[test]
fn large_files_are_refused() {
    let place = Place::with(r#"[{"id":"a"}]"#);
    let store = JsonStore::<Thing>::open(place.options().limit(11)).unwrap();
    assert!(matches!(store.snapshot(), Err(ReadError::File(_))));
    let store = JsonStore::<Thing>::open(place.options().limit(12)).unwrap();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("b"), DURABLE).unwrap();
    let error = guard.save().unwrap_err();
    assert!(matches!(
        error,
        layerhold_json_store::SaveError::TooLarge {
            size: 23,
            limit: 12,
            ..
        }
    ));
    assert_eq!(guard.ids().collect::<Vec<_>>(), ["a"]);
    assert_eq!(place.text("things.json").unwrap(), r#"[{"id":"a"}]"#);
}

/// Compiles only if stores, snapshots and guards can go to other threads.
#[test]
fn everything_can_be_sent_to_other_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<JsonStore<Thing>>();
    check::<layerhold_json_store::Snapshot<Thing>>();
    check::<layerhold_json_store::ReadGuard<Thing>>();
    check::<layerhold_json_store::WriteGuard<Thing>>();
}
