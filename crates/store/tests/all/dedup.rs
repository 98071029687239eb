//! Tests that equal files of layers share their blocks.

use std::io::Read;
use std::process::Command;

use layerhold::{
    ContainerSpec, DedupOptions, DedupSupport, HashMethod, ImageSpec, LayerSpec, MountRequest,
    Shutdown, Store, StoreOptions, Unmounting,
};
use layerhold_testkit::{
    Feature, Filesystem, FilesystemKind, TarBuilder, TarEntry, Tree, require_feature,
    require_filesystem, scratch,
};

use crate::support::{image, options, reader};

const MIB: u64 = 1 << 20;
const METHODS: [HashMethod; 3] = [HashMethod::Crc64, HashMethod::Size, HashMethod::Sha256];

/// Content without equal blocks.
fn noise(length: u64, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}

fn free(filesystem: &Filesystem) -> u64 {
    assert!(
        Command::new("sync")
            .arg("-f")
            .arg(filesystem.path())
            .status()
            .unwrap()
            .success()
    );
    let df = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(filesystem.path())
        .output()
        .unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    text.lines().nth(1).unwrap().trim().parse().unwrap()
}

/// Two images that have a large file, a small one and a hard link in common, and others of the same
/// lengths that differ.
fn two_images(store: &Store) {
    let large = noise(4 * MIB + 5, 1);
    for (name, seed) in [("one", 2), ("two", 3)] {
        let mut other = large.clone();
        *other.last_mut().unwrap() ^= seed;
        let tar = TarBuilder::new()
            .entry(TarEntry::dir("d"))
            .entry(TarEntry::file(format!("d/{name}"), &large))
            .entry(TarEntry::hard_link("link", format!("d/{name}")))
            .entry(TarEntry::file("other", &other))
            .entry(TarEntry::file("small", "small"))
            .entry(TarEntry::file("empty", ""))
            .entry(TarEntry::symlink("to", "other"))
            .finish();
        image(store, name, &tar);
    }
}

fn comes_free(kind: FilesystemKind) {
    let Some(filesystem) = require_filesystem(kind, 320) else {
        return;
    };
    let base = filesystem.path();
    let store = Store::open(options(base)).unwrap();
    two_images(&store);
    let (before, tree) = (free(&filesystem), Tree::of(&base.join("root/vfs")));
    let first = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!(first.support, DedupSupport::Possible);
    assert_eq!(
        first.deduped,
        4 * MIB + 5 + 5,
        "the large file and the small one"
    );
    assert!(first.newly_shared >= 4 * MIB, "{first:?}");
    assert_eq!((first.files, first.layers, first.failed), (2, 2, 0));
    let freed = free(&filesystem).saturating_sub(before);
    assert!(freed > 3 * MIB, "only {freed} bytes came free");
    Tree::of(&base.join("root/vfs")).assert_same(&tree);
    for method in METHODS {
        let again = store.dedup(&DedupOptions::new(method)).unwrap();
        assert_eq!(again.deduped, first.deduped, "{method}");
        assert_eq!(again.newly_shared, 0, "{method}");
    }
}

#[test]
fn root_loop_btrfs_space_comes_free() {
    comes_free(FilesystemKind::Btrfs);
}

#[test]
fn root_loop_xfs_space_comes_free() {
    comes_free(FilesystemKind::Xfs);
}

#[test]
fn root_loop_each_method_finds_the_same() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 320) else {
        return;
    };
    for (number, method) in METHODS.into_iter().enumerate() {
        let base = filesystem.path().join(number.to_string());
        let store = Store::open(options(&base)).unwrap();
        // More different files of one length than are compared one by one, each of them twice.
        for image_number in 0..2 {
            let mut tar = TarBuilder::new();
            for file in 0..20 {
                tar = tar.entry(TarEntry::file(format!("{file}"), noise(8192, file)));
            }
            image(&store, &format!("image{image_number}"), &tar.finish());
        }
        let report = store.dedup(&DedupOptions::new(method)).unwrap();
        assert_eq!(report.deduped, 20 * 8192, "{method}");
        assert_eq!(report.newly_shared, 20 * 8192, "{method}");
    }
}

