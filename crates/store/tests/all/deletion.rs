//! Tests deletions.

use layerhold::{
    ContainerSpec, DeleteError, DeleteMode, ErrorKind, ImageSpec, LayerSpec, LookupError,
    MountRequest, Store,
};
use layerhold_ids::LayerId;
use layerhold_sys::best_effort;

use crate::support::{Place, file_tar, image, import, leftovers, reader, small_tar};

/// Two layers, an image named `image` and a container named `box`.
fn stack(place: &Place) -> (LayerId, LayerId, LayerId) {
    let mut tx = place.store.begin().unwrap();
    let base = tx
        .import_layer(
            LayerSpec::new().name("base").read_only(),
            reader(&small_tar()),
        )
        .unwrap();
    let top = tx
        .import_layer(
            LayerSpec::new().name("top").parent(&base),
            reader(&file_tar("b", b"2")),
        )
        .unwrap();
    let image = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name("image")
                .top_layer(&top),
        )
        .unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box").image(image))
        .unwrap();
    tx.commit().unwrap();
    (
        base.id().clone(),
        top.id().clone(),
        container.layer().clone(),
    )
}

fn held(place: &Place) -> usize {
    std::fs::read_dir(place.graph("vfs/dir")).unwrap().count()
}

#[test]
fn what_is_used_stays() {
    let place = Place::new();
    let (base, top, own) = stack(&place);
    let kind = |key: &str| place.store.delete_layer(key).unwrap_err().kind();
    // The key is resolved before uses are checked.
    for key in ["base", base.as_str(), "top", top.as_str()] {
        assert_eq!(kind(key), Some(ErrorKind::LayerHasChildren), "{key}");
    }
    assert_eq!(kind(own.as_str()), Some(ErrorKind::LayerUsedByContainer));
    assert_eq!(kind("nosuch"), Some(ErrorKind::NotALayer));
    let error = place
        .store
        .delete_image("image", DeleteMode::Delete)
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::ImageUsedByContainer));
    assert_eq!(
        place
            .store
            .delete_image("base", DeleteMode::Delete)
            .unwrap_err()
            .kind(),
        Some(ErrorKind::NotAnImage)
    );
    assert_eq!(
        place.store.delete_container("image").unwrap_err().kind(),
        Some(ErrorKind::NotAContainer)
    );
    assert_eq!(held(&place), 3);
    place.store.delete_container("box").unwrap();
    assert_eq!(
        place.store.delete_layer("top").unwrap_err().kind(),
        Some(ErrorKind::LayerUsedByImage)
    );
}

#[test]
fn a_container_goes_with_its_layer_and_directories() {
    let place = Place::new();
    let (_, _, own) = stack(&place);
    let durable = place.store.container_directory("box").unwrap();
    let runtime = place.store.container_run_directory("box").unwrap();
    place.store.mount("box", &MountRequest::new()).unwrap();
    place.store.delete_container("box").unwrap();
    assert!(!durable.exists() && !runtime.exists() && !durable.parent().unwrap().exists());
    assert!(!place.store.exists(own.as_str()).unwrap());
    assert_eq!((held(&place), place.store.mounts().unwrap().len()), (2, 0));
    assert_eq!(place.records("vfs-containers/containers.json"), "[]");
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn an_image_goes_with_the_layers_that_only_it_needs() {
    let place = Place::new();
    let (base, top, _) = stack(&place);
    place.store.delete_container("box").unwrap();
    let mut tx = place.store.begin().unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("other")
            .top_layer(base.clone()),
    )
    .unwrap();
    tx.commit().unwrap();
    assert_eq!(
        place
            .store
            .delete_image("image", DeleteMode::DryRun)
            .unwrap(),
        std::slice::from_ref(&top)
    );
    assert_eq!(
        (
            held(&place),
            place.store.snapshot().unwrap().images().count()
        ),
        (2, 2)
    );
    assert_eq!(
        place
            .store
            .delete_image("image", DeleteMode::Delete)
            .unwrap(),
        [top]
    );
    assert_eq!(
        place
            .store
            .delete_image("other", DeleteMode::Delete)
            .unwrap(),
        [base]
    );
    assert_eq!((held(&place), leftovers(&place).len()), (0, 0));
    assert_eq!(place.records("vfs-layers/layers.json"), "[]");
    let left: Vec<_> = std::fs::read_dir(place.graph("vfs-layers"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        left.iter().all(
            |name| ["layers.json", "layers.lock", "tmp", "layerhold-usage.jsonl"]
                .iter()
                .any(|known| name == known)
        ),
        "{left:?}"
    );
}

#[test]
fn delete_asks_for_no_users() {
    let place = Place::new();
    let (base, _, own) = stack(&place);
    place.store.delete(base.as_str()).unwrap();
    place.store.delete("image").unwrap();
    place.store.delete("box").unwrap();
    assert!(!place.store.exists(own.as_str()).unwrap());
    place.store.delete("top").unwrap();
    assert_eq!(
        place.store.delete("top").unwrap_err().kind(),
        Some(ErrorKind::NotAnId)
    );
    assert_eq!(held(&place), 0);
}

#[test]
fn a_layer_that_is_deleted_anyway_takes_its_container_along() {
    let place = Place::new();
    let (_, _, own) = stack(&place);
    // The ID of its layer names the container, as in Go.
    place.store.delete(own.as_str()).unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        (view.containers().count(), view.exists(own.as_str())),
        (0, false)
    );
}

