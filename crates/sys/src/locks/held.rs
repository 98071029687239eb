//! Tracks the locks that this process's threads hold, so that long work under a lock is noticed.
//!
//! A lock that all processes of a store wait for should be held for moments. Erasing a tree,
//! reading a caller's input and hashing take any amount of time, so they begin with
//! [`no_brief_lock`]. In builds with debug assertions it panics on a thread that holds such a lock,
//! so every test of every crate tests the rule. Release builds check nothing.
//!
//! The list of held locks is the only state that all handles in a process share. It has no other
//! effect.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// How long a lock may be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeldFor {
    /// Any time.
    #[default]
    AnyTime,
    /// Moments: other processes wait for it, so no long work is allowed under it.
    Moments,
}

/// An entry of the list of held locks, removed on drop. It belongs to the thread that created it,
/// even if another thread drops it.
#[derive(Debug)]
#[must_use = "the lock counts as held for as long as this exists"]
pub struct HeldLock {
    number: u64,
}

struct Entry {
    number: u64,
    thread: ThreadId,
    path: PathBuf,
    held_for: HeldFor,
}

static HELD: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ON_PURPOSE: Cell<bool> = const { Cell::new(false) };
}

impl HeldLock {
    /// Notes that this thread has locked `path`.
    pub fn note(path: &Path, held_for: HeldFor) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        entries().push(Entry {
            number,
            thread: std::thread::current().id(),
            path: path.to_owned(),
            held_for,
        });
        Self { number }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        entries().retain(|entry| entry.number != self.number);
    }
}

/// Whether this thread holds the lock of a path, through any handle.
#[must_use]
pub fn is_held_by_this_thread(path: &Path) -> bool {
    let thread = std::thread::current().id();
    entries()
        .iter()
        .any(|entry| entry.thread == thread && entry.path == path)
}

/// Marks the beginning of long work called `work`. In builds with debug assertions, panics on a
/// thread that holds a lock [for moments](HeldFor::Moments).
pub fn no_brief_lock(work: &str) {
    if !cfg!(debug_assertions) || ON_PURPOSE.get() || std::thread::panicking() {
        return;
    }
    let thread = std::thread::current().id();
    let held: Vec<String> = entries()
        .iter()
        .filter(|entry| entry.thread == thread && entry.held_for == HeldFor::Moments)
        .map(|entry| entry.path.display().to_string())
        .collect();
    debug_assert!(held.is_empty(), "{work} while {} is held", held.join(", "));
}

/// Runs long work under a lock on purpose, for the given reason; [`no_brief_lock`] does not panic
/// in it.
pub fn under_lock_on_purpose<T>(_reason: &'static str, work: impl FnOnce() -> T) -> T {
    let before = ON_PURPOSE.replace(true);
    let result = work();
    ON_PURPOSE.set(before);
    result
}

fn entries() -> MutexGuard<'static, Vec<Entry>> {
    // A panic never leaves the list half changed.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_belong_to_the_thread_that_took_them() {
        let path = Path::new("/held/by/a/test");
        let lock = HeldLock::note(path, HeldFor::AnyTime);
        assert!(is_held_by_this_thread(path));
        assert!(!is_held_by_this_thread(Path::new("/held/by")));
        let elsewhere = std::thread::spawn(move || is_held_by_this_thread(path));
        assert!(!elsewhere.join().unwrap());
        std::thread::spawn(move || drop(lock)).join().unwrap();
        assert!(!is_held_by_this_thread(path));
    }

    #[test]
    #[should_panic(expected = "erasing while /brief.lock is held")]
    fn long_work_under_a_brief_lock_panics() {
        let _any = HeldLock::note(Path::new("/any.lock"), HeldFor::AnyTime);
        no_brief_lock("erasing");
        let _brief = HeldLock::note(Path::new("/brief.lock"), HeldFor::Moments);
        under_lock_on_purpose("a test", || no_brief_lock("erasing"));
        no_brief_lock("erasing");
    }
}