#[test]
fn root_loop_only_layers_of_images_are_gone_through() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 320) else {
        return;
    };
    let store = Store::open(options(filesystem.path())).unwrap();
    let tar = TarBuilder::new()
        .entry(TarEntry::file("f", noise(MIB, 1)))
        .finish();
    let mut tx = store.begin().unwrap();
    for _ in 0..2 {
        tx.import_layer(LayerSpec::new(), reader(&tar)).unwrap();
    }
    let base = tx.import_layer(LayerSpec::new(), reader(&tar)).unwrap();
    let top = tx.create_layer(LayerSpec::new().parent(&base)).unwrap();
    tx.create_image(ImageSpec::new().without_manifest().top_layer(&top))
        .unwrap();
    tx.commit().unwrap();
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!(report.layers, 2, "the image's two");
    // The child is a copy, and shares its blocks already.
    assert_eq!((report.deduped, report.newly_shared), (MIB, 0));
}

#[test]
fn root_loop_filesystems_that_cannot_are_told() {
    for kind in [FilesystemKind::Ext4, FilesystemKind::XfsNoReflink] {
        let Some(filesystem) = require_filesystem(kind, 64) else {
            return;
        };
        let store = Store::open(options(filesystem.path())).unwrap();
        two_images(&store);
        let report = store.dedup(&DedupOptions::default()).unwrap();
        assert!(
            matches!(&report.support, DedupSupport::NotByFilesystem { path } if path.starts_with(filesystem.path())),
            "{report:?}"
        );
        assert_eq!((report.deduped, report.failed), (0, 0));
    }
}

#[test]
fn an_empty_store_has_nothing_to_share() {
    let place = scratch();
    let store = Store::open(options(place.path())).unwrap();
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!(report.support, DedupSupport::Possible);
    assert_eq!((report.deduped, report.layers), (0, 0));
}

#[test]
fn root_loop_a_layer_that_is_deleted_during_the_walk_is_no_failure() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 320) else {
        return;
    };
    let store = Store::open(options(filesystem.path())).unwrap();
    two_images(&store);
    // As if it was deleted after the records were read: the driver no longer has it.
    let gone = store.snapshot().unwrap().layers().next().unwrap();
    let tree = filesystem
        .path()
        .join("root/vfs/dir")
        .join(gone.id().as_str());
    std::fs::remove_dir_all(tree).unwrap();
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!((report.deduped, report.failed), (0, 0));
    assert_eq!(report.support, DedupSupport::Possible);
}

#[test]
fn root_loop_layers_in_an_image_store_are_found() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 320) else {
        return;
    };
    let images = filesystem.path().join("images");
    let store = Store::open(options(filesystem.path()).with_image_store(images)).unwrap();
    two_images(&store);
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!((report.layers, report.failed), (2, 0));
    assert!(report.newly_shared >= 4 * MIB, "{report:?}");
}

#[test]
fn root_loop_additional_stores_are_left_alone() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 320) else {
        return;
    };
    let other = filesystem.path().join("other");
    two_images(&Store::open(options(&other)).unwrap());
    let additional = format!("vfs.imagestore={}", other.join("root").display());
    let store = Store::open(options(filesystem.path()).with_driver_option(additional)).unwrap();
    assert_eq!(store.snapshot().unwrap().images().count(), 2);
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!((report.layers, report.deduped), (0, 0));
}

#[test]
fn root_loop_layers_that_are_mounted_are_shared_too() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 320) else {
        return;
    };
    let Some(()) = require_feature(Feature::Overlay) else {
        return;
    };
    let (root, run) = ["root", "runroot"]
        .map(|name| filesystem.path().join(name))
        .into();
    let store = Store::open(StoreOptions::new(root, run).with_driver("overlay")).unwrap();
    two_images(&store);
    let mut tx = store.begin().unwrap();
    let image = store.snapshot().unwrap().image("two").unwrap().id().clone();
    tx.create_container(ContainerSpec::new().name("box").image(image))
        .unwrap();
    tx.commit().unwrap();
    let path = store.mount("box", &MountRequest::new()).unwrap();
    // Open in a container, like the file of a running program.
    let mut open = std::fs::File::open(path.join("d/two")).unwrap();
    let before = Tree::of(&path);
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert_eq!(report.deduped, 4 * MIB + 5 + 5);
    assert_eq!((report.layers, report.failed), (2, 0));
    Tree::of(&path).assert_same(&before);
    let mut content = Vec::new();
    open.read_to_end(&mut content).unwrap();
    assert!(content == noise(4 * MIB + 5, 1));
    drop(open);
    store.unmount("box", Unmounting::Force).unwrap();
    store.shutdown(Shutdown::Refuse).unwrap();
}
