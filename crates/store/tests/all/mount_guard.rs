//! Tests of mounts that end with a value.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use layerhold::layerhold_sys::mount::is_mount_point;
use layerhold::layerhold_sys::unique_mount_id;
use layerhold::{
    ErrorKind, LayerSpec, MountError, MountGuard, MountRequest, Shutdown, StillMounted, Store,
    StoreOptions, Unmounting,
};
use layerhold_sys::{Cancel, best_effort};
use layerhold_testkit::{Feature, SkipReason, TempDir, require_feature, require_root, scratch};

use crate::support::{Place, id, image, import, small_tar, unmount_outside};

fn request() -> MountRequest {
    MountRequest::new()
}

#[test]
fn a_guard_ends_its_own_use_only() {
    let place = Place::new();
    let store = &place.store;
    let layer = import(store, LayerSpec::new().name("base"), &small_tar());
    let of_another = place.again().mount("base", &request()).unwrap();
    let outer = store.mount_guard("base", &request()).unwrap();
    assert_eq!((outer.path(), outer.layer()), (&*of_another, layer.id()));
    {
        let _inner = store.mount_guard(layer.id(), &request()).unwrap();
        assert_eq!(store.mounted("base").unwrap(), 3);
    }
    assert_eq!(store.mounted("base").unwrap(), 2);
    assert_eq!(outer.unmount().unwrap(), StillMounted::Yes);
    assert_eq!(store.mounted("base").unwrap(), 1);
    let last = store.mount_guard("base", &request()).unwrap();
    store.unmount("base", Unmounting::Once).unwrap();
    assert_eq!(last.unmount().unwrap(), StillMounted::No);
    assert_eq!(store.mounted("base").unwrap(), 0);
}

#[test]
fn a_guard_that_is_kept_leaves_its_use_to_the_store() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let guard = place.store.mount_guard("base", &request()).unwrap();
    let path = guard.keep();
    assert_eq!(place.store.mounted("base").unwrap(), 1);
    let ended = place
        .store
        .unmount(path.to_str().unwrap(), Unmounting::Once);
    assert_eq!(ended.unwrap(), StillMounted::No);
}

#[test]
fn a_guard_needs_no_handle_and_may_end_on_any_thread() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let guard = place.again().mount_guard("base", &request()).unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(place.store.mounted("base").unwrap(), 0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = place.store.mount_guard("base", &request()).unwrap();
        panic!("in the middle of the work");
    }));
    assert!(panicked.is_err());
    assert_eq!(place.store.mounted("base").unwrap(), 0);
}

#[test]
fn a_guard_ends_its_use_when_its_store_was_cancelled() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let cancel = Cancel::new();
    let store = place.store.with_cancel(cancel.clone());
    let dropped = store.mount_guard("base", &request()).unwrap();
    let unmounted = store.mount_guard("base", &request()).unwrap();
    cancel.cancel();
    drop(dropped);
    assert_eq!(place.store.mounted("base").unwrap(), 1);
    assert_eq!(unmounted.unmount().unwrap(), StillMounted::No);
    assert_eq!(place.store.mounted("base").unwrap(), 0);
}

#[test]
fn a_mount_that_was_ended_by_force_has_no_use_left() {
    let place = Place::new();
    import(&place.store, LayerSpec::new().name("base"), &small_tar());
    let guards: [MountGuard; 2] =
        [(); 2].map(|()| place.store.mount_guard("base", &request()).unwrap());
    place.store.unmount("base", Unmounting::Force).unwrap();
    let [one, other] = guards;
    let error = one.unmount().unwrap_err();
    assert!(matches!(error, MountError::NotMounted { .. }), "{error:?}");
    drop(other);
    assert_eq!(place.store.mounted("base").unwrap(), 0);
}

#[test]
fn an_image_is_mounted_until_the_guard_ends() {
    let place = Place::new();
    let (image, layer) = image(&place.store, "image", &small_tar());
    let guard = place.store.mount_image_guard(&image, &request()).unwrap();
    assert_eq!(guard.layer(), &layer);
    let text = fs::read_to_string(guard.path().join("etc/hostname")).unwrap();
    assert_eq!(text, "box\n");
    assert_eq!(place.store.mounted(&layer).unwrap(), 1);
    drop(guard);
    assert_eq!(place.store.mounted(&layer).unwrap(), 0);
    let writable = request().option("rw");
    let error = place
        .store
        .mount_image_guard("image", &writable)
        .unwrap_err();
    assert!(matches!(error, MountError::Writable { .. }), "{error:?}");
    let error = place.store.mount_guard("nosuch", &request()).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LayerUnknown));
}

/// A store with overlay and a layer `x`. Dropping it unmounts everything.
struct Overlay {
    dir: TempDir,
    store: Store,
}

impl Overlay {
    fn new() -> Option<Self> {
        require_root()?;
        require_feature(Feature::Overlay)?;
        let dir = scratch();
        let store = Self::open(dir.path());
        import(&store, LayerSpec::new().id(id("x")), &small_tar());
        Some(Self { dir, store })
    }

    fn open(base: &Path) -> Store {
        let options = StoreOptions::new(base.join("root"), base.join("runroot"));
        Store::open(options.with_driver("overlay")).unwrap()
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        best_effort(self.store.shutdown(Shutdown::Force));
    }
}

#[test]
fn root_overlay_is_unmounted_by_the_last_guard() {
    let Some(place) = Overlay::new() else { return };
    let one = place.store.mount_guard("x", &request()).unwrap();
    let other = Overlay::open(place.dir.path())
        .mount_guard("x", &request())
        .unwrap();
    let merged = other.path().to_owned();
    assert_eq!(one.unmount().unwrap(), StillMounted::Yes);
    assert!(is_mount_point(&merged).unwrap());
    fs::write(merged.join("new"), "").unwrap();
    drop(other);
    assert!(!is_mount_point(&merged).unwrap());
    assert_eq!(place.store.mounted("x").unwrap(), 0);
}

#[test]
fn root_overlay_mounts_of_others_after_a_forced_end_are_left_alone() {
    let Some(place) = Overlay::new() else { return };
    if unique_mount_id(Path::new("/")).is_none() {
        let why = "the kernel does not number mounts uniquely";
        let _skipped = layerhold_testkit::skip::<()>(why, SkipReason::Kernel);
        return;
    }
    let store = &place.store;
    let [one, other] = [(); 2].map(|()| store.mount_guard("x", &request()).unwrap());
    store.unmount("x", Unmounting::Force).unwrap();
    let of_another = store.mount("x", &request()).unwrap();
    let error = one.unmount().unwrap_err();
    assert!(matches!(error, MountError::NotMounted { .. }), "{error:?}");
    drop(other);
    assert!(is_mount_point(&of_another).unwrap());
    assert_eq!(store.mounted("x").unwrap(), 1);
}

#[test]
fn root_overlay_mounts_that_were_ended_outside_are_not_counted_on() {
    let Some(place) = Overlay::new() else { return };
    let Some(()) = require_feature(Feature::AllMounts) else {
        return;
    };
    let guard = place.store.mount_guard("x", &request()).unwrap();
    unmount_outside(guard.path());
    let error = guard.unmount().unwrap_err();
    assert!(matches!(error, MountError::NotMounted { .. }), "{error:?}");
    assert_eq!(place.store.mounted("x").unwrap(), 0);
}
