//! Tests a store with a separate image store.

use std::io::Read;
use std::path::{Path, PathBuf};

use layerhold::layerhold_ids::LayerId;
use layerhold::{
    BigDataItem, ContainerSpec, DeleteMode, DiffCompression, ErrorKind, ImageSpec, LayerSpec,
    MountRequest, Shutdown, Store,
};
use layerhold_testkit::{FilesystemKind, TempDir, require_filesystem, require_root, scratch};

use crate::support::{file_tar, image, import, options, ranges, reader, small_tar};

struct Split {
    dir: TempDir,
    store: Store,
}

impl Split {
    fn new() -> Self {
        let dir = scratch();
        let store = open(dir.path(), &dir.path().join("images"));
        Self { dir, store }
    }

    fn graph(&self, below: &str) -> PathBuf {
        self.dir.path().join("root").join(below)
    }

    fn images(&self, below: &str) -> PathBuf {
        self.dir.path().join("images").join(below)
    }

    /// The graph root by itself.
    fn graph_alone(&self) -> Store {
        Store::open(options(self.dir.path())).unwrap()
    }

    /// The image store by itself, used as a graph root.
    fn images_alone(&self) -> Store {
        let mut options = options(self.dir.path());
        options.graph_root = self.dir.path().join("images");
        options.run_root = self.dir.path().join("other-run");
        Store::open(options).unwrap()
    }
}

fn open(base: &Path, images: &Path) -> Store {
    Store::open(options(base).with_image_store(images)).unwrap()
}

fn text(file: PathBuf) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|_| "-".to_owned())
}

