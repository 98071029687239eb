//! Every operation of a save fails once, and the store is opened again.

use std::ffi::OsStr;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use layerhold_json_store::layerhold_sys::{Dir, HostIo, MetadataIo, PathError, Staged};
use layerhold_json_store::{JsonStore, NameChange};

use crate::support::{DURABLE, Place, Thing, VOLATILE, list, strings};

/// Counts operations and fails the one with a given number.
#[derive(Debug)]
struct FaultIo {
    count: AtomicUsize,
    failing: usize,
    kind: io::ErrorKind,
    done: Mutex<Vec<&'static str>>,
}

impl FaultIo {
    fn new(failing: usize, kind: io::ErrorKind) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            failing,
            kind,
            done: Mutex::default(),
        })
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn step(&self, operation: &'static str) -> Result<(), PathError> {
        self.done.lock().unwrap().push(operation);
        if self.count.fetch_add(1, Ordering::Relaxed) == self.failing {
            return Err(PathError::new(operation, "here", self.kind.into()));
        }
        Ok(())
    }
}

impl MetadataIo for FaultIo {
    fn read(&self, dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Vec<u8>>, PathError> {
        self.step("read")?;
        HostIo.read(dir, name, limit)
    }

    fn stage(
        &self,
        dir: &Dir,
        name: &OsStr,
        mode: u32,
        chunks: &[&[u8]],
    ) -> Result<Staged, PathError> {
        self.step("stage")?;
        HostIo.stage(dir, name, mode, chunks)
    }

    fn sync(&self, staged: &Staged) -> Result<(), PathError> {
        self.step("sync")?;
        HostIo.sync(staged)
    }

    fn publish(&self, staged: Staged) -> Result<(), PathError> {
        self.step("publish")?;
        HostIo.publish(staged)
    }

    fn remove(&self, dir: &Dir, name: &OsStr) -> Result<bool, PathError> {
        self.step("remove")?;
        HostIo.remove(dir, name)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), PathError> {
        self.step("sync directory")?;
        HostIo.sync_dir(dir)
    }
}

const NEVER: usize = usize::MAX;

fn before() -> (String, String) {
    (
        list(&[Thing::named("a", &["x"]), Thing::new("b")]),
        list(&[Thing::named("v", &["y"])]),
    )
}

/// Changes both files; returns whether everything worked.
fn work(store: &JsonStore<Thing>) -> bool {
    let Ok(mut guard) = store.write() else {
        return false;
    };
    let changed = guard
        .change_names("v", NameChange::Add, &strings(&["x"]))
        .is_ok()
        && guard.remove("b").is_ok()
        && guard.insert(Thing::new("c"), DURABLE).is_ok()
        && guard.insert(Thing::new("w"), VOLATILE).is_ok();
    if !changed {
        return false;
    }
    let saved = guard.save().is_ok();
    // Whatever happened, the guard says what is on the disk.
    let ids: Vec<String> = guard.ids().map(str::to_owned).collect();
    drop(guard);
    if let Ok(snapshot) = store.snapshot() {
        assert_eq!(snapshot.ids().collect::<Vec<_>>(), ids);
    }
    saved
}

fn place() -> Place {
    let (durable, volatile) = before();
    let place = Place::with(durable);
    place.write("volatile-things.json", volatile);
    place
}

fn contents(place: &Place) -> (String, String) {
    (
        place.text("things.json").unwrap(),
        place.text("volatile-things.json").unwrap(),
    )
}

/// What saving one new record does to the disk, in order.
fn operations_of_a_save(location: layerhold_json_store::LocationId) -> Vec<&'static str> {
    let place = place();
    let io = FaultIo::new(NEVER, io::ErrorKind::Other);
    let store = JsonStore::open(place.options().io(io.clone())).unwrap();
    let mut guard = store.write().unwrap();
    guard.insert(Thing::new("new"), location).unwrap();
    io.done.lock().unwrap().clear();
    guard.save().unwrap();
    drop(guard);
    io.done.lock().unwrap().clone()
}

#[test]
fn a_durable_file_is_on_the_disk_before_and_after_it_gets_its_name() {
    assert_eq!(
        operations_of_a_save(DURABLE),
        ["stage", "sync", "publish", "sync directory"]
    );
    assert_eq!(operations_of_a_save(VOLATILE), ["stage", "publish"]);
}

