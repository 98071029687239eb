//! Tests containers that do not survive a reboot: all of a transient store, and volatile ones of
//! other stores.

use std::path::Path;

use layerhold::{
    BigDataItem, ContainerSpec, DeleteMode, ErrorKind, LayerSpec, MountRequest, Persistence,
    StagedContainer, Store,
};
use layerhold_testkit::scratch;

use crate::support::{Place, age, image, options, small_tar};

fn transient(base: &Path) -> Store {
    Store::open(options(base).with_persistence(Persistence::Transient)).unwrap()
}

fn container(store: &Store, spec: ContainerSpec) -> StagedContainer {
    let mut tx = store.begin().unwrap();
    let container = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    container
}

#[test]
fn a_transient_store_has_its_containers_below_the_run_root() {
    let place = scratch();
    let store = transient(place.path());
    let (image, layer) = image(&store, "image", &small_tar());
    let container = container(&store, ContainerSpec::new().name("box").image(image));
    store
        .set_container_data("box", BigDataItem::new("k", *b"v"))
        .unwrap();
    let text = |file: &str| std::fs::read_to_string(place.path().join(file));
    let (id, own) = (container.id().as_str(), container.layer().as_str());
    assert!(
        text("runroot/vfs-containers/volatile-containers.json")
            .unwrap()
            .contains(id)
    );
    assert!(
        text("runroot/vfs-layers/volatile-layers.json")
            .unwrap()
            .contains(own)
    );
    assert!(
        text("root/vfs-layers/layers.json")
            .unwrap()
            .contains(layer.as_str())
    );
    for absent in [
        "root/vfs-containers/containers.json",
        "root/vfs-containers/containers.lock",
        "root/vfs-containers/volatile-containers.json",
        "root/vfs-layers/volatile-layers.json",
    ] {
        assert!(text(absent).is_err(), "{absent}");
    }
    assert!(
        place
            .path()
            .join("runroot/vfs-containers/containers.lock")
            .exists()
    );
    assert!(place.path().join("root/vfs-containers").join(id).is_dir());
    assert!(
        store
            .snapshot()
            .unwrap()
            .container("box")
            .unwrap()
            .is_volatile()
    );
    assert_eq!(store.container_data("box", "k").unwrap(), b"v");
    store.mount("box", &MountRequest::new()).unwrap();
    // A transient store sees the container; another store at the same root sees only the image.
    assert!(transient(place.path()).exists("box").unwrap());
    let durable = Store::open(options(place.path())).unwrap();
    assert!(!durable.exists("box").unwrap());
    assert!(durable.exists("image").unwrap());
    store.delete_container("box").unwrap();
    assert!(!place.path().join("root/vfs-containers").join(id).exists());
    assert!(!place.path().join("root/vfs/dir").join(own).exists());
}

#[test]
fn a_layer_by_itself_is_recorded_where_it_says() {
    let place = scratch();
    let store = transient(place.path());
    let mut tx = store.begin().unwrap();
    tx.create_layer(LayerSpec::new().name("durable")).unwrap();
    tx.create_layer(LayerSpec::new().name("volatile").volatile())
        .unwrap();
    tx.commit().unwrap();
    let names = |file: &str| {
        let text = std::fs::read_to_string(place.path().join(file)).unwrap();
        ["durable", "volatile"].map(|name| text.contains(name))
    };
    assert_eq!(names("root/vfs-layers/layers.json"), [true, false]);
    let volatile = "runroot/vfs-layers/volatile-layers.json";
    assert_eq!(names(volatile), [false, true]);
}