fn contents(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn container(store: &Store, image: &str) -> layerhold::StagedContainer {
    let image = store.snapshot().unwrap().image(image).unwrap().id().clone();
    let mut tx = store.begin().unwrap();
    let container = tx
        .create_container(ContainerSpec::new().image(image))
        .unwrap();
    tx.commit().unwrap();
    container
}

#[test]
fn images_are_in_the_one_and_containers_in_the_other() {
    let split = Split::new();
    let (image, layer) = image(&split.store, "image", &small_tar());
    let item = BigDataItem::new("config", *b"data");
    split.store.set_image_data("image", item).unwrap();
    let container = container(&split.store, "image");
    let data = &mut &b"v"[..];
    split
        .store
        .set_layer_data(layer.as_str(), "k", data)
        .unwrap();

    assert!(text(split.images("vfs-images/images.json")).contains(image.as_str()));
    assert!(split.images("vfs-images").join(image.as_str()).is_dir());
    assert!(text(split.images("vfs-layers/layers.json")).contains(layer.as_str()));
    assert!(split.images("vfs/dir").join(layer.as_str()).is_dir());
    // The files beside layers are in the graph root, as in Go.
    let tar_split = format!("{layer}.tar-split.gz");
    assert!(split.graph("vfs-layers").join(&tar_split).is_file());
    assert!(!split.images("vfs-layers").join(&tar_split).exists());
    assert!(split.graph("vfs-layers").join(layer.as_str()).is_dir());

    let own = container.layer().as_str();
    assert!(text(split.graph("vfs-layers/layers.json")).contains(own));
    assert!(!text(split.images("vfs-layers/layers.json")).contains(own));
    assert!(split.graph("vfs/dir").join(own).is_dir());
    assert!(text(split.graph("vfs-containers/containers.json")).contains(own));
    assert_eq!(text(split.graph("vfs-images/images.json")), "-");

    let diff = split
        .store
        .diff(None, layer.as_str(), DiffCompression::AsImported);
    assert_eq!(contents(diff.unwrap()), small_tar());
    assert!(
        split
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
    split
        .store
        .delete_container(container.id().as_str())
        .unwrap();
    split
        .store
        .delete_image("image", DeleteMode::Delete)
        .unwrap();
    let view = split.store.snapshot().unwrap();
    assert_eq!((view.images().count(), view.layers().count()), (0, 0));
    for gone in [split.images("vfs/dir"), split.graph("vfs/dir")] {
        assert_eq!(std::fs::read_dir(gone).unwrap().count(), 0);
    }
    assert!(!split.graph("vfs-layers").join(&tar_split).exists());
    assert!(!split.images("vfs-images").join(image.as_str()).exists());
}

#[test]
fn the_image_store_serves_by_itself_too() {
    let split = Split::new();
    let (image, layer) = image(&split.store, "image", &small_tar());
    let alone = split.images_alone();
    let view = alone.snapshot().unwrap();
    assert_eq!(view.image("image").unwrap().id(), &image);
    let tree = alone.mount_image("image", &MountRequest::new()).unwrap();
    assert_eq!(std::fs::read(tree.join("etc/hostname")).unwrap(), b"box\n");
    // Its tar-split file is in the other store, so its tree is packed.
    let diff = alone.diff(
        None,
        layer.as_str(),
        DiffCompression::As(layerhold::Codec::Plain),
    );
    assert!(!contents(diff.unwrap()).is_empty());
    alone.shutdown(Shutdown::Force).unwrap();
    // A layer that it makes there is visible here, and rebuilt bit for bit.
    let (_, second) = crate::support::image(&alone, "second", &file_tar("f", b"2"));
    assert!(split.store.exists("second").unwrap());
    let diff = split
        .store
        .diff(None, second.as_str(), DiffCompression::AsImported);
    assert_eq!(contents(diff.unwrap()), file_tar("f", b"2"));
    split
        .store
        .delete_image("second", DeleteMode::Delete)
        .unwrap();
    assert!(!alone.exists("second").unwrap());
    assert!(!alone.exists(second.as_str()).unwrap());
}

#[test]
fn images_of_the_graph_root_stay_in_use() {
    let split = Split::new();
    let graph = split.graph_alone();
    let (old, base) = image(&graph, "old", &small_tar());
    graph
        .set_image_data("old", BigDataItem::new("config", *b"data"))
        .unwrap();
    let store = &split.store;
    let view = store.snapshot().unwrap();
    assert_eq!(view.image("old").unwrap().id(), &old);
    assert_eq!(view.additional_store_of_image(&old), None);
    store.add_names("old", &["kept".to_owned()]).unwrap();
    store.set_metadata("old", "meta").unwrap();
    let item = BigDataItem::new("more", *b"more");
    store.set_image_data("old", item).unwrap();
    assert_eq!(graph.image_data("kept", "more").unwrap(), b"more");
    assert_eq!(graph.metadata("old").unwrap(), "meta");
    // A new layer on an old one, a new image, and a container of the old image.
    let mut tx = store.begin().unwrap();
    let spec = LayerSpec::new().parent(base.clone()).read_only();
    let child = tx
        .import_layer(spec, reader(&file_tar("new", b"new")))
        .unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("new")
            .top_layer(&child),
    )
    .unwrap();
    tx.commit().unwrap();
    let container = container(store, "old");
    let used = store.delete_image("old", DeleteMode::Delete).unwrap_err();
    assert_eq!(used.kind(), Some(ErrorKind::ImageUsedByContainer));
    store.delete_container(container.id().as_str()).unwrap();
    // Its layer is in use by the new image, which is in the other store.
    assert_eq!(
        store.delete_image("old", DeleteMode::Delete).unwrap(),
        [] as [LayerId; 0]
    );
    let removed = store.delete_image("new", DeleteMode::Delete).unwrap();
    assert_eq!(removed, [child.id().clone(), base]);
    assert_eq!(graph.snapshot().unwrap().images().count(), 0);
    assert!(!split.graph("vfs-images").join(old.as_str()).exists());
}

#[test]
fn a_name_belongs_to_one_of_them() {
    let split = Split::new();
    let (old, _) = image(&split.graph_alone(), "name", &small_tar());
    let mut tx = split.store.begin().unwrap();
    let taken = tx
        .create_image(ImageSpec::new().without_manifest().name("name"))
        .unwrap_err();
    assert_eq!(taken.kind(), Some(ErrorKind::DuplicateName));
    let taken = tx
        .create_image(ImageSpec::new().without_manifest().id(old.clone()))
        .unwrap_err();
    assert_eq!(taken.kind(), Some(ErrorKind::DuplicateId));
    drop(tx);
    let (new, _) = image(&split.store, "other", &file_tar("f", b"1"));
    let add = |key: &str| split.store.add_names(key, &["name".to_owned()]).unwrap();
    let holder = || {
        split
            .store
            .snapshot()
            .unwrap()
            .image("name")
            .unwrap()
            .id()
            .clone()
    };
    add("other");
    assert_eq!(holder(), new);
    assert_eq!(split.store.names(old.as_str()).unwrap(), [""; 0]);
    add(old.as_str());
    assert_eq!(holder(), old);
    assert_eq!(split.store.names("other").unwrap(), ["other"]);
    let mut tx = split.store.begin().unwrap();
    let moved = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name("name")
                .move_names(),
        )
        .unwrap();
    tx.commit().unwrap();
    assert_eq!(holder(), moved);
}

