//! Tests recovery from what dead processes leave.

use std::path::{Path, PathBuf};

use layerhold::{ContainerSpec, DeleteMode, ImageSpec, LayerSpec, Store, StoreOptions};
use layerhold_lockfile::LockFile;
use layerhold_sys::best_effort;
use layerhold_sys::mountinfo::read_mounts;

use crate::support::{Place, image, import, leftovers, long, mark_incomplete, reader, small_tar};

#[test]
fn incomplete_layers_are_removed_however_their_records_are_written() {
    let place = Place::new();
    let good = import(
        &place.store,
        LayerSpec::new().name("incomplete"),
        &small_tar(),
    );
    let id = long('1');
    import(
        &place.store,
        LayerSpec::new().id(id.parse().unwrap()),
        &small_tar(),
    );
    mark_incomplete(&place, &id);
    // The form that `jq` writes.
    let file = place.graph("vfs-layers/layers.json");
    let records: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::write(&file, format!("{records:#}")).unwrap();
    assert!(
        place
            .records("vfs-layers/layers.json")
            .contains("\"incomplete\": true")
    );
    let view = place.again().snapshot().unwrap();
    let ids: Vec<_> = view.layers().map(|layer| layer.id().clone()).collect();
    assert_eq!(ids, [good.id().clone()]);
    assert!(!place.graph("vfs/dir").join(&id).exists());
    assert!(!place.records("vfs-layers/layers.json").contains(&id));
}

#[test]
fn incomplete_layers_are_removed_by_any_reader() {
    let place = Place::new();
    let good = import(&place.store, LayerSpec::new().name("good"), &small_tar());
    for digit in '1'..='9' {
        let id = long(digit);
        import(
            &place.store,
            LayerSpec::new().id(id.parse().unwrap()),
            &small_tar(),
        );
        mark_incomplete(&place, &id);
    }
    let view = place.again().snapshot().unwrap();
    assert_eq!(
        view.layers()
            .map(|layer| layer.id().clone())
            .collect::<Vec<_>>(),
        [good.id().clone()]
    );
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        1
    );
    assert!(
        !place
            .graph(&format!("vfs-layers/{}.tar-split.gz", long('1')))
            .exists()
    );
    assert!(
        !place
            .records("vfs-layers/layers.json")
            .contains("incomplete")
    );
    // The files are in a temporary area; writers erase them.
    drop(place.again().begin().unwrap());
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn an_incomplete_layer_is_out_of_sight_while_a_process_works() {
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().id(long('1').parse().unwrap()).name("bad"),
        &small_tar(),
    );
    import(&place.store, LayerSpec::new().name("good"), &small_tar());
    mark_incomplete(&place, &long('1'));
    // A reader of another process keeps the write lock from being taken.
    let lock = LockFile::new(place.graph("vfs-layers/layers.lock")).unwrap();
    let held = lock.read().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.layers().count(), 1);
    assert!(!view.exists("bad") && view.layer("bad").is_err());
    drop(held);
    assert!(!place.store.exists("bad").unwrap());
}

#[test]
fn an_incomplete_layer_that_cannot_be_removed_stops_nothing() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().id(long('1').parse().unwrap()),
        &small_tar(),
    );
    mark_incomplete(&place, &long('1'));
    // It can be renamed and not be erased, because something is mounted in it.
    let tree = place.graph("vfs/dir").join(long('1')).join("etc");
    let mount = |args: &[&std::ffi::OsStr]| std::process::Command::new("mount").args(args).status();
    let done = mount(&[
        "-t".as_ref(),
        "tmpfs".as_ref(),
        "none".as_ref(),
        tree.as_os_str(),
    ]);
    if !done.is_ok_and(|status| status.success()) {
        let _skipped: Option<()> =
            layerhold_testkit::skip("cannot mount", layerhold_testkit::SkipReason::SetUp);
        return;
    }
    let _mounts = MountsBelow(place.graph(""));
    let store = place.again();
    let image = image(&store, "image", &small_tar());
    assert_eq!(store.snapshot().unwrap().images().count(), 1);
    assert!(store.exists(image.0.as_str()).unwrap());
}

/// Unmounts what is mounted below a directory, wherever it was renamed to, when it is dropped.
struct MountsBelow(PathBuf);

impl Drop for MountsBelow {
    fn drop(&mut self) {
        let mounts = read_mounts().unwrap_or_default();
        let below = mounts.iter().map(|mount| &mount.mount_point);
        for path in below.filter(|path| path.starts_with(&self.0)) {
            best_effort(std::process::Command::new("umount").arg(path).status());
        }
    }
}