#[test]
fn a_container_whose_layer_is_gone_can_be_deleted() {
    let place = Place::new();
    let (_, _, own) = stack(&place);
    let file = place.graph("vfs-layers/layers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    // The container's layer is the last one of the list.
    let at = text.find(&format!("{{\"id\":\"{own}\"")).unwrap();
    std::fs::write(&file, format!("{}]", text[..at].trim_end_matches(','))).unwrap();
    let store = place.again();
    let view = store.snapshot().unwrap();
    assert!(view.layer_by_id(&own).unwrap().is_none());
    assert_eq!((view.layers().count(), view.containers().count()), (2, 1));
    let durable = store.container_directory("box").unwrap();
    store.delete_container("box").unwrap();
    assert_eq!(store.snapshot().unwrap().containers().count(), 0);
    assert!(!durable.exists());
}

/// Replaces a part of a record file by hand.
fn edit(place: &Place, file: &str, from: &str, to: &str) {
    let text = place.records(file);
    assert!(text.contains(from), "{text}");
    std::fs::write(place.graph(file), text.replace(from, to)).unwrap();
}

#[test]
fn mapped_copies_in_use_stay() {
    let place = Place::new();
    let (_, _, own) = stack(&place);
    let image = place
        .store
        .snapshot()
        .unwrap()
        .image("image")
        .unwrap()
        .id()
        .clone();
    let spare = import(&place.store, LayerSpec::new(), &small_tar());
    // The image lists the container's layer and an unused one as mapped layers, and the container
    // has another image.
    let mapped = format!(
        "\"mapped-layers\":[\"{own}\",\"{}\"],\"created\"",
        spare.id()
    );
    edit(&place, "vfs-images/images.json", "\"created\"", &mapped);
    edit(
        &place,
        "vfs-containers/containers.json",
        image.as_str(),
        "another",
    );
    let store = place.again();
    let deleted = store
        .delete_image(image.as_str(), DeleteMode::Delete)
        .unwrap();
    assert_eq!(deleted, [spare.id().clone()]);
    let view = store.snapshot().unwrap();
    assert!(view.exists(own.as_str()) && view.container("box").is_ok());
    assert!(place.graph("vfs/dir").join(own.as_str()).join("b").exists());
}

#[test]
fn immutable_files_are_deleted_too() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let path = place
        .store
        .mount("base", &MountRequest::new())
        .unwrap()
        .join("etc/hostname");
    let marked = std::process::Command::new("chattr")
        .arg("+i")
        .arg(&path)
        .status();
    if !marked.is_ok_and(|status| status.success()) {
        let _skipped: Option<()> = layerhold_testkit::skip(
            "the filesystem knows no immutable files",
            layerhold_testkit::SkipReason::SetUp,
        );
        return;
    }
    place.store.delete_layer("base").unwrap();
    assert_eq!((held(&place), leftovers(&place).len()), (0, 0));
}

#[test]
fn wipe_leaves_what_is_not_the_stores() {
    let place = Place::new();
    stack(&place);
    image(&place.store, "second", &small_tar());
    std::fs::create_dir_all(place.graph("libpod")).unwrap();
    std::fs::create_dir_all(place.graph("vfs/dir/stray/x")).unwrap();
    place.store.wipe().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        (
            view.layers().count(),
            view.images().count(),
            view.containers().count()
        ),
        (0, 0, 0)
    );
    assert_eq!((held(&place), leftovers(&place).len()), (0, 0));
    assert!(place.graph("libpod").exists());
    for dir in ["vfs-images", "vfs-containers"] {
        for entry in std::fs::read_dir(place.graph(dir)).unwrap() {
            assert!(entry.unwrap().file_type().unwrap().is_file(), "{dir}");
        }
    }
}

