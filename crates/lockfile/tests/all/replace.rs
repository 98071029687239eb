//! Replacing a protected file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use layerhold_lockfile::{LockFile, ReplaceError};
use layerhold_testkit::scratch;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn one_call_locks_records_and_replaces() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let data = place.path().join("x.json");
    let first = lock.replace_file(&data, b"one").unwrap();
    assert_eq!(std::fs::read(&data).unwrap(), b"one");
    assert_eq!(mode(&data), 0o600);
    let guard = lock.read().unwrap();
    assert_eq!(guard.token().unwrap(), first);
    drop(guard);
    // It is not locked any more, and the file keeps its permissions.
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o640)).unwrap();
    let guard = lock.try_write().unwrap().unwrap();
    let before = std::fs::read(&data).unwrap();
    let second = guard
        .replace_file(&data, &[&before[..], b" two"].concat())
        .unwrap();
    assert_eq!(guard.token().unwrap(), second);
    assert_ne!(first, second);
    assert_eq!(std::fs::read(&data).unwrap(), b"one two");
    assert_eq!(mode(&data), 0o640);
    let names = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(names, 2, "no temporary file is left");
}

#[test]
fn what_cannot_be_replaced_records_nothing() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let missing = place.path().join("missing/x.json");
    let error = lock.replace_file(&missing, b"").unwrap_err();
    assert!(error.is_not_found());
    assert!(matches!(error, ReplaceError::Write { path, .. } if path == missing));
    let error = lock.replace_file(place.path().join(".."), b"").unwrap_err();
    assert!(matches!(error, ReplaceError::InvalidPath { .. }));
    assert!(lock.read().unwrap().token().unwrap().is_empty());
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let (link, target) = (place.path().join("link"), place.path().join("target"));
    std::fs::write(&target, b"kept").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    lock.replace_file(&link, b"new").unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"kept");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
}