#[test]
fn a_commit_that_died_before_its_image_is_undone() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new(), reader(&small_tar()))
        .unwrap();
    let top = tx
        .import_layer(LayerSpec::new().parent(&base), reader(&small_tar()))
        .unwrap();
    tx.commit().unwrap();
    let note = |images: &str| {
        let text = format!(
            r#"{{"layers":["{}","{}"],"images":[{images}],"containers":[]}}"#,
            base.id(),
            top.id()
        );
        std::fs::write(place.graph("vfs-layers/layerhold-intent.json"), text).unwrap();
    };
    let count = || place.again().snapshot().unwrap().layers().count();
    // With its image recorded the commit was complete, so only the intent is removed.
    let (other, _) = image(&place.store, "other", &small_tar());
    note(&format!("\"{other}\""));
    assert_eq!(count(), 3);
    assert!(!place.graph("vfs-layers/layerhold-intent.json").exists());
    // Layers in use stay, and so do their parents.
    let mut tx = place.store.begin().unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("user")
            .top_layer(base.id().clone()),
    )
    .unwrap();
    tx.commit().unwrap();
    note(&format!("\"{}\"", long('9')));
    assert_eq!(count(), 2);
    assert!(
        place.store.exists(base.id().as_str()).unwrap()
            && !place.store.exists(top.id().as_str()).unwrap()
    );
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        2
    );
}

#[test]
fn a_note_that_makes_no_sense_is_removed() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    for text in ["", "[]", "{\"layers\":[\"../x\"]}"] {
        std::fs::write(place.graph("vfs-layers/layerhold-intent.json"), text).unwrap();
        assert_eq!(place.again().snapshot().unwrap().layers().count(), 1);
        assert!(
            !place.graph("vfs-layers/layerhold-intent.json").exists(),
            "{text}"
        );
    }
}

#[test]
fn files_of_saves_that_were_cut_off_are_removed() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let of_image = place.graph("vfs-images").join(image.as_str());
    std::fs::create_dir_all(of_image.join("userdata")).unwrap();
    let files = [
        // Files of this library and of Go, whose names have the same form.
        place.graph("vfs-layers/.tmp-layers.json123"),
        place.graph("vfs-layers/.tmp-layerhold-intent.json7"),
        place.graph("vfs-images/.tmp-images.json4294967295"),
        place.graph("vfs-containers/.tmp-containers.json5"),
        of_image.join(".tmp-manifest8"),
        place.run("vfs-layers/.tmp-mountpoints.json9"),
    ];
    let write = || {
        files
            .iter()
            .for_each(|file| std::fs::write(file, "[").unwrap())
    };
    let left = || files.iter().filter(|file| file.exists()).count();
    // Files of callers stay.
    let kept = of_image.join("userdata/.tmp-mine1");
    std::fs::write(&kept, "x").unwrap();

    write();
    let store = place.again();
    let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    assert_eq!(left(), 6);
    let mut wanted = files.to_vec();
    wanted.sort();
    let collected = store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!((collected.temporary_files, left()), (wanted, 0));

    // A writer searches for them when it finds that a process died.
    write();
    let area = place.graph("vfs-layers/tmp");
    std::fs::create_dir_all(area.join("temp-dir-12")).unwrap();
    std::fs::write(area.join("lock-12"), "").unwrap();
    drop(place.again());
    assert_eq!(left(), 6);
    drop(place.again().begin().unwrap());
    assert_eq!(left(), 2);
    assert!(files[4].exists() && files[5].exists() && kept.exists());
}

#[test]
fn files_of_a_save_in_progress_are_left_alone() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let file = place.graph("vfs-images/.tmp-images.json123");
    std::fs::write(&file, "[").unwrap();
    let area = place.graph("vfs-layers/tmp");
    std::fs::create_dir_all(area.join("temp-dir-12")).unwrap();
    std::fs::write(area.join("lock-12"), "").unwrap();
    // A process that saves holds this lock.
    let lock = LockFile::new(place.graph("vfs-layers/layers.lock")).unwrap();
    let guard = lock.write().unwrap();
    drop(place.again().begin().unwrap());
    assert!(file.exists());
    drop(guard);
}

