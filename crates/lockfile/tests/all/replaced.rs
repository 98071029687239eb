//! Lock files and directories that vanish and come back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use layerhold_lockfile::{LockError, LockFile, Token};
use layerhold_testkit::scratch;

use super::support::{eventually, is_waited_for};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn nothing_is_made_before_the_first_lock() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("a/b/x.lock")).unwrap();
    assert!(!place.path().join("a").exists());
    drop(lock.read().unwrap());
    assert_eq!(mode(&place.path().join("a")), 0o700);
    assert_eq!(mode(&place.path().join("a/b")), 0o700);
    // 0644 less what the umask of the test run takes.
    assert_eq!(mode(lock.path()) & 0o600, 0o600);
    assert_eq!(std::fs::metadata(lock.path()).unwrap().len(), 0);
}

#[test]
fn removed_directories_are_made_again() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("a/b/x.lock")).unwrap();
    lock.write().unwrap().record_write().unwrap();
    std::fs::remove_dir_all(place.path().join("a")).unwrap();
    let guard = lock.write().unwrap();
    assert_eq!(guard.token().unwrap(), Token::empty());
    assert!(lock.path().exists());
}

#[test]
fn one_who_waited_for_a_removed_file_locks_the_new_one() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let old = lock.write().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| lock.write().unwrap());
        eventually("the other waits", || is_waited_for(lock.path()));
        std::fs::remove_file(lock.path()).unwrap();
        // It gets the lock on the old file now, must notice, and lock the new one.
        drop(old);
        let guard = waiting.join().unwrap();
        assert!(lock.path().exists());
        let other = LockFile::new(lock.path()).unwrap();
        assert!(other.try_read().unwrap().is_none());
        drop(guard);
        assert!(other.try_read().unwrap().is_some());
    });
}

#[test]
fn threads_exclude_each_other_while_the_file_is_being_removed() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("d/x.lock")).unwrap();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let guard = lock.write().unwrap();
                    let before = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0, "two writers at once");
                    // Removed only by its holder: a lock of a removed file
                    // protects nothing any more.
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    std::fs::remove_file(lock.path()).unwrap();
                    drop(guard);
                }
            });
        }
    });
}

#[test]
fn tokens_are_overwritten_and_never_truncated() {
    let place = scratch();
    let path = place.path().join("x.lock");
    std::fs::write(&path, [b'f'; 100]).unwrap();
    let lock = LockFile::new(&path).unwrap();
    let guard = lock.write().unwrap();
    assert_eq!(guard.token().unwrap().as_bytes(), [b'f'; 64]);
    let token = guard.record_write().unwrap();
    assert_eq!(guard.token().unwrap(), token);
    let content = std::fs::read(&path).unwrap();
    assert_eq!(&content[..64], token.as_bytes());
    assert_eq!(&content[64..], [b'f'; 36]);
    let (time, rest) = content.split_at(8);
    let time = u64::from_le_bytes(time.try_into().unwrap());
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(
        time / 10_u64.pow(12),
        u64::try_from(written.as_nanos()).unwrap() / 10_u64.pow(12)
    );
    assert_eq!(rest[..8], 1_u64.to_le_bytes());
    assert_eq!(rest[8..12], std::process::id().to_le_bytes());
}

#[test]
fn a_lock_file_reached_through_a_link_is_the_same() {
    let place = scratch();
    let real = LockFile::new(place.path().join("real.lock")).unwrap();
    let guard = real.write().unwrap();
    std::os::unix::fs::symlink("real.lock", place.path().join("link.lock")).unwrap();
    let link = LockFile::new(place.path().join("link.lock")).unwrap();
    assert!(link.try_read().unwrap().is_none());
    drop(guard);
    assert!(link.try_write().unwrap().is_some());
}

#[test]
fn errors_say_which_step_failed() {
    assert!(matches!(
        LockFile::new("/"),
        Err(LockError::InvalidPath { .. })
    ));
    assert!(matches!(
        LockFile::new(""),
        Err(LockError::InvalidPath { .. })
    ));
    let place = scratch();
    std::fs::write(place.path().join("file"), "").unwrap();
    let below_a_file = LockFile::new(place.path().join("file/x.lock")).unwrap();
    assert!(matches!(below_a_file.read(), Err(LockError::Open { .. })));
    let directory = LockFile::new(place.path()).unwrap();
    let error = directory.write().unwrap_err();
    assert!(matches!(error, LockError::Open { .. }));
    assert!(error.to_string().contains("cannot open lock file"));
    assert!(std::error::Error::source(&error).is_some());
}