#[test]
fn after_a_reboot_images_are_left_and_the_rest_is_garbage() {
    let place = scratch();
    let store = transient(place.path());
    let (image, layer) = image(&store, "image", &small_tar());
    let container = container(&store, ContainerSpec::new().name("box").image(image));
    store.container_directory("box").unwrap();
    drop(store);
    std::fs::remove_dir_all(place.path().join("runroot")).unwrap();
    let store = transient(place.path());
    let view = store.snapshot().unwrap();
    assert_eq!(view.containers().count(), 0);
    assert_eq!(
        view.layers()
            .map(|layer| layer.id().clone())
            .collect::<Vec<_>>(),
        [layer]
    );
    assert!(view.image("image").is_ok());
    // Until a reboot, these records could be below another run root.
    assert!(
        store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
    let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
    assert!(
        !report.is_clean() && report.removals.is_empty(),
        "{report:?}"
    );
    let dir = place.path().join("root/vfs-containers");
    age(&dir.join(container.id().as_str()));
    let report = store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!(report.container_dirs, [container.id().as_str()]);
    assert_eq!(report.layers, std::slice::from_ref(container.layer()));
    assert!(
        store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn containers_of_another_run_root_are_no_garbage() {
    let place = scratch();
    let elsewhere = options(place.path());
    let elsewhere = layerhold::StoreOptions::new(&elsewhere.graph_root, place.path().join("run2"))
        .with_driver("vfs")
        .with_persistence(Persistence::Transient);
    let elsewhere = Store::open(elsewhere).unwrap();
    let (image, _) = image(&elsewhere, "image", &small_tar());
    let made = container(&elsewhere, ContainerSpec::new().name("box").image(image));
    let kept = elsewhere.container_directory("box").unwrap();
    for store in [
        transient(place.path()),
        Store::open(options(place.path())).unwrap(),
    ] {
        assert!(
            store
                .garbage_collect(DeleteMode::Delete)
                .unwrap()
                .is_empty()
        );
        let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
        assert!(report.removals.is_empty(), "{report:?}");
        store.repair(&report, &layerhold::repair::RepairOptions::new());
    }
    assert!(kept.exists());
    let tree = place
        .path()
        .join("root/vfs/dir")
        .join(made.layer().as_str());
    assert!(tree.join("etc/hostname").exists());
    assert!(elsewhere.mount("box", &MountRequest::new()).is_ok());
}

#[test]
fn durable_containers_are_seen_in_a_transient_store_of_the_same_place() {
    let place = Place::new();
    let lasting = container(&place.store, ContainerSpec::new().name("lasting"));
    let store = transient(place.dir.path());
    container(&store, ContainerSpec::new().name("passing"));
    let view = store.snapshot().unwrap();
    assert_eq!(view.containers().count(), 2);
    assert!(!view.container("lasting").unwrap().is_volatile());
    assert!(
        place
            .records("vfs-containers/containers.json")
            .contains(lasting.id().as_str())
    );
}

#[test]
fn a_volatile_container_is_recorded_apart() {
    let place = Place::new();
    let spec = ContainerSpec::new().name("passing").volatile();
    let passing = container(&place.store, spec);
    let lasting = container(&place.store, ContainerSpec::new().name("lasting"));
    let of = |file: &str| place.records(file);
    assert!(of("vfs-containers/volatile-containers.json").contains(passing.id().as_str()));
    assert!(!of("vfs-containers/containers.json").contains(passing.id().as_str()));
    assert!(of("vfs-containers/containers.json").contains(lasting.id().as_str()));
    assert!(of("vfs-layers/volatile-layers.json").contains(passing.layer().as_str()));
    assert!(of("vfs-layers/layers.json").contains(lasting.layer().as_str()));
    let view = place.store.snapshot().unwrap();
    assert!(view.container("passing").unwrap().is_volatile());
    assert!(!view.container("lasting").unwrap().is_volatile());
    place
        .store
        .set_names("passing", &["renamed".to_owned()])
        .unwrap();
    assert!(of("vfs-containers/volatile-containers.json").contains("renamed"));
    place.store.delete_container("renamed").unwrap();
    assert_eq!(of("vfs-containers/volatile-containers.json"), "[]");
}

#[test]
fn what_one_kind_of_opening_records_is_no_garbage_to_the_other() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let passing = ContainerSpec::new().name("passing").image(image.clone());
    let passing = container(&place.store, passing.volatile());
    let kept = place.store.container_directory("passing").unwrap();
    let store = transient(place.dir.path());
    let transient_box = container(&store, ContainerSpec::new().name("box").image(image));
    let kept_in_box = store.container_directory("box").unwrap();
    for store in [&place.store, &store, &place.again()] {
        assert!(
            store
                .garbage_collect(DeleteMode::Delete)
                .unwrap()
                .is_empty()
        );
        let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert!(kept.exists() && kept_in_box.exists());
        for container in [&passing, &transient_box] {
            let tree = place.graph("vfs/dir").join(container.layer().as_str());
            assert!(tree.join("etc/hostname").exists());
        }
    }
    // Garbage is collected beside them, as long as the file of durable records exists.
    container(&place.store, ContainerSpec::new().name("lasting"));
    std::fs::create_dir_all(place.graph("vfs/dir").join(crate::support::long('f'))).unwrap();
    std::fs::create_dir_all(
        place
            .graph("vfs-containers")
            .join(crate::support::long('e')),
    )
    .unwrap();
    let report = place.store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!(
        (report.layers.len(), report.container_dirs.len()),
        (1, 1),
        "{report:?}"
    );
    assert!(kept_in_box.exists());
}

#[test]
fn nothing_is_collected_beside_damaged_records_of_the_other_kind() {
    let place = Place::new();
    let store = transient(place.dir.path());
    let made = container(&store, ContainerSpec::new().name("box"));
    let tree = place.graph("vfs/dir").join(made.layer().as_str());
    for file in [
        "vfs-layers/volatile-layers.json",
        "vfs-containers/volatile-containers.json",
    ] {
        let path = place.run(file);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 1]).unwrap();
        let error = place.store.garbage_collect(DeleteMode::Delete).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::LoadError), "{error}");
        let expected = format!("cannot read records from {}", path.display());
        assert_eq!(error.to_string(), expected);
        // The check goes on without them, and plans to remove nothing that they may have named.
        let report = place
            .store
            .check(&layerhold::check::CheckOptions::new())
            .unwrap();
        assert!(report.removals.is_empty(), "{report:?}");
        assert!(tree.exists());
        std::fs::write(&path, text).unwrap();
    }
    assert!(
        place
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_image_of_a_transient_container_is_in_use_for_all() {
    let place = Place::new();
    let (image, top) = image(&place.store, "image", &small_tar());
    let store = transient(place.dir.path());
    let made = container(&store, ContainerSpec::new().name("box").image(image));
    let tree = place.graph("vfs/dir").join(made.layer().as_str());
    let error = place
        .store
        .delete_image("image", DeleteMode::Delete)
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::ImageUsedByContainer));
    // Deleting the image anyway leaves the parent of the container.
    place.store.delete("image").unwrap();
    let error = place.store.delete_layer(top.as_str()).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerHasChildren));
    assert!(place.graph("vfs/dir").join(top.as_str()).exists() && tree.exists());
    // Damaged records do not prevent a deletion.
    std::fs::write(place.run("vfs-layers/volatile-layers.json"), "[").unwrap();
    place.store.delete_layer(top.as_str()).unwrap();
}
