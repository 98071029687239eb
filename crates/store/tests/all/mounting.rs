//! Tests mounting and unmounting.

use std::path::Path;

use layerhold::layerhold_sys::mount::is_mount_point;
use layerhold::{
    ContainerSpec, ErrorKind, ImageSpec, LayerSpec, MountError, MountRequest, Shifting, Shutdown,
    ShutdownError, StillMounted, Store, StoreOptions, Unmounting,
};
use layerhold_sys::best_effort;
use layerhold_testkit::{Feature, SkipReason};

use crate::support::{Place, id, image, import, ranges, small_tar, unmount_outside};

fn mounts_file(place: &Place) -> String {
    std::fs::read_to_string(place.run("vfs-layers/mountpoints.json"))
        .unwrap_or_else(|_| "-".to_owned())
}

#[test]
fn a_layer_is_counted_for_each_user() {
    let place = Place::new();
    let store = &place.store;
    let layer = import(store, LayerSpec::new().name("base"), &small_tar());
    let request = MountRequest::new();
    assert_eq!(store.mounted("base").unwrap(), 0);
    // Name, prefix and ID name the same layer.
    let path = store.mount("base", &request).unwrap();
    let prefix = &layer.id().as_str()[..10];
    assert_eq!(store.mount(prefix, &request).unwrap(), path);
    assert_eq!(
        std::fs::read_to_string(path.join("etc/hostname")).unwrap(),
        "box\n"
    );
    assert_eq!(store.mounted(layer.id().as_str()).unwrap(), 2);
    let expected = format!(
        r#"[{{"id":"{}","path":"{}","count":2}}]"#,
        layer.id(),
        path.display()
    );
    assert_eq!(mounts_file(&place), expected);
    assert_eq!(place.again().mounts().unwrap()[0].count, 2);
    assert_eq!(
        store.unmount("base", Unmounting::Once).unwrap(),
        StillMounted::Yes
    );
    assert_eq!(
        store
            .unmount(path.to_str().unwrap(), Unmounting::Once)
            .unwrap(),
        StillMounted::No
    );
    assert_eq!(mounts_file(&place), "[]");
    let error = store.unmount("base", Unmounting::Once).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerNotMounted));
    assert_eq!(
        store.unmount("base", Unmounting::Force).unwrap_err().kind(),
        Some(ErrorKind::LayerNotMounted)
    );
}

#[test]
fn force_unmounts_at_once() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    for _ in 0..3 {
        place.store.mount("base", &MountRequest::new()).unwrap();
    }
    assert_eq!(
        place.store.unmount("base", Unmounting::Force).unwrap(),
        StillMounted::No
    );
    assert_eq!(place.store.mounted("base").unwrap(), 0);
}

#[test]
fn a_container_mounts_its_layer() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let made = tx
        .create_container(ContainerSpec::new().name("box").image(image))
        .unwrap();
    tx.commit().unwrap();
    let path = place.store.mount("box", &MountRequest::new()).unwrap();
    assert_eq!(path, place.graph("vfs/dir").join(made.layer().as_str()));
    assert_eq!(place.store.mounted(made.layer().as_str()).unwrap(), 1);
    place
        .store
        .unmount(made.id().as_str(), Unmounting::Once)
        .unwrap();
}

#[test]
fn a_layer_is_not_taken_for_a_container_whose_id_begins_alike() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().id(id("ab")), &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().id(id("abc")).layer(id("w")))
        .unwrap();
    tx.commit().unwrap();
    for (key, layer) in [("ab", "ab"), ("abc", "w"), ("w", "w")] {
        let path = place.store.mount(key, &MountRequest::new()).unwrap();
        assert!(path.ends_with(layer), "{key}: {path:?}");
        place.store.unmount(key, Unmounting::Once).unwrap();
    }
    // The ID of its layer names the container, so the mount is volatile or mapped as the container
    // is.
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new().id(id("v")).layer(id("x"));
    tx.create_container(spec.mount_option("nosuid")).unwrap();
    tx.commit().unwrap();
    let error = place.store.mount("x", &MountRequest::new()).unwrap_err();
    assert!(matches!(error, MountError::Driver { .. }), "{error:?}");
    // Nothing has this name, so it counts as a prefix of an ID.
    place.store.delete_layer("ab").unwrap();
    let path = place.store.mount("ab", &MountRequest::new()).unwrap();
    assert!(path.ends_with("w"));
    place.store.unmount("ab", Unmounting::Once).unwrap();
}