#[test]
fn a_container_whose_deletion_was_cut_off_goes_with_its_layer() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let spec = || ContainerSpec::new().image(image.clone());
    let gone = tx.create_container(spec().name("gone")).unwrap();
    tx.create_container(spec().name("kept")).unwrap();
    tx.commit().unwrap();
    mark_incomplete(&place, gone.layer().as_str());
    let view = place.again().snapshot().unwrap();
    let names: Vec<_> = view
        .containers()
        .flat_map(|one| one.names().to_vec())
        .collect();
    assert_eq!((names, view.layers().count()), (vec!["kept".to_owned()], 2));
    drop(place.again().begin().unwrap());
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

/// Moves the contents of a layer into the area of a dead process: the state after a power cut that
/// lost only the rename.
fn lose_place(home: &Path, areas: &Path, id: &str, name: &str) {
    let area = areas.join("temp-dir-12");
    std::fs::create_dir_all(&area).unwrap();
    std::fs::rename(home.join(id), area.join(name)).unwrap();
    std::fs::write(areas.join("lock-12"), "").unwrap();
}

#[test]
fn contents_that_lost_their_place_are_put_back() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new(), &small_tar());
    let id = layer.id().as_str();
    let (home, areas) = (place.graph("vfs/dir"), place.graph("vfs/tempdirs"));
    lose_place(&home, &areas, id, &format!("1-{id}"));
    // What nothing needs is erased with the area.
    let other = long('7');
    std::fs::create_dir(areas.join(format!("temp-dir-12/0-{other}"))).unwrap();
    let store = place.again();
    let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    drop(store.begin().unwrap());
    assert_eq!(std::fs::read_dir(&areas).unwrap().count(), 0);
}

#[test]
fn contents_that_do_not_tell_what_they_are_are_kept_while_some_are_missing() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new().name("one"), &small_tar());
    let id = layer.id().as_str();
    let (home, areas) = (place.graph("vfs/dir"), place.graph("vfs/tempdirs"));
    lose_place(&home, &areas, id, "1-addition");
    drop(place.again().begin().unwrap());
    let kept = areas.join("temp-dir-12/1-addition");
    assert!(kept.exists());
    // Without the record nothing needs them.
    place.again().delete_layer("one").unwrap();
    drop(place.again());
    assert!(!kept.exists() && std::fs::read_dir(&areas).unwrap().count() == 0);
}

#[test]
fn while_records_are_written_areas_with_contents_are_left_alone() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new(), &small_tar());
    let id = layer.id().as_str();
    let (home, areas) = (place.graph("vfs/dir"), place.graph("vfs/tempdirs"));
    lose_place(&home, &areas, id, &format!("1-{id}"));
    let lock = LockFile::new(place.graph("vfs-layers/layers.lock")).unwrap();
    let guard = lock.write().unwrap();
    drop(place.again().begin().unwrap());
    assert!(areas.join(format!("temp-dir-12/1-{id}")).exists());
    drop(guard);
    drop(place.again());
    assert!(home.join(id).exists());
}

#[test]
fn root_overlay_contents_that_lost_their_place_are_put_back() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let Some(()) = layerhold_testkit::require_feature(layerhold_testkit::Feature::Overlay) else {
        return;
    };
    let scratch = layerhold_testkit::scratch();
    let root = |name: &str| scratch.path().join(name);
    let open = || {
        let options = StoreOptions::new(root("root"), root("run")).with_driver("overlay");
        Store::open(options).unwrap()
    };
    let store = open();
    let layer = import(&store, LayerSpec::new(), &small_tar());
    store.shutdown(layerhold::Shutdown::Force).unwrap();
    let id = layer.id().as_str();
    let home = root("root/overlay");
    lose_place(&home, &home.join("tempdirs"), id, &format!("1-{id}"));
    for link in std::fs::read_dir(home.join("l")).unwrap() {
        std::fs::remove_file(link.unwrap().path()).unwrap();
    }
    let store = open();
    let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    assert_eq!(std::fs::read_dir(home.join("l")).unwrap().count(), 1);
    store.shutdown(layerhold::Shutdown::Force).unwrap();
}

#[test]
fn volatile_records_that_a_power_cut_took_leave_garbage_and_no_damage() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new().image(image).name("lost").volatile();
    let lost = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    // They are not synced, so the files may be empty.
    for file in [
        "vfs-layers/volatile-layers.json",
        "vfs-containers/volatile-containers.json",
    ] {
        assert!(place.graph(file).exists());
        std::fs::write(place.graph(file), "").unwrap();
    }
    let store = place.again();
    let collected = store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!(collected.layers, [lost.layer().clone()]);
    let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(store.snapshot().unwrap().containers().count(), 0);
}