#[test]
fn each_operation_fails_in_turn() {
    let clean = place();
    let counting = FaultIo::new(NEVER, io::ErrorKind::Other);
    let store = JsonStore::open(clean.options().io(counting.clone())).unwrap();
    assert!(work(&store));
    let after = contents(&clean);
    assert_ne!(after, before());
    let operations = counting.count();
    assert!(operations >= 8, "{operations}");

    for kind in [io::ErrorKind::Other, io::ErrorKind::ReadOnlyFilesystem] {
        for failing in 0..operations {
            let place = place();
            let io = FaultIo::new(failing, kind);
            let store = JsonStore::open(place.options().io(io.clone())).unwrap();
            assert!(!work(&store), "{failing}");
            // Each file is the old one or the new one, and there is nothing else.
            let (durable, volatile) = contents(&place);
            assert!(
                durable == before().0 || durable == after.0,
                "{failing}: {durable}"
            );
            assert!(
                volatile == before().1 || volatile == after.1,
                "{failing}: {volatile}"
            );
            assert_eq!(place.files(), ["things.json", "volatile-things.json"]);
            let reopened = place.open().snapshot().unwrap();
            assert_eq!(reopened.verify().len(), 0);
            // The same handle works on once the fault is over.
            assert!(io.count() > failing);
            let ids: Vec<String> = reopened.ids().map(str::to_owned).collect();
            assert_eq!(store.snapshot().unwrap().ids().collect::<Vec<_>>(), ids);
            let mut guard = store.write().unwrap();
            guard.insert(Thing::new("later"), DURABLE).unwrap();
            guard.save().unwrap();
        }
    }
}

/// When there is no room for a temporary file, the file itself is changed.
#[test]
fn a_full_disk_is_no_failure() {
    let clean = place();
    let counting = FaultIo::new(NEVER, io::ErrorKind::Other);
    let store = JsonStore::open(clean.options().io(counting.clone())).unwrap();
    assert!(work(&store));
    let expected: Vec<String> = ids(&clean);
    for failing in 0..counting.count() {
        let place = place();
        let io = FaultIo::new(failing, io::ErrorKind::StorageFull);
        let store = JsonStore::open(place.options().io(io)).unwrap();
        let saved = work(&store);
        let reopened = place.open().snapshot().unwrap();
        assert_eq!(reopened.verify().len(), 0, "{failing}");
        if saved {
            assert_eq!(ids(&place), expected, "{failing}");
            assert_eq!(reopened.by_name("x"), Some("v"));
        }
    }
}

fn ids(place: &Place) -> Vec<String> {
    let mut ids: Vec<String> = place
        .open()
        .snapshot()
        .unwrap()
        .ids()
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids
}

/// A torn file is not replaced before its end is safe.
#[test]
fn the_torn_end_is_kept_first() {
    let torn = "[{\"id\":\"a\"},{\"id\":\"b";
    let mut failing = 0;
    loop {
        let place = Place::with(torn);
        let io = FaultIo::new(failing, io::ErrorKind::Other);
        let store = JsonStore::<Thing>::open(place.options().io(io.clone())).unwrap();
        let saved = store.write().is_ok_and(|mut guard| {
            guard.insert(Thing::new("new"), DURABLE).unwrap();
            guard.save().is_ok()
        });
        let files = store.set_aside_files().unwrap();
        let kept = files.iter().map(|file| std::fs::read(file).unwrap());
        let kept: Vec<Vec<u8>> = kept.collect();
        if place.text("things.json").unwrap() != torn {
            assert_eq!(kept, [b",{\"id\":\"b".to_vec()], "{failing}");
        }
        if saved && io.count() <= failing {
            break;
        }
        failing += 1;
    }
    assert!(failing > 6, "{failing}");
}

#[test]
fn failing_side_files_leave_records_alone() {
    let mut failing = 0;
    loop {
        let place = place();
        let io = FaultIo::new(failing, io::ErrorKind::Other);
        let store = JsonStore::<Thing>::open(place.options().io(io.clone())).unwrap();
        let Ok(mut guard) = store.write() else {
            failing += 1;
            continue;
        };
        let set = guard.set_big_data("a", "item", b"content", |thing| thing.set("item", true));
        let noted = guard.json("a").unwrap() != Thing::named("a", &["x"]).bytes();
        assert_eq!(set.is_ok(), noted, "{failing}");
        let whole = store.read_big_data("a", "item", 100);
        if let Ok(Some(content)) = whole {
            assert_eq!(content, b"content");
        }
        if set.is_ok() && io.count() <= failing {
            break;
        }
        failing += 1;
    }
    assert!(failing > 5, "{failing}");
}

/// Spoils the file again after each save.
#[derive(Debug)]
struct Spoiler {
    lock: std::path::PathBuf,
    saves: AtomicUsize,
}

const DOUBLED: &str = r#"[{"id":"a","names":["x"]},{"id":"b","names":["x"]}]"#;

