//! Waits that are given up.

use std::time::Duration;

use layerhold_lockfile::{LockError, LockFile, ReadOnlyLockFile};
use layerhold_sys::Cancel;

#[test]
fn a_wait_ends_when_it_is_cancelled_and_leaves_no_lock_behind() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.lock");
    let holder = LockFile::new(&path).unwrap();
    let held = holder.write().unwrap();
    let cancel = Cancel::new();
    let waiter = LockFile::new(&path).unwrap().cancelled_by(cancel.clone());
    let reader = ReadOnlyLockFile::new(&path)
        .unwrap()
        .cancelled_by(cancel.clone());
    let waiting = [
        std::thread::spawn({
            let waiter = waiter.clone();
            move || waiter.write().map(drop)
        }),
        std::thread::spawn(move || waiter.read().map(drop)),
        std::thread::spawn(move || reader.read().map(drop)),
    ];
    cancel.cancel();
    for waiting in waiting {
        let error = waiting.join().unwrap().unwrap_err();
        assert!(matches!(error, LockError::Cancelled { path: of, .. } if of == path));
    }
    drop(held);
    // What the kernel still has in its queue gets the lock, and gives it back.
    let again = holder.write_timeout(Duration::from_secs(60)).unwrap();
    assert!(again.is_some());
}

#[test]
fn a_wait_that_is_not_cancelled_gets_the_lock() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.lock");
    let held = LockFile::new(&path).unwrap().write().unwrap();
    let waiter = LockFile::new(&path).unwrap().cancelled_by(Cancel::new());
    let waiting = std::thread::spawn(move || waiter.write().map(|guard| guard.path().to_owned()));
    drop(held);
    assert_eq!(waiting.join().unwrap().unwrap(), path);
}

#[test]
fn a_bounded_wait_can_be_cancelled_too() {
    let place = layerhold_testkit::scratch();
    let path = place.path().join("x.lock");
    let holder = LockFile::new(&path).unwrap();
    let guard = holder.write().unwrap();
    let cancel = Cancel::new();
    let long = Duration::from_secs(3600);
    let waiter = LockFile::new(&path).unwrap();
    let waiter = waiter.cancelled_by(cancel.clone()).with_timeout(long);
    cancel.cancel();
    for wait in [
        waiter.write().map(drop),
        waiter.read().map(drop),
        waiter.write_timeout(long).map(drop),
    ] {
        let error = wait.unwrap_err();
        assert!(matches!(error, LockError::Cancelled { .. }), "{error:?}");
        assert!(layerhold_sys::is_cancelled(&error));
    }
    drop(guard);
}
