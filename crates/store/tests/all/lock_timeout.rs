//! Tests bounded waits for the locks of a store.

use std::time::Duration;

use layerhold::layerhold_lockfile::{LockError, LockFile};
use layerhold::layerhold_sys::causes;
use layerhold::{DeleteMode, Error, ErrorKind, MountRequest, Store};

use crate::support::{Place, image, options, small_tar};

const BOUND: Duration = Duration::from_millis(3);

/// Runs `work` while another handle holds a lock, and checks that the wait ends with an error that
/// names the lock file and its holder. Returns the text of that error.
fn check<T: std::fmt::Debug>(
    place: &Place,
    lock: &str,
    work: impl Fn(&Store) -> Result<T, Error>,
) -> String {
    let path = match lock.strip_prefix("run/") {
        Some(below) => place.run(below),
        None => place.graph(lock),
    };
    let held = LockFile::new(&path).unwrap().write().unwrap();
    let store = place.store.with_lock_timeout(BOUND);
    let error = work(&store).unwrap_err();
    assert_eq!(
        error.kind(),
        Some(ErrorKind::LockTimeout),
        "{lock}: {error:?}"
    );
    assert!(!error.is_cancelled() && !error.is_conflict());
    let timed_out = causes(&error).find_map(|cause| cause.downcast_ref::<LockError>());
    let Some(LockError::TimedOut {
        path: named,
        timeout,
        holders,
    }) = timed_out
    else {
        panic!("{error:?}");
    };
    let pids: Vec<_> = holders.iter().map(|holder| holder.pid).collect();
    assert_eq!((named, *timeout), (&path, BOUND));
    assert_eq!(pids, [Some(std::process::id())]);
    drop(held);
    drop(work(&store).unwrap());
    timed_out.unwrap().to_string()
}

#[test]
fn every_lock_has_a_bound_and_its_holder_is_named() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let snapshot = |store: &Store| Ok(store.snapshot()?);
    for lock in [
        "vfs-layers/layers.lock",
        "vfs-images/images.lock",
        "vfs-containers/containers.lock",
    ] {
        let text = check(&place, lock, snapshot);
        let holder = format!("{}", std::process::id());
        assert!(
            text.contains(lock) && text.contains("3ms") && text.contains(&holder),
            "{text}"
        );
    }
    drop(check(&place, "storage.lock", |store| Ok(store.begin()?)));
    drop(place.store.mounts().unwrap());
    drop(check(&place, "run/vfs-layers/mountpoints.lock", |store| {
        Ok(store.mounts()?)
    }));
}

#[test]
fn a_deletion_that_would_wait_for_its_last_lock_changes_nothing() {
    let place = Place::new();
    let (image, layer) = image(&place.store, "image", &small_tar());
    drop(place.store.mounts().unwrap());
    let lock = LockFile::new(place.run("vfs-layers/mountpoints.lock")).unwrap();
    let held = lock.write().unwrap();
    let store = place.store.with_lock_timeout(BOUND);
    let error = store.delete_image(&image, DeleteMode::Delete).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LockTimeout), "{error:?}");
    let error = store.mount(&layer, &MountRequest::default()).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LockTimeout), "{error:?}");
    drop(held);
    let view = place.again().snapshot().unwrap();
    assert_eq!((view.layers().count(), view.images().count()), (1, 1));
    assert_eq!(
        store.delete_image(&image, DeleteMode::Delete).unwrap(),
        [layer]
    );
}

#[test]
fn a_bound_of_the_opening_holds_for_opening_too() {
    let place = Place::new();
    let held = LockFile::new(place.graph("storage.lock")).unwrap();
    let held = held.write().unwrap();
    let bounded = || options(place.dir.path()).with_lock_timeout(BOUND);
    let error = Store::open(bounded()).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::LockTimeout), "{error:?}");
    drop(held);
    let store = Store::open(bounded()).unwrap();
    assert_eq!(store.options().lock_timeout, Some(BOUND));
    assert_eq!(store.with_lock_timeout(None).options().lock_timeout, None);
}
