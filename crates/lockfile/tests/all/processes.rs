//! Several processes of ours.

use std::time::Duration;

use layerhold_lockfile::{LockError, LockFile, LockKind, ReadOnlyLockFile};
use layerhold_testkit::{ChildSpec, child_role, scratch};

use super::support::{eventually, is_waited_for};

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let lock = LockFile::new(role.argument(0)).unwrap();
    match role.name() {
        "hold" => {
            let guard = lock.write().unwrap();
            let token = guard.record_write().unwrap();
            role.say(&format!("{token:?}"));
            role.listen();
            drop(guard);
        }
        "read" => {
            let guard = lock.read().unwrap();
            role.say("reading");
            role.listen();
            drop(guard);
        }
        "count" => {
            let data = lock.path().with_extension("count");
            for _ in 0..50 {
                let guard = lock.write().unwrap();
                let count: u32 =
                    std::fs::read_to_string(&data).map_or(0, |text| text.parse().unwrap());
                std::fs::write(&data, (count + 1).to_string()).unwrap();
                drop(guard);
            }
        }
        other => panic!("unknown role {other}"),
    }
}

fn child(role: &str, lock: &LockFile) -> layerhold_testkit::Child {
    ChildSpec::new("processes::child_entry", role)
        .argument(lock.path().display())
        .spawn()
}

#[test]
fn a_process_that_writes_keeps_others_out_and_they_see_its_token() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let mut holder = child("hold", &lock);
    let token = holder.hear().unwrap();
    assert!(lock.try_read().unwrap().is_none());
    assert!(lock.try_write().unwrap().is_none());
    let patience = Duration::from_millis(20);
    assert!(lock.read_timeout(patience).unwrap().is_none());
    assert!(lock.write_timeout(patience).unwrap().is_none());
    holder.tell("release");
    assert!(holder.wait().success());
    let guard = lock.try_read().unwrap().unwrap();
    assert_eq!(format!("{:?}", guard.token().unwrap()), token);
}

#[test]
fn processes_that_read_share_and_keep_writers_out() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let mut reader = child("read", &lock);
    reader.expect("reading");
    assert!(lock.try_read().unwrap().is_some());
    assert!(lock.try_write().unwrap().is_none());
    reader.tell("release");
    assert!(reader.wait().success());
    assert!(lock.try_write().unwrap().is_some());
}

#[test]
fn a_killed_process_releases() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let mut holder = child("hold", &lock);
    holder.hear().unwrap();
    assert!(lock.try_write().unwrap().is_none());
    holder.kill();
    assert!(lock.try_write().unwrap().is_some());
}

#[test]
fn a_timed_wait_ends_with_the_lock_when_it_becomes_free() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let mut holder = child("hold", &lock);
    holder.hear().unwrap();
    std::thread::scope(|scope| {
        let long = Duration::from_secs(3600);
        let waiting = scope.spawn(move || lock.write_timeout(long).unwrap().is_some());
        holder.tell("release");
        assert!(waiting.join().unwrap());
    });
    assert!(holder.wait().success());
}

#[test]
fn a_waiting_process_sleeps_until_the_lock_is_free() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let guard = lock.write().unwrap();
    let mut reader = child("read", &lock);
    // In the kernel's list of waiters, so it does not spin.
    eventually("the child waits", || is_waited_for(lock.path()));
    drop(guard);
    reader.expect("reading");
    drop(reader);
}

#[test]
fn processes_count_without_losing_any() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let children: Vec<_> = (0..4).map(|_| child("count", &lock)).collect();
    for child in children {
        assert!(child.wait().success());
    }
    let count = std::fs::read_to_string(lock.path().with_extension("count")).unwrap();
    assert_eq!(count, "200");
}

#[test]
fn a_killed_reader_releases() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let mut reader = child("read", &lock);
    reader.hear().unwrap();
    assert!(lock.try_write().unwrap().is_none());
    reader.kill();
    assert!(lock.try_write().unwrap().is_some());
}

#[test]
fn a_bounded_wait_ends_and_names_the_holder() {
    let place = scratch();
    let path = place.path().join("x.lock");
    let lock = LockFile::new(&path).unwrap();
    assert_eq!(lock.holders().unwrap(), []);
    let mut holder = child("hold", &lock);
    holder.hear().unwrap();
    let bound = Duration::from_millis(5);
    let lock = lock.with_timeout(bound);
    let read_only = ReadOnlyLockFile::new(&path).unwrap().with_timeout(bound);
    let waits = [
        lock.write().map(drop),
        lock.read().map(drop),
        read_only.read().map(drop),
    ];
    for wait in waits {
        let error = wait.unwrap_err();
        assert!(error.is_timed_out() && !error.is_cancelled());
        let text = error.to_string();
        let LockError::TimedOut {
            path: of,
            timeout,
            holders,
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((of, timeout), (path.clone(), bound));
        let [found] = &holders[..] else {
            panic!("{holders:?}");
        };
        let command = found.command.clone().unwrap();
        assert_eq!(
            (found.pid, found.kind),
            (Some(holder.id()), LockKind::Exclusive)
        );
        assert!(!command.is_empty());
        let shown = path.display();
        let pid = holder.id();
        assert_eq!(
            text,
            format!("cannot lock file {shown} within 5ms: {command} (process {pid}) holds it")
        );
        assert_eq!(lock.holders().unwrap(), holders);
        assert_eq!(read_only.holders().unwrap(), holders);
    }
    holder.tell("release");
    assert!(holder.wait().success());
    assert_eq!(lock.holders().unwrap(), []);
    drop(lock.write().unwrap());
    let unbounded = lock.with_timeout(None);
    drop(unbounded.write().unwrap());
}