#[test]
fn a_loop_of_mapped_layers_is_forgotten_with_its_layer() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mapped = import(&place.store, LayerSpec::new(), &small_tar());
    let file = place.graph("vfs-images/images.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let marked = text.replace("\"metadata\"", "\"x\"").replace(
        "\"created\"",
        &format!("\"mapped-layers\":[\"{}\"],\"created\"", mapped.id()),
    );
    std::fs::write(&file, marked).unwrap();
    let store = place.again();
    assert_eq!(
        store
            .snapshot()
            .unwrap()
            .image(image.as_str())
            .unwrap()
            .mapped_layers(),
        [mapped.id().clone()]
    );
    store.delete_layer(mapped.id().as_str()).unwrap();
    assert!(
        !std::fs::read_to_string(&file)
            .unwrap()
            .contains("mapped-layers")
    );
}

#[test]
fn errors_name_what_uses_an_item() {
    let place = Place::new();
    let (base, top, _) = stack(&place);
    let DeleteError::HasChildren { layer, child } = place.store.delete_layer("base").unwrap_err()
    else {
        panic!()
    };
    assert_eq!((layer, child), (base, top));
}

#[test]
fn root_a_full_disk_can_be_emptied() {
    use layerhold_testkit::{FilesystemKind, require_filesystem, require_root};
    let Some(()) = require_root() else { return };
    let Some(disk) = require_filesystem(FilesystemKind::Ext4, 16) else {
        return;
    };
    let store = Store::open(crate::support::options(disk.path())).unwrap();
    let tar = file_tar("big", &vec![7; 4 << 20]);
    let (_, layer) = image(&store, "image", &tar);
    // The rest of the disk is filled.
    let mut filler = std::fs::File::create(disk.path().join("filler")).unwrap();
    let mut piece = 1 << 20;
    while piece > 0 {
        match std::io::Write::write_all(&mut filler, &vec![1; piece]) {
            Ok(()) => {}
            Err(_) => piece /= 2,
        }
    }
    best_effort(filler.sync_all());
    assert!(std::fs::write(disk.path().join("more"), [1; 5000]).is_err());
    let mut tx = store.begin().unwrap();
    let failed = tx
        .import_layer(LayerSpec::new(), reader(&tar))
        .map(drop)
        .is_err()
        || tx.commit().is_err();
    assert!(failed);
    assert_eq!(
        store.delete_image("image", DeleteMode::Delete).unwrap(),
        [layer]
    );
    let store = Store::open(crate::support::options(disk.path())).unwrap();
    assert_eq!(store.snapshot().unwrap().layers().count(), 0);
    assert!(
        store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
    // There is space again.
    image(&store, "again", &file_tar("smaller", &vec![7; 2 << 20]));
}

#[test]
fn what_is_meant_exactly_is_deleted() {
    let place = Place::new();
    import(
        &place.store,
        LayerSpec::new().id("ab".parse().unwrap()),
        &small_tar(),
    );
    let mut tx = place.store.begin().unwrap();
    tx.create_container(
        ContainerSpec::new()
            .id("abc".parse().unwrap())
            .layer("w".parse::<LayerId>().unwrap()),
    )
    .unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .id("abd".parse().unwrap()),
    )
    .unwrap();
    tx.commit().unwrap();
    let left = || {
        let view = place.store.snapshot().unwrap();
        let layers = view.layers().count();
        (layers, view.images().count(), view.containers().count())
    };
    place.store.delete("ab").unwrap();
    assert_eq!(left(), (1, 1, 1));
    // Nothing has this name any more, so it counts as a prefix of an ID.
    place.store.delete("ab").unwrap();
    assert_eq!(left(), (0, 1, 0));
    place.store.delete("ab").unwrap();
    assert!(matches!(
        place.store.delete("ab"),
        Err(DeleteError::Lookup(LookupError::Nothing { .. }))
    ));
}

#[test]
fn an_image_whose_chain_has_a_gap_names_only_layers_that_are_there() {
    let place = Place::new();
    let (base, top, own) = stack(&place);
    place.store.delete_container("box").unwrap();
    assert!(!place.store.exists(own.as_str()).unwrap());
    place.store.delete(base.as_str()).unwrap();
    let deleted = place
        .store
        .delete_image("image", DeleteMode::Delete)
        .unwrap();
    assert_eq!(deleted, [top]);
    assert_eq!(held(&place), 0);
}