#[test]
fn images_are_mounted_for_reading() {
    let place = Place::new();
    let (_, top) = image(&place.store, "image", &small_tar());
    let path = place
        .store
        .mount_image("image", &MountRequest::new())
        .unwrap();
    assert!(path.ends_with(top.as_str()));
    let error = place
        .store
        .mount_image("image", &MountRequest::new().option("rw"))
        .unwrap_err();
    assert!(matches!(error, MountError::Writable { .. }));
    assert_eq!(
        place
            .store
            .unmount_image("image", Unmounting::Once)
            .unwrap(),
        StillMounted::No
    );
    let mut tx = place.store.begin().unwrap();
    tx.create_image(ImageSpec::new().without_manifest().name("bare"))
        .unwrap();
    tx.commit().unwrap();
    let error = place
        .store
        .mount_image("bare", &MountRequest::new())
        .unwrap_err();
    assert!(matches!(error, MountError::NoLayers { .. }));
}

#[test]
fn what_is_unknown_is_not_mounted() {
    let place = Place::new();
    assert_eq!(
        place
            .store
            .mount("nosuch", &MountRequest::new())
            .unwrap_err()
            .kind(),
        Some(ErrorKind::LayerUnknown)
    );
    assert_eq!(
        place
            .store
            .unmount("nosuch", Unmounting::Once)
            .unwrap_err()
            .kind(),
        Some(ErrorKind::LayerUnknown)
    );
    assert_eq!(
        place
            .store
            .unmount("/nowhere", Unmounting::Once)
            .unwrap_err()
            .kind(),
        Some(ErrorKind::LayerNotMounted)
    );
    assert_eq!(mounts_file(&place), "-");
}

#[test]
fn a_shutdown_refuses_while_something_is_mounted() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new().name("base"), &small_tar());
    place.store.mount("base", &MountRequest::new()).unwrap();
    let error = place.store.shutdown(Shutdown::Refuse).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerUsedByContainer));
    let token = || std::fs::read(place.graph("storage.lock")).unwrap();
    assert_eq!(token().len(), 0);
    assert_eq!(
        place.store.shutdown(Shutdown::Force).unwrap(),
        [layer.id().clone()]
    );
    assert_eq!(token().len(), 64);
    assert!(place.store.shutdown(Shutdown::Refuse).unwrap().is_empty());
    // Other handles, and this one, open the driver again.
    place.again().mount("base", &MountRequest::new()).unwrap();
    place.store.mount("base", &MountRequest::new()).unwrap();
    assert_eq!(place.store.mounted("base").unwrap(), 2);
}

#[test]
fn counts_of_many_threads_add_up() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let store = place.again();
            scope.spawn(move || {
                for _ in 0..10 {
                    store.mount("base", &MountRequest::new()).unwrap();
                }
            });
        }
    });
    assert_eq!(place.store.mounted("base").unwrap(), 40);
}

#[test]
fn without_maps_no_owner_is_left_out() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    assert_eq!(
        place.store.layer_parent_owners("base").unwrap(),
        layerhold::ParentOwners::default()
    );
    assert_eq!(
        place
            .store
            .layer_parent_owners("nosuch")
            .unwrap_err()
            .kind(),
        Some(ErrorKind::LayerUnknown)
    );
}

#[test]
fn root_owners_above_a_mount_are_those_the_maps_lack() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    let maps = ranges(&[(0, 100_000, 1000)]);
    import(
        &place.store,
        LayerSpec::new().name("base").id_maps(maps),
        &small_tar(),
    );
    let error = place.store.layer_parent_owners("base").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerNotMounted));
    place.store.mount("base", &MountRequest::new()).unwrap();
    let owners = place.store.layer_parent_owners("base").unwrap();
    assert_eq!((owners.uids, owners.gids), (vec![0], vec![0]));
}

/// Directories on the path count, links as themselves and as their targets; the mount point and `/`
/// do not.
#[test]
fn root_peer_owners_above_a_mount_are_those_that_go_sees() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let Some(()) = layerhold_testkit::require_peer("containers-storage") else {
        return;
    };
    let dir = layerhold_testkit::scratch();
    let at = |below: &str| dir.path().join(below);
    for (number, below) in [(9, "real"), (8, "real/root"), (100_007, "real/covered")] {
        std::fs::create_dir(at(below)).unwrap();
        std::os::unix::fs::chown(at(below), Some(number), Some(number + 10)).unwrap();
    }
    std::os::unix::fs::symlink("real/root", at("link")).unwrap();
    std::os::unix::fs::lchown(at("link"), Some(7), Some(17)).unwrap();
    let options = StoreOptions::new(at("link"), at("real/covered/run")).with_driver("vfs");
    let store = Store::open(options).unwrap();
    let maps = ranges(&[(0, 100_000, 1000)]);
    let spec = LayerSpec::new().name("base").id_maps(maps);
    let layer = import(&store, spec, &small_tar()).id().to_string();
    store.mount("base", &MountRequest::new()).unwrap();
    let mount_point = at("link/vfs/dir").join(&layer);
    std::os::unix::fs::chown(mount_point, Some(5), Some(15)).unwrap();

    let owners = store.layer_parent_owners("base").unwrap();
    // The scratch directory and the files of the store belong to root.
    assert_eq!(owners.uids, [0, 7, 8]);
    assert_eq!(owners.gids, [0, 17, 18]);
    let go = layerhold_testkit::GoStore::new(&at("link"), &at("real/covered/run"), "vfs");
    let told = go.run(["layer-parent-owners", &layer]).text();
    let expected = format!("ID: {layer}\nUIDs: [0 7 8]\nGIDs: [0 17 18]\n");
    assert_eq!(told, expected);

    // It is counted, but no longer mounted.
    std::fs::remove_dir_all(at("link/vfs/dir").join(&layer)).unwrap();
    let error = store.layer_parent_owners("base").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerNotMounted));
}

