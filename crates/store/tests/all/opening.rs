//! Tests opening a store: directories, drivers, leftovers.

use std::os::unix::fs::MetadataExt;

use layerhold::{ErrorKind, LayerSpec, OpenError, Recovery, Store, StoreOptions, SyncMode};
use layerhold_testkit::scratch;

use crate::support::{Place, import, options, small_tar};

fn mode(path: std::path::PathBuf) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn makes_the_directories_and_locks_that_go_makes() {
    let place = Place::new();
    for dir in ["", "vfs-layers", "vfs-images", "vfs-containers", "vfs"] {
        assert_eq!(mode(place.graph(dir)), 0o700, "{dir}");
    }
    for dir in ["", "vfs-layers", "vfs-containers", "vfs-locks"] {
        assert_eq!(mode(place.run(dir)), 0o700, "{dir}");
    }
    for file in ["storage.lock", "userns.lock"] {
        assert_eq!(
            (
                mode(place.graph(file)),
                std::fs::read(place.graph(file)).unwrap().len()
            ),
            (0o644, 0),
            "{file}"
        );
    }
    assert!(!place.graph("vfs-layers/layers.json").exists());
    assert!(!place.run("vfs-images").exists());
}

#[test]
fn needs_both_roots() {
    for options in [
        StoreOptions::new("", "/run"),
        StoreOptions::new("/graph", ""),
    ] {
        let error = Store::open(options).unwrap_err();
        assert!(matches!(error, OpenError::IncompleteOptions));
        assert_eq!(
            error.kind().unwrap().text(),
            "missing necessary StoreOptions"
        );
    }
}

#[test]
fn an_unknown_driver_is_refused() {
    let place = scratch();
    let options = options(place.path()).with_driver("nosuch");
    assert!(matches!(
        Store::open(options).unwrap_err(),
        OpenError::Driver { .. }
    ));
}

#[test]
fn a_relative_root_is_where_the_process_is_now() {
    let place = scratch();
    let absolute = options(place.path());
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = StoreOptions::new(
        format!(
            "{up}{}",
            absolute.graph_root.strip_prefix("/").unwrap().display()
        ),
        absolute.run_root.clone(),
    );
    let store = Store::open(relative.with_driver("vfs")).unwrap();
    assert!(store.graph_root().is_absolute());
    assert!(place.path().join("root/storage.lock").exists());
}

#[test]
fn two_openings_are_independent_and_see_the_same() {
    let place = Place::new();
    let other = place.again();
    let before = other.snapshot().unwrap();
    let layer = import(&place.store, LayerSpec::new().name("base"), &small_tar());
    assert_eq!(before.layers().count(), 0);
    assert_eq!(
        other.snapshot().unwrap().layer("base").unwrap().id(),
        layer.id()
    );
}

#[test]
fn getters_say_what_was_asked_for() {
    let place = scratch();
    let store = Store::open(options(place.path()).with_sync(SyncMode::None)).unwrap();
    assert_eq!(store.graph_root(), place.path().join("root"));
    assert_eq!(store.run_root(), place.path().join("runroot"));
    assert_eq!(
        (store.driver_name(), store.sync_mode()),
        ("vfs", SyncMode::None)
    );
    assert_eq!(store.driver_options(), ["vfs.ignore_chown_errors=true"]);
    assert!(store.id_maps().is_identity());
    assert_eq!(Place::new().store.sync_mode(), SyncMode::Filesystem);
}

#[test]
fn areas_of_dead_processes_are_removed_and_those_of_living_ones_stay() {
    let place = Place::new();
    let area = place.graph("vfs-layers/tmp");
    let mut tx = place.store.begin().unwrap();
    tx.import_layer(LayerSpec::new(), crate::support::reader(&small_tar()))
        .unwrap();
    std::fs::create_dir_all(area.join("temp-dir-1/0-x")).unwrap();
    std::fs::write(area.join("lock-1"), "").unwrap();
    let careful = options(place.dir.path()).with_recovery(Recovery::Never);
    drop(Store::open(careful).unwrap().begin().unwrap());
    assert!(area.join("temp-dir-1").exists());
    // Opening, readers, and a writer with `Recovery::Never` leave it alone.
    drop(place.again().snapshot().unwrap());
    assert!(area.join("temp-dir-1").exists());
    drop(place.again().begin().unwrap());
    assert!(!area.join("temp-dir-1").exists() && !area.join("lock-1").exists());
    tx.commit().unwrap();
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 1);
}

#[test]
fn kinds_have_the_texts_of_go() {
    assert_eq!(ErrorKind::LayerUnknown.to_string(), "layer not known");
    assert_eq!(
        ErrorKind::DuplicateName.to_string(),
        "that name is already in use"
    );
    assert_eq!(
        ErrorKind::InvalidBigDataName.to_string(),
        "not a valid name for a big data item"
    );
}

#[test]
fn a_store_may_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Store>();
    check::<layerhold::Snapshot>();
    fn is_send<T: Send>() {}
    is_send::<layerhold::Transaction>();
    is_send::<layerhold::Diff>();
}