impl MetadataIo for Spoiler {
    fn read(&self, dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Vec<u8>>, PathError> {
        HostIo.read(dir, name, limit)
    }

    fn stage(
        &self,
        dir: &Dir,
        name: &OsStr,
        mode: u32,
        chunks: &[&[u8]],
    ) -> Result<Staged, PathError> {
        // The write is announced before anything is written.
        assert_ne!(std::fs::read(&self.lock).unwrap(), self.token());
        HostIo.stage(dir, name, mode, chunks)
    }

    fn sync(&self, staged: &Staged) -> Result<(), PathError> {
        HostIo.sync(staged)
    }

    fn publish(&self, staged: Staged) -> Result<(), PathError> {
        HostIo.publish(staged)
    }

    fn remove(&self, dir: &Dir, name: &OsStr) -> Result<bool, PathError> {
        HostIo.remove(dir, name)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), PathError> {
        self.saves.fetch_add(1, Ordering::Relaxed);
        std::fs::write(dir.path().join("things.json"), DOUBLED).unwrap();
        std::fs::write(&self.lock, self.token()).unwrap();
        Ok(())
    }
}

impl Spoiler {
    fn token(&self) -> Vec<u8> {
        match self.saves.load(Ordering::Relaxed) {
            0 => Vec::new(),
            saves => vec![u8::try_from(saves).unwrap(); 64],
        }
    }
}

#[test]
fn a_reader_gives_up_after_three_repairs() {
    let place = Place::with(DOUBLED);
    let spoiler = Arc::new(Spoiler {
        lock: place.file("things.lock"),
        saves: AtomicUsize::new(0),
    });
    let store = JsonStore::<Thing>::open(place.options().io(spoiler.clone())).unwrap();
    let error = store.snapshot().unwrap_err();
    assert!(
        matches!(
            error,
            layerhold_json_store::ReadError::KeepsChanging { tries: 3, .. }
        ),
        "{error:?}"
    );
    assert_eq!(spoiler.saves.load(Ordering::Relaxed), 3);
}

/// Damage stays where it is, byte for byte, also when a file is changed in place, and so does a
/// second record whose first one is in another file.
#[test]
fn damage_survives_a_change_in_place() {
    let bad = r#"{"id":"a","names":7}"#;
    let good = r#"{"id":"a","x":1}"#;
    let second = r#"{"id":"b","second":1}"#;
    let mut saved_in_place = 0;
    for failing in 2..8 {
        let place = Place::with(format!(r#"[{bad},{{"id":"v"}},{{"id":"b"}},7,{good}]"#));
        place.write(
            "volatile-things.json",
            format!(r#"[{{"id":"w"}},{second},{second}]"#),
        );
        let io = FaultIo::new(failing, io::ErrorKind::StorageFull);
        let store = JsonStore::<Thing>::open(place.options().io(io.clone())).unwrap();
        let mut guard = store.write().unwrap();
        assert_eq!(guard.damaged().len(), 4);
        guard.remove("v").unwrap();
        guard.remove("w").unwrap();
        if guard.save().is_err() {
            continue;
        }
        drop(guard);
        let (durable, volatile) = contents(&place);
        saved_in_place += usize::from(durable.contains(' ') || volatile.contains(' '));
        let squeezed = |text: &str| text.replace(' ', "");
        assert_eq!(
            squeezed(&durable),
            format!(r#"[{bad},{{"id":"b"}},7,{good}]"#)
        );
        assert_eq!(squeezed(&volatile), format!("[{second},{second}]"));
        let snapshot = place.open().snapshot().unwrap();
        assert_eq!(snapshot.json("a"), Some(good.as_bytes()));
        assert_eq!(snapshot.ids().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(snapshot.damaged().len(), 4);
    }
    assert!(saved_in_place >= 2, "{saved_in_place}");
}

/// What was set aside is gone after a change in place as well.
#[test]
fn damage_that_is_set_aside_goes_in_place() {
    let place = Place::with(r#"[{"id":"a"},7,{"id":"a","second":1},{"id":"b"}]"#);
    // Reads, then the three steps of each of two side files.
    let failing = 2 + 2 * 4;
    let io = FaultIo::new(failing, io::ErrorKind::StorageFull);
    let store = JsonStore::<Thing>::open(place.options().io(io.clone())).unwrap();
    let mut guard = store.write().unwrap();
    for damage in guard.damaged() {
        guard.set_aside(&damage).unwrap();
    }
    guard.save().unwrap();
    assert_eq!(io.done.lock().unwrap()[failing], "stage");
    drop(guard);
    let text = place.text("things.json").unwrap();
    assert_eq!(text.replace(' ', ""), r#"[{"id":"a"},{"id":"b"}]"#);
    assert!(text.contains(' '));
    assert_eq!(place.open().set_aside_files().unwrap().len(), 2);
}