#[test]
fn a_container_is_not_mounted_with_owners_that_its_maps_do_not_say() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().id(id("base")), &small_tar());
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new().id(id("box")).layer(id("upper"));
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    place.store.mount("box", &MountRequest::new()).unwrap();
    place.store.unmount("box", Unmounting::Once).unwrap();
    // The state that a driver with shifting leaves.
    let records = place.graph("vfs-containers/containers.json");
    let text = std::fs::read_to_string(&records).unwrap();
    let maps = r#"[{"container_id":0,"host_id":100000,"size":65536}]"#;
    let mapped = format!(r#""id":"box","uidmap":{maps},"gidmap":{maps},"#);
    std::fs::write(&records, text.replace(r#""id":"box","#, &mapped)).unwrap();
    let store = place.again();
    assert!(
        !store
            .snapshot()
            .unwrap()
            .container("box")
            .unwrap()
            .id_maps()
            .is_identity()
    );
    let error = store.mount("box", &MountRequest::new()).unwrap_err();
    assert!(
        matches!(&error, MountError::ShiftingNotEnabled { layer } if layer.as_str() == "upper"),
        "{error:?}"
    );
    assert!(error.to_string().contains("shifting not enabled"));
    assert_eq!(store.mounted("box").unwrap(), 0);
}

#[test]
fn root_overlay_containers_that_were_shifted_are_refused_without_shifting() {
    let Some(place) = Overlay::new() else { return };
    let without = Overlay::options(place.0.dir.path()).with_shifting(Shifting::Disabled);
    let without = Store::open(without).unwrap();
    let (image, _) = image(&place.0.store, "image", &small_tar());
    for (store, name) in [(&place.0.store, "shifted"), (&without, "rewritten")] {
        let mut tx = store.begin().unwrap();
        let maps = ranges(&[(0, 100_000, 65_536)]);
        let spec = ContainerSpec::new().name(name).image(image.clone());
        tx.create_container(spec.id_maps(maps)).unwrap();
        tx.commit().unwrap();
    }
    let view = place.0.store.snapshot().unwrap();
    let layer = view.container("shifted").unwrap().layer().to_string();
    if !view.layer(&layer).unwrap().id_maps().is_identity() {
        let why = "the kernel does not shift owners for overlay";
        return layerhold_testkit::skip(why, SkipReason::Kernel).unwrap_or(());
    }
    let owner = |store: &Store, name: &str| {
        use std::os::unix::fs::MetadataExt;
        let path = store.mount(name, &MountRequest::new()).unwrap();
        let owner = std::fs::metadata(path.join("etc/hostname")).unwrap().uid();
        store.unmount(name, Unmounting::Once).unwrap();
        owner
    };
    assert_eq!(owner(&place.0.store, "shifted"), 100_007);
    let error = without.mount("shifted", &MountRequest::new()).unwrap_err();
    assert!(
        matches!(error, MountError::ShiftingNotEnabled { .. }),
        "{error:?}"
    );
    assert!(without.mounts().unwrap().is_empty());
    assert_eq!(owner(&without, "rewritten"), 100_007);
    assert_eq!(owner(&place.0.store, "rewritten"), 100_007);
}

#[test]
fn the_counts_are_left_alone_by_everything_else() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new().name("base"), &small_tar());
    place.store.add_names("base", &["too".to_owned()]).unwrap();
    import(&place.store, LayerSpec::new().name("gone"), &small_tar());
    place.store.delete_layer("gone").unwrap();
    assert_eq!(mounts_file(&place), "-");
    place.store.mount("base", &MountRequest::new()).unwrap();
    let inode = || {
        std::fs::metadata(place.run("vfs-layers/mountpoints.json"))
            .unwrap()
            .ino()
    };
    let before = inode();
    import(&place.store, LayerSpec::new().name("other"), &small_tar());
    place
        .store
        .add_names("base", &["three".to_owned()])
        .unwrap();
    place.again().delete_layer("other").unwrap();
    assert_eq!(inode(), before);
    assert!(mounts_file(&place).contains(layer.id().as_str()));
}

