//! Tests what happens under locks.
//!
//! In builds with debug assertions, erasing, hashing and reading from a caller panic on a thread
//! that holds a lock of records (`layerhold_sys::no_brief_lock`), so every test of this crate tests
//! that too.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use layerhold::{
    AutoUserNs, ContainerSpec, DeleteMode, ImageSpec, LayerSpec, Notice, Recovery, StageError,
    Store, UserNsError,
};
use layerhold_lockfile::LockFile;

use crate::support::{Place, import, leftovers, long, options, reader, small_tar};

/// A reader that notes at each read whether the locks of the store are free.
struct Watching {
    locks: Vec<LockFile>,
    left: usize,
}

impl Read for Watching {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for lock in &self.locks {
            let free = lock.try_write().map_err(io::Error::other)?;
            if free.is_none() {
                return Err(io::Error::other(format!(
                    "{} is held",
                    lock.path().display()
                )));
            }
        }
        let count = self.left.min(buffer.len()).min(1000);
        self.left -= count;
        buffer[..count].fill(b'x');
        Ok(count)
    }
}

#[test]
fn what_a_caller_hands_in_is_read_without_a_lock() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let locks = ["layers", "images", "containers"]
        .map(|kind| LockFile::new(place.graph(&format!("vfs-{kind}/{kind}.lock"))).unwrap());
    let mut data = Watching {
        locks: locks.into(),
        left: 5000,
    };
    place.store.set_layer_data("base", "k", &mut data).unwrap();
    let mut read = Vec::new();
    let mut file = place.store.layer_data("base", "k").unwrap();
    file.read_to_end(&mut read).unwrap();
    assert_eq!(read, [b'x'; 5000]);
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn data_that_cannot_be_read_leaves_the_old_item_and_nothing_else() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    place
        .store
        .set_layer_data("base", "k", &mut &b"old"[..])
        .unwrap();
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let mut data = (&b"half"[..]).chain(Failing);
    let error = place
        .store
        .set_layer_data("base", "k", &mut data)
        .unwrap_err();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    assert!(cause.to_string().contains("connection reset"), "{cause}");
    let mut read = String::new();
    let mut file = place.store.layer_data("base", "k").unwrap();
    file.read_to_string(&mut read).unwrap();
    assert_eq!(read, "old");
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

/// Puts a layer whose commit was killed and an area of a killed process into a store.
fn kill_something(place: &Place) {
    let id = long('1');
    let spec = LayerSpec::new().id(id.parse().unwrap());
    import(&place.store, spec, &small_tar());
    let file = place.graph("vfs-layers/layers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find(&format!("\"id\":\"{id}\"")).unwrap();
    let created = at + text[at..].find("\"created\"").unwrap();
    let (before, after) = text.split_at(created);
    let marked = format!("{before}\"flags\":{{\"incomplete\":true}},{after}");
    std::fs::write(&file, marked).unwrap();
    let area = place.graph("vfs/tempdirs");
    std::fs::create_dir_all(area.join("temp-dir-1/0-x")).unwrap();
    std::fs::write(area.join("temp-dir-1/0-x/file"), "x").unwrap();
    std::fs::write(area.join("lock-1"), "").unwrap();
}

#[test]
fn readers_erase_nothing_and_writers_say_so() {
    let place = Place::new();
    kill_something(&place);
    let told = Arc::new(Mutex::new(Vec::new()));
    let open = || {
        let told = Arc::clone(&told);
        let options = options(place.dir.path())
            .with_notices(move |notice| told.lock().unwrap().push(notice.clone()));
        Store::open(options).unwrap()
    };
    // The layer is invisible and moved away; everything else is unchanged.
    assert_eq!(open().snapshot().unwrap().layers().count(), 0);
    assert!(!place.graph("vfs/dir").join(long('1')).exists());
    let left = leftovers(&place);
    assert!(
        left.contains(&"temp-dir-1".to_owned()) && left.len() > 2,
        "{left:?}"
    );
    assert!(told.lock().unwrap().is_empty());
    drop(open().begin().unwrap());
    assert_eq!(leftovers(&place), Vec::<String>::new());
    let told = std::mem::take(&mut *told.lock().unwrap());
    let [Notice::ErasingLeftovers { areas }] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(
        areas.contains(&place.graph("vfs/tempdirs/temp-dir-1")),
        "{areas:?}"
    );
}

#[test]
fn a_deletion_and_a_collection_erase_what_others_left() {
    for way in ["delete", "collect"] {
        let place = Place::new();
        import(&place.store, LayerSpec::new().name("doomed"), &small_tar());
        kill_something(&place);
        if way == "delete" {
            place.again().delete_layer("doomed").unwrap();
        } else {
            let never = options(place.dir.path()).with_recovery(Recovery::Never);
            let report = Store::open(never)
                .unwrap()
                .garbage_collect(DeleteMode::Delete)
                .unwrap();
            assert!(
                report
                    .areas
                    .contains(&place.graph("vfs/tempdirs/temp-dir-1"))
            );
        }
        assert_eq!(leftovers(&place), Vec::<String>::new(), "{way}");
    }
}

#[test]
fn one_change_of_a_name_waits_for_no_erasing() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    kill_something(&place);
    let store = place.again();
    store.add_names("base", &["second".to_owned()]).unwrap();
    assert!(leftovers(&place).contains(&"temp-dir-1".to_owned()));
    assert!(
        !place
            .records("vfs-layers/layers.json")
            .contains("incomplete")
    );
}

#[test]
fn two_transactions_of_one_thread_that_choose_a_user_namespace() {
    let place = Place::new();
    let base = place.dir.path().join("host");
    std::fs::create_dir_all(base.join("etc")).unwrap();
    for file in ["subuid", "subgid"] {
        std::fs::write(base.join("etc").join(file), "containers:100000:65536\n").unwrap();
    }
    let open = || Store::open(options(place.dir.path()).with_host_root(&base)).unwrap();
    let mut tx = open().begin().unwrap();
    let layer = tx
        .import_layer(LayerSpec::new(), reader(&small_tar()))
        .unwrap();
    let image = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .top_layer(layer.id().clone()),
        )
        .unwrap();
    tx.commit().unwrap();
    let spec = move || {
        let wish = AutoUserNs::new().size(1024);
        ContainerSpec::new().image(image.clone()).auto_userns(wish)
    };
    let (first, second) = (open(), open());
    let mut one = first.begin().unwrap();
    one.create_container(spec()).unwrap();
    // The same transaction may choose again; a second one on this thread may not, through any
    // handle.
    one.create_container(spec()).unwrap();
    let mut two = second.begin().unwrap();
    let error = two.create_container(spec()).unwrap_err();
    let StageError::UserNs(error) = error else {
        panic!("{error:?}");
    };
    let lock = place.graph("userns.lock");
    assert!(
        matches!(&*error, UserNsError::ChosenByThisThread { path } if *path == lock),
        "{error:?}"
    );
    // On another thread it waits.
    let other = std::thread::spawn(move || {
        two.create_container(spec()).unwrap();
        two.commit().unwrap().containers.len()
    });
    one.commit().unwrap();
    assert_eq!(other.join().unwrap(), 1);
    let ranges: std::collections::BTreeSet<String> = open()
        .snapshot()
        .unwrap()
        .containers()
        .map(|one| format!("{:?}", one.id_maps().uids))
        .collect();
    assert_eq!(ranges.len(), 3);
}
