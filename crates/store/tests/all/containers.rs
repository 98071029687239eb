//! Tests creating containers.

use layerhold::layerhold_ids::ImageId;
use layerhold::{BigDataItem, ContainerSpec, ErrorKind, ImageSpec, Labels, LayerSpec, StageError};

use crate::support::{Place, id, image, leftovers, ranges, reader, small_tar};

#[test]
fn a_container_has_a_layer_on_its_image() {
    let place = Place::new();
    let (image, top) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new()
        .name("box")
        .image(image.clone())
        .metadata("meta")
        .mount_option("ro")
        .big_data(BigDataItem::new("k", "v"))
        .flag("mine", "x");
    let made = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let container = view.container("box").unwrap();
    assert_eq!(
        (container.id(), container.layer(), container.image()),
        (made.id(), made.layer(), Some(&image))
    );
    assert_eq!(
        (container.metadata(), container.mount_options()),
        ("meta", vec!["ro".to_owned()])
    );
    assert_eq!(
        (
            container.mount_label(),
            container.process_label(),
            container.is_volatile()
        ),
        ("", "", false)
    );
    assert_eq!(
        view.layer(made.layer().as_str()).unwrap().parent(),
        Some(&top)
    );
    assert_eq!(place.store.container_data("box", "k").unwrap(), b"v");
    assert!(
        place.records("vfs-containers/containers.json").contains(
            r#""flags":{"MountLabel":"","MountOpts":["ro"],"ProcessLabel":"","mine":"x"}"#
        )
    );
}

#[test]
fn a_container_comes_with_its_image_in_one_commit() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let layer = tx
        .import_layer(LayerSpec::new().read_only(), reader(&small_tar()))
        .unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().top_layer(&layer))
        .unwrap();
    let made = tx
        .create_container(ContainerSpec::new().image(image))
        .unwrap();
    let committed = tx.commit().unwrap();
    assert_eq!(committed.layers, [layer.id().clone(), made.layer().clone()]);
    let file = place
        .graph("vfs/dir")
        .join(made.layer().as_str())
        .join("etc/hostname");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "box\n");
}

#[test]
fn containers_need_no_image_and_images_no_layers() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().name("bare"))
        .unwrap();
    let of_bare = tx
        .create_container(ContainerSpec::new().image(image))
        .unwrap();
    let alone = tx
        .create_container(ContainerSpec::new().layer(id("mine")))
        .unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.layer(of_bare.layer().as_str()).unwrap().parent(), None);
    assert_eq!(alone.layer(), &"mine");
    assert!(
        place
            .records("vfs-containers/containers.json")
            .contains(r#""image":"","layer":"mine""#)
    );
}

#[test]
fn what_is_wrong_is_refused() {
    let place = Place::new();
    let (image, top) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().id(id("c")).name("box").layer(id("l")))
        .unwrap();
    tx.commit().unwrap();
    let mut tx = place.store.begin().unwrap();
    let mut kind = |spec: ContainerSpec| tx.create_container(spec).unwrap_err().kind();
    assert_eq!(
        kind(ContainerSpec::new().id(id("c"))),
        Some(ErrorKind::DuplicateId)
    );
    assert_eq!(
        kind(ContainerSpec::new().name("box")),
        Some(ErrorKind::DuplicateName)
    );
    assert_eq!(
        kind(ContainerSpec::new().image(id::<ImageId>("gone"))),
        Some(ErrorKind::ImageUnknown)
    );
    assert_eq!(
        kind(ContainerSpec::new().image(image).layer(top)),
        Some(ErrorKind::DuplicateId)
    );
    assert_eq!(
        kind(ContainerSpec::new().id_maps(ranges(&[(0, 0, 10), (5, 50, 10)]))),
        Some(ErrorKind::InvalidMappings)
    );
    let labels = Labels {
        process: "p".into(),
        mount: String::new(),
    };
    assert!(matches!(
        tx.create_container(ContainerSpec::new().labels(labels))
            .unwrap_err(),
        StageError::Labels
    ));
    let parent = id::<layerhold_ids::LayerId>("l");
    let error = tx
        .create_layer(LayerSpec::new().parent(parent))
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::ParentIsContainer));
}