/// A store with overlay and a layer `x`. Dropping it unmounts everything.
struct Overlay(Place);

impl Overlay {
    fn new() -> Option<Self> {
        layerhold_testkit::require_root()?;
        let dir = layerhold_testkit::scratch();
        let store = Store::open(Self::options(dir.path())).unwrap();
        import(&store, LayerSpec::new().id(id("x")), &small_tar());
        Some(Self(Place { dir, store }))
    }

    fn options(base: &Path) -> StoreOptions {
        StoreOptions::new(base.join("root"), base.join("runroot")).with_driver("overlay")
    }

    /// The view of another process.
    fn again(&self) -> Store {
        Store::open(Self::options(self.0.dir.path())).unwrap()
    }

    fn lose_counts(&self) {
        std::fs::remove_file(self.0.run("overlay-layers/mountpoints.json")).unwrap();
    }

    /// Whether the kernel has the layer mounted.
    fn is_mounted(&self) -> bool {
        is_mount_point(&self.0.graph("overlay/x/merged")).unwrap()
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        best_effort(self.0.store.shutdown(Shutdown::Force));
    }
}

#[test]
fn root_a_count_that_an_unmount_outside_left_starts_again() {
    let Some(()) = layerhold_testkit::require_feature(Feature::AllMounts) else {
        return;
    };
    let Some(place) = Overlay::new() else { return };
    for store in [place.0.store.clone(), place.again()] {
        let mount = || store.mount("x", &MountRequest::new()).unwrap();
        let path = mount();
        assert_eq!(mount(), path);
        assert_eq!(store.mounted("x").unwrap(), 2);
        unmount_outside(&path);
        assert_eq!(mount(), path);
        assert_eq!(store.mounted("x").unwrap(), 1);
        assert!(path.join("etc/hostname").exists());
        // So that it gets back to 0.
        let left = store.unmount("x", Unmounting::Once).unwrap();
        assert_eq!((left, place.is_mounted()), (StillMounted::No, false));
        // Further mounts are counted as usual.
        mount();
        mount();
        assert_eq!(store.mounted("x").unwrap(), 2);
        let left = store.unmount("x", Unmounting::Once).unwrap();
        assert_eq!((left, place.is_mounted()), (StillMounted::Yes, true));
        let left = store.unmount("x", Unmounting::Once).unwrap();
        assert_eq!((left, place.is_mounted()), (StillMounted::No, false));
    }
}

#[test]
fn root_a_mount_without_a_count_is_found_in_the_kernels_table() {
    let Some(place) = Overlay::new() else { return };
    let request = MountRequest::new();
    for lose in [true, false] {
        // Mounted by this process or by another one, without a count.
        let by = || {
            if lose {
                place.0.store.clone()
            } else {
                place.again()
            }
        };
        let path = by().mount("x", &request).unwrap();
        std::fs::write(path.join("written"), "x").unwrap();
        place.lose_counts();
        assert_eq!(by().mounted("x").unwrap(), 0);
        // The next user adopts the mount.
        let store = place.again();
        assert_eq!(store.mount("x", &request).unwrap(), path);
        assert_eq!(store.mounted("x").unwrap(), 1);
        assert_eq!(std::fs::read(path.join("written")).unwrap(), b"x");
        store.unmount("x", Unmounting::Once).unwrap();
        assert!(!place.is_mounted());

        // The first unmount unmounts it.
        by().mount("x", &request).unwrap();
        place.lose_counts();
        assert_eq!(
            place.again().unmount("x", Unmounting::Once).unwrap(),
            StillMounted::No
        );
        assert!(!place.is_mounted());
        let error = place.again().unmount("x", Unmounting::Once).unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::LayerNotMounted));

        // A shutdown does not unmount it unless forced.
        by().mount("x", &request).unwrap();
        place.lose_counts();
        let store = place.again();
        let error = store.shutdown(Shutdown::Refuse).unwrap_err();
        assert!(
            matches!(&error, ShutdownError::Mounted { layers } if layers[0].as_str() == "x"),
            "{error:?}"
        );
        assert!(place.is_mounted());
        assert_eq!(store.shutdown(Shutdown::Force).unwrap().len(), 1);
        assert!(!place.is_mounted());
    }
}

#[test]
fn root_a_mount_of_something_else_is_not_taken_for_the_layer() {
    let Some(place) = Overlay::new() else { return };
    let merged = place.0.graph("overlay/x/merged");
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&merged)
        .status();
    assert!(mount.unwrap().success());
    let path = place.0.store.mount("x", &MountRequest::new()).unwrap();
    assert!(path.join("etc/hostname").exists());
    place.0.store.unmount("x", Unmounting::Once).unwrap();
    assert!(!place.is_mounted());
}
