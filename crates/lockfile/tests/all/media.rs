//! Read-only lock files, and places where none can be made.

use layerhold_lockfile::{LockError, LockFile, Protection, ReadOnlyLockFile, TokenError};
use layerhold_testkit::{
    ChildSpec, FilesystemKind, child_role, require_filesystem, require_peer, require_root, scratch,
};

#[test]
fn a_read_only_lock_excludes_writers_and_shows_tokens() {
    let place = scratch();
    let path = place.path().join("x.lock");
    let writer = LockFile::new(&path).unwrap();
    let token = writer.write().unwrap().record_write().unwrap();
    let reader = ReadOnlyLockFile::new(&path).unwrap();
    let guard = reader.read().unwrap();
    assert_eq!(guard.protection(), Protection::Locked);
    assert_eq!(guard.token().unwrap(), token);
    assert!(writer.try_write().unwrap().is_none());
    assert!(reader.try_read().unwrap().is_some());
    drop(guard);
    let writing = writer.write().unwrap();
    assert!(reader.try_read().unwrap().is_none());
    let patience = std::time::Duration::from_millis(5);
    assert!(reader.read_timeout(patience).unwrap().is_none());
    drop(writing);
    assert!(reader.read_timeout(patience).unwrap().is_some());
}

#[test]
fn a_missing_read_only_lock_file_is_made_where_that_is_possible() {
    let place = scratch();
    let path = place.path().join("a/x.lock");
    let reader = ReadOnlyLockFile::new(&path).unwrap();
    let guard = reader.read().unwrap();
    assert_eq!(guard.protection(), Protection::Locked);
    assert!(guard.token().unwrap().is_empty());
    assert!(LockFile::new(&path).unwrap().try_write().unwrap().is_none());
}

#[test]
fn root_on_read_only_media_there_is_a_guard_without_protection() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Ext4, 8) else {
        return;
    };
    let existing = filesystem.path().join("existing.lock");
    let token = LockFile::new(&existing)
        .unwrap()
        .write()
        .unwrap()
        .record_write()
        .unwrap();
    filesystem.remount("ro").unwrap();

    for missing in ["missing.lock", "no/such/dir/missing.lock"] {
        let reader = ReadOnlyLockFile::new(filesystem.path().join(missing)).unwrap();
        for guard in [reader.read().unwrap(), reader.try_read().unwrap().unwrap()] {
            assert_eq!(guard.protection(), Protection::None);
            assert!(guard.token().unwrap().is_empty());
        }
    }
    let reader = ReadOnlyLockFile::new(&existing).unwrap();
    let guard = reader.read().unwrap();
    assert_eq!(guard.protection(), Protection::Locked);
    assert_eq!(guard.token().unwrap(), token);

    let writer = LockFile::new(&existing).unwrap();
    match writer.write() {
        Err(LockError::Open { source, .. }) => assert!(source.is_read_only_filesystem()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    assert_eq!(role.name(), "unprivileged");
    let protection = |path: &str| match ReadOnlyLockFile::new(path).unwrap().read() {
        Ok(guard) => format!("{:?}", guard.protection()),
        Err(LockError::Open { source, .. }) => format!("{:?}", source.kind()),
        Err(other) => format!("{other:?}"),
    };
    role.say(&protection(role.argument(0)));
    role.say(&protection(role.argument(1)));
    role.say(&protection(role.argument(2)));
}

#[test]
fn root_without_permission_to_make_a_lock_file_there_is_no_protection() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("setpriv") else {
        return;
    };
    use std::os::unix::fs::PermissionsExt;
    let place = scratch();
    let set = |name: &str, mode| {
        let path = place.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::write(place.path().join("readable.lock"), "").unwrap();
    std::fs::write(place.path().join("closed.lock"), "").unwrap();
    set("", 0o755);
    set("readable.lock", 0o644);
    set("closed.lock", 0o600);
    let path = |name: &str| place.path().join(name).display().to_string();
    let mut child = ChildSpec::new("media::child_entry", "unprivileged")
        .argument(path("missing.lock"))
        .argument(path("readable.lock"))
        .argument(path("closed.lock"))
        .through(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"])
        .spawn();
    child.expect("None");
    child.expect("Locked");
    // It exists, so other processes may rely on it.
    child.expect("PermissionDenied");
    assert!(child.wait().success());
}

#[test]
fn root_a_full_disk_is_told_and_the_old_token_stays_whole() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 1) else {
        return;
    };
    let lock = LockFile::new(filesystem.path().join("x.lock")).unwrap();
    let guard = lock.write().unwrap();
    let full = std::fs::write(filesystem.path().join("ballast"), vec![1; 2 << 20]);
    assert!(full.is_err());
    match guard.record_write() {
        Err(TokenError::Write { source, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        }
        other => panic!("{other:?}"),
    }
    assert!(guard.token().unwrap().is_empty());
    // Once the token has its block, a full disk does not matter any more.
    // Truncated, not removed: a child that another test is about to start may have the file open.
    std::fs::write(filesystem.path().join("ballast"), "").unwrap();
    guard.record_write().unwrap();
    let full = std::fs::write(filesystem.path().join("ballast"), vec![1; 2 << 20]);
    assert!(full.is_err());
    let token = guard.record_write().unwrap();
    assert_eq!(guard.token().unwrap(), token);
}
