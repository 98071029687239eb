//! Tests what a store reports about itself, and locks by digest.

use layerhold::layerhold_ids::{Digest, TocDigest};
use layerhold::{
    ContainerSpec, ErrorKind, ImageSpec, LayerSpec, MountRequest, ParentOwners, Shutdown, Store,
    StoreOptions, Unmounting, VolatileMounts,
};

use crate::support::{Place, import, long, options, ranges, small_tar};

#[test]
fn a_lock_by_digest_excludes_others() {
    let place = Place::new();
    let text = format!("sha256:{}", long('a'));
    let digest: Digest = text.parse().unwrap();
    let ours = place.store.digest_lock(&digest).unwrap();
    // The path where Go looks for it.
    assert_eq!(ours.path(), place.run(&format!("vfs-locks/{text}")));
    let theirs = place.again().digest_lock(&digest).unwrap();
    let guard = ours.write().unwrap();
    assert!(theirs.try_write().unwrap().is_none());
    let other: Digest = format!("sha256:{}", long('b')).parse().unwrap();
    let of_other = place.again().digest_lock(&other).unwrap();
    assert!(of_other.try_write().unwrap().is_some());
    drop(guard);
    assert!(theirs.try_write().unwrap().is_some());
}

#[test]
fn options_for_mounts_of_another_driver_are_not_ours() {
    let dir = layerhold_testkit::scratch();
    let options = options(dir.path()).with_driver_option("overlay.mountopt=nodev");
    let store = Store::open(options).unwrap();
    assert!(store.default_mount_options().is_empty());
}

#[test]
fn root_the_first_option_for_mounts_counts() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let dir = layerhold_testkit::scratch();
    let mut options = StoreOptions::new(dir.path().join("root"), dir.path().join("runroot"))
        .with_driver("overlay");
    for option in [
        "vfs.mountopt=ro",
        ".mountopt=nodev,nosuid",
        "overlay.mountopt=noexec",
    ] {
        options = options.with_driver_option(option);
    }
    let store = Store::open(options).unwrap();
    assert_eq!(store.default_mount_options(), ["nodev", "nosuid"]);
    store.shutdown(Shutdown::Refuse).unwrap();
}

#[test]
fn layers_are_found_by_the_digest_of_their_table_of_contents() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let digest: Digest = format!("sha256:{}", long('c')).parse().unwrap();
    // Only Go's tools pull parts of layers so far.
    let records = place.records("vfs-layers/layers.json");
    let id = format!("{{\"id\":\"{}\"", layer.id());
    let with_toc = records.replace(&id, &format!("{id},\"toc-digest\":\"{digest}\""));
    assert_ne!(records, with_toc);
    std::fs::write(place.graph("vfs-layers/layers.json"), with_toc).unwrap();
    let view = place.again().snapshot().unwrap();
    let found = view.layers_by_toc_digest(&TocDigest::new(digest.clone()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id(), layer.id());
    assert_eq!(found[0].toc_digest(), Some(TocDigest::new(digest)));
    let other: Digest = format!("sha256:{}", long('d')).parse().unwrap();
    assert!(view.layers_by_toc_digest(&TocDigest::new(other)).is_empty());
}

#[test]
fn owners_above_the_layer_of_a_container() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    tx.create_image(ImageSpec::new().without_manifest().name("empty"))
        .unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box"))
        .unwrap();
    tx.commit().unwrap();
    // Without ID maps there are none, mounted or not.
    let owners = place.store.container_parent_owners("box").unwrap();
    assert_eq!(owners, ParentOwners::default());
    let error = place.store.container_parent_owners("empty").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::ContainerUnknown));
    assert_eq!(
        place
            .store
            .container_parent_owners(container.id().as_str())
            .unwrap(),
        ParentOwners::default()
    );
}

#[test]
fn root_owners_above_a_container_are_those_its_maps_lack() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let place = Place::new();
    let maps = ranges(&[(0, 100_000, 1000)]);
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box").id_maps(maps))
        .unwrap();
    tx.commit().unwrap();
    let error = place.store.container_parent_owners("box").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerNotMounted));
    place.store.mount("box", &MountRequest::new()).unwrap();
    let owners = place.store.container_parent_owners("box").unwrap();
    assert_eq!((owners.uids, owners.gids), (vec![0], vec![0]));
}

#[test]
fn the_version_is_that_of_this_library() {
    let place = Place::new();
    let rows = place.store.version();
    assert_eq!(
        rows,
        [("Version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]
    );
}

#[test]
fn options_for_pulling_are_handed_on() {
    let dir = layerhold_testkit::scratch();
    let options = options(dir.path()).with_pull_option("enable_partial_images", "true");
    let store = Store::open(options).unwrap();
    let known: Vec<_> = store.pull_options().iter().collect();
    let name = "enable_partial_images".to_owned();
    assert_eq!(known, [(&name, &"true".to_owned())]);
    assert!(Place::new().store.pull_options().is_empty());
}

/// The overlay options of the mount at a path.
fn mounted_with(path: &std::path::Path) -> String {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let at = format!(" {} ", path.display());
    let line = table.lines().find(|line| line.contains(&at));
    line.unwrap().to_owned()
}

#[test]
fn root_volatile_mounts_can_be_forbidden() {
    let Some(()) = layerhold_testkit::require_root() else {
        return;
    };
    let dir = layerhold_testkit::scratch();
    let options = StoreOptions::new(dir.path().join("root"), dir.path().join("runroot"))
        .with_driver("overlay");
    let open = |mounts| Store::open(options.clone().with_volatile_mounts(mounts)).unwrap();
    let store = open(VolatileMounts::Allowed);
    let mut tx = store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box").volatile())
        .unwrap();
    tx.commit().unwrap();
    let can = store.driver().status();
    let can = can.contains(&("Supports volatile".to_owned(), "true".to_owned()));
    for (mounts, wanted) in [
        (VolatileMounts::Allowed, can),
        (VolatileMounts::Disabled, false),
    ] {
        let store = open(mounts);
        let path = store.mount("box", &MountRequest::new()).unwrap();
        let options = mounted_with(&path);
        assert_eq!(options.contains("volatile"), wanted, "{options}");
        store.unmount("box", Unmounting::Once).unwrap();
    }
    store.shutdown(Shutdown::Force).unwrap();
}