/// The number of findings that can only be removed, and of removals.
fn judged(store: &Store) -> (usize, usize) {
    let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
    let is_damage = |finding: &&layerhold::check::Finding| {
        finding.verdict == layerhold::check::Verdict::Damaged(layerhold::check::Remedy::Remove)
    };
    let removals = report.removals.len();
    store.repair(
        &report,
        &layerhold::repair::RepairOptions::new()
            .with_containers(layerhold::check::Containers::Remove),
    );
    (report.findings.iter().filter(is_damage).count(), removals)
}

#[test]
fn an_opening_of_half_the_store_takes_nothing_for_garbage() {
    let split = Split::new();
    let (image, layer) = image(&split.store, "image", &small_tar());
    let container = container(&split.store, "image");
    let kept = split.store.image_directory("image").unwrap();
    std::fs::write(kept.join("file"), "x").unwrap();
    let data = &mut &b"v"[..];
    split
        .store
        .set_layer_data(layer.as_str(), "k", data)
        .unwrap();
    for half in [split.graph_alone(), split.images_alone()] {
        assert!(half.garbage_collect(DeleteMode::Delete).unwrap().is_empty());
        assert_eq!(judged(&half), (0, 0));
    }
    let diff = split
        .store
        .diff(None, layer.as_str(), DiffCompression::AsImported);
    assert_eq!(contents(diff.unwrap()), small_tar());
    assert!(kept.join("file").exists());
    assert!(split.store.exists(image.as_str()).unwrap());
    assert!(
        split
            .store
            .mount(container.id().as_str(), &MountRequest::new())
            .is_ok()
    );
    assert_eq!(judged(&split.store), (0, 0));
}

#[test]
fn garbage_is_collected_in_both() {
    let split = Split::new();
    let (image, _) = image(&split.store, "image", &small_tar());
    import(&split.store, LayerSpec::new(), &small_tar());
    // The directory for callers is in the graph root although the image is not.
    let kept = split.store.image_directory("image").unwrap();
    assert_eq!(
        kept,
        split
            .graph("vfs-images")
            .join(image.as_str())
            .join("userdata")
    );
    let long = crate::support::long;
    let garbage = [
        split.images("vfs/dir").join(long('1')),
        split.graph("vfs/dir").join(long('2')),
        split.images("vfs-images").join(long('3')),
        split.images("vfs-layers").join(long('4')),
    ];
    for dir in &garbage {
        std::fs::create_dir(dir).unwrap();
    }
    let report = split.store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!(report.layers.len(), 2);
    assert_eq!(report.image_dirs, [long('3')]);
    assert_eq!(report.layer_dirs, [long('4')]);
    assert!(garbage.iter().all(|dir| !dir.exists()));
    assert!(kept.is_dir());
    // While records of image layers are lost, nothing is garbage.
    std::fs::remove_file(split.images("vfs-layers/layers.json")).unwrap();
    let refused = split.store.garbage_collect(DeleteMode::Delete).unwrap_err();
    assert_eq!(refused.kind(), Some(ErrorKind::LoadError));
    assert_eq!(
        std::fs::read_dir(split.images("vfs/dir")).unwrap().count(),
        1
    );
}