#[test]
fn an_image_of_the_layer_of_a_container_has_containers_too() {
    let place = Place::new();
    let (first, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let made = tx
        .create_container(ContainerSpec::new().image(first))
        .unwrap();
    let top = made.layer().clone();
    tx.commit().unwrap();
    let mut tx = place.store.begin().unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .name("of the box")
        .top_layer(top.clone());
    let second = tx.create_image(spec).unwrap();
    tx.commit().unwrap();
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new().image(second);
    let upper = tx.create_container(spec).unwrap().layer().clone();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let upper = view.layer(upper.as_str()).unwrap();
    assert_eq!(upper.parent(), Some(&top));
}

#[test]
fn volatile_containers_are_recorded_where_they_may_be_lost() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box").image(image).volatile())
        .unwrap();
    tx.commit().unwrap();
    assert!(
        place
            .records("vfs-containers/volatile-containers.json")
            .contains(r#""Volatile":true"#)
    );
    assert!(place.graph("vfs-layers/volatile-layers.json").exists());
    assert_eq!(place.records("vfs-containers/containers.json"), "-");
    place.store.set_metadata("box", "x").unwrap();
    assert_eq!(place.records("vfs-containers/containers.json"), "-");
    assert!(
        place
            .store
            .snapshot()
            .unwrap()
            .container("box")
            .unwrap()
            .is_volatile()
    );
    place.store.delete_container("box").unwrap();
    assert_eq!(
        place.records("vfs-containers/volatile-containers.json"),
        "[]"
    );
}

#[test]
fn root_containers_with_the_same_maps_share_a_mapped_copy() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let (image, top) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let mapped = || {
        ContainerSpec::new()
            .image(image.clone())
            .id_maps(ranges(&[(0, 100_000, 1000)]))
    };
    let first = tx.create_container(mapped()).unwrap();
    tx.commit().unwrap();
    let mut tx = place.store.begin().unwrap();
    let second = tx.create_container(mapped()).unwrap();
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    let found = view.image("image").unwrap();
    assert_eq!(found.mapped_layers().len(), 1);
    let copy = &found.mapped_layers()[0];
    for container in [&first, &second] {
        assert_eq!(
            view.layer(container.layer().as_str()).unwrap().parent(),
            Some(copy)
        );
        let file = place
            .graph("vfs/dir")
            .join(container.layer().as_str())
            .join("etc/hostname");
        let stat = std::fs::metadata(file).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (100_007, 100_008));
    }
    let (copied, original) = (
        view.layer(copy.as_str()).unwrap(),
        view.layer(top.as_str()).unwrap(),
    );
    assert_eq!(
        (copied.parent(), copied.diff_id()),
        (original.parent(), original.diff_id())
    );
    assert!(
        place
            .records("vfs-containers/containers.json")
            .contains(r#""uidmap":[{"container_id":0,"host_id":100000,"size":1000}]"#)
    );
    // The mapped copy is deleted with the image.
    place.store.delete_container(first.id().as_str()).unwrap();
    place.store.delete_container(second.id().as_str()).unwrap();
    let gone = place
        .store
        .delete_image("image", layerhold::DeleteMode::Delete)
        .unwrap();
    assert_eq!(gone, [copy.clone(), top]);
}

#[test]
fn root_maps_without_the_root_are_refused() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let before = place.records("vfs-layers/layers.json");
    for spec in [ContainerSpec::new(), ContainerSpec::new().image(image)] {
        let mut tx = place.store.begin().unwrap();
        let error = tx
            .create_container(spec.id_maps(ranges(&[(5, 200, 10)])))
            .unwrap_err();
        let StageError::Driver(cause) = error else {
            panic!("{error:?}")
        };
        assert!(
            matches!(cause, layerhold_driver::LayerError::RootPair(_)),
            "{cause:?}"
        );
        tx.commit().unwrap();
    }
    assert_eq!(place.records("vfs-layers/layers.json"), before);
    assert_eq!(place.records("vfs-containers/containers.json"), "-");
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        1
    );
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn root_a_container_that_fails_leaves_no_mapped_copy() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mapped = || {
        ContainerSpec::new()
            .image(image.clone())
            .name("box")
            .id_maps(ranges(&[(0, 100_000, 1000)]))
    };
    // The name is free when the container is created, and taken at the commit.
    let mut late = place.store.begin().unwrap();
    late.create_container(mapped()).unwrap();
    let mut tx = place.again().begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box"))
        .unwrap();
    tx.commit().unwrap();
    let files = || {
        ["layers", "images", "containers"]
            .map(|kind| place.records(&format!("vfs-{kind}/{kind}.json")))
    };
    let before = files();
    assert_eq!(
        late.commit().unwrap_err().kind(),
        Some(ErrorKind::DuplicateName)
    );
    let mut tx = place.store.begin().unwrap();
    let error = tx.create_container(mapped()).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::DuplicateName));
    tx.commit().unwrap();
    assert_eq!(files(), before);
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        2
    );
    assert_eq!(leftovers(&place), Vec::<String>::new());
}
