//! Many threads, on one handle and on many.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use layerhold_lockfile::LockFile;
use layerhold_testkit::scratch;

/// Writers change two files one after the other; readers must never see them differ.
fn write_one(lock: &LockFile, dir: &Path) {
    let guard = lock.write().unwrap();
    guard.record_write().unwrap();
    let value = read(&dir.join("a")) + 1;
    std::fs::write(dir.join("a"), value.to_string()).unwrap();
    std::thread::yield_now();
    std::fs::write(dir.join("b"), value.to_string()).unwrap();
}

fn read(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.parse().unwrap())
}

fn hammer(handle: impl Fn() -> LockFile) {
    const THREADS: usize = 6;
    const WRITES: usize = 40;
    let first = handle();
    let dir = first.path().parent().unwrap().to_owned();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let lock = handle();
            let dir = dir.as_path();
            scope.spawn(move || {
                for _ in 0..WRITES {
                    write_one(&lock, dir);
                    let guard = lock.read().unwrap();
                    assert_eq!(read(&dir.join("a")), read(&dir.join("b")));
                    drop(guard);
                }
            });
        }
    });
    assert_eq!(read(&dir.join("a")), THREADS * WRITES);
}

#[test]
fn threads_on_one_handle_exclude_each_other() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    hammer(|| lock.clone());
}

#[test]
fn threads_on_handles_of_their_own_exclude_each_other() {
    let place = scratch();
    hammer(|| LockFile::new(place.path().join("x.lock")).unwrap());
}

#[test]
fn a_writer_gets_through_a_stream_of_readers() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let written = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !written.load(Ordering::Acquire) {
                    let guard = lock.read().unwrap();
                    reads.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                    drop(guard);
                }
            });
        }
        while reads.load(Ordering::Relaxed) < 100 {
            std::thread::yield_now();
        }
        drop(lock.write().unwrap());
        written.store(true, Ordering::Release);
    });
}

#[test]
fn a_second_read_guard_is_given_while_a_writer_waits() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let first = lock.read().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| drop(lock.write().unwrap()));
        super::support::eventually("the writer waits", || {
            super::support::is_waited_for(lock.path())
        });
        // Would wait for ever if readers queued strictly behind writers.
        let second = lock.read().unwrap();
        drop((first, second));
        writer.join().unwrap();
    });
}

#[test]
fn guards_can_be_stored_and_sent() {
    let place = scratch();
    let lock = LockFile::new(place.path().join("x.lock")).unwrap();
    let guard = Arc::new(lock.write().unwrap());
    drop(lock.clone());
    let sent = Arc::clone(&guard);
    std::thread::spawn(move || sent.record_write().unwrap())
        .join()
        .unwrap();
    assert!(lock.try_read().unwrap().is_none());
    drop(guard);
    assert!(lock.try_read().unwrap().is_some());
}

#[test]
fn a_lock_file_was_touched_since_when_it_was_written() {
    let place = scratch();
    let path = place.path().join("x.lock");
    let lock = LockFile::new(&path).unwrap();
    let guard = lock.write().unwrap();
    guard.record_write().unwrap();
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let moment = Duration::from_nanos(1);
    assert!(guard.touched_since(written - moment).unwrap());
    assert!(!guard.touched_since(written).unwrap());
    drop(guard);
    let later = written + Duration::from_secs(5);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(later).unwrap();
    let guard = lock.read().unwrap();
    assert!(guard.touched_since(later - moment).unwrap());
    assert!(!guard.touched_since(later + moment).unwrap());
}