#[test]
fn wiping_empties_both() {
    let split = Split::new();
    image(&split.graph_alone(), "old", &small_tar());
    image(&split.store, "image", &small_tar());
    container(&split.store, "image");
    split.store.wipe().unwrap();
    let view = split.store.snapshot().unwrap();
    let left = (
        view.layers().count(),
        view.images().count(),
        view.containers().count(),
    );
    assert_eq!(left, (0, 0, 0));
    for dir in [split.images("vfs/dir"), split.graph("vfs/dir")] {
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
    }
}

#[test]
fn a_commit_that_fails_leaves_nothing_in_either() {
    let split = Split::new();
    let mut tx = split.store.begin().unwrap();
    let spec = LayerSpec::new().read_only();
    let layer = tx.import_layer(spec, reader(&small_tar())).unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .name("name")
        .top_layer(&layer)
        .big_data(BigDataItem::new("config", *b"data"));
    tx.create_image(spec).unwrap();
    // The name is taken in the other store before the commit.
    image(&split.graph_alone(), "name", &small_tar());
    let refused = tx.commit().unwrap_err();
    assert_eq!(refused.kind(), Some(ErrorKind::DuplicateName));
    for dir in [
        split.images("vfs/dir"),
        split.images("vfs/tempdirs"),
        split.images("vfs-layers/tmp"),
    ] {
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
    }
    assert_eq!(text(split.images("vfs-images/images.json")), "-");
}

#[test]
fn root_copies_of_a_top_layer_under_maps_are_image_layers() {
    let Some(()) = require_root() else { return };
    let split = Split::new();
    let (image, top) = image(&split.store, "image", &small_tar());
    let mut tx = split.store.begin().unwrap();
    let spec = ContainerSpec::new()
        .image(image)
        .id_maps(ranges(&[(0, 100_000, 65_536)]));
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let view = split.store.snapshot().unwrap();
    let copies = view.image("image").unwrap().mapped_layers().to_vec();
    assert_eq!(copies.len(), 1);
    let copy = copies[0].as_str();
    assert!(text(split.images("vfs-layers/layers.json")).contains(copy));
    assert!(split.images("vfs/dir").join(copy).is_dir());
    let tar_split = |id: &str| split.graph("vfs-layers").join(format!("{id}.tar-split.gz"));
    assert_eq!(
        std::fs::read(tar_split(copy)).unwrap(),
        std::fs::read(tar_split(top.as_str())).unwrap()
    );
}

#[test]
fn root_the_two_may_be_on_different_filesystems() {
    let Some(()) = require_root() else { return };
    let Some(other) = require_filesystem(FilesystemKind::Tmpfs, 16) else {
        return;
    };
    let dir = scratch();
    let store = open(dir.path(), &other.path().join("images"));
    let mut tx = store.begin().unwrap();
    let spec = LayerSpec::new().read_only();
    let layer = tx.import_layer(spec, reader(&small_tar())).unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .name("image")
        .top_layer(&layer)
        .big_data(BigDataItem::new("config", *b"data"));
    tx.create_image(spec).unwrap();
    tx.commit().unwrap();
    let container = container(&store, "image");
    store
        .mount(container.id().as_str(), &MountRequest::new())
        .unwrap();
    assert_eq!(store.image_data("image", "config").unwrap(), b"data");
    store.delete_container(container.id().as_str()).unwrap();
    store.delete_image("image", DeleteMode::Delete).unwrap();
    assert!(
        store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
}
