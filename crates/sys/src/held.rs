//! Which locks the threads of this process hold, so that long work under a lock is noticed.
//!
//! A lock that every process of a store waits for is to be held for moments. Erasing a tree,
//! reading what a caller hands in and hashing take as long as they like, and so they begin with
//! [`no_brief_lock`]. In builds with debug assertions that panics on a thread that holds such a
//! lock: every test of every crate is a test of the rule. Release builds look at nothing.
//!
//! The list of held locks is the one thing that all handles of a process share. It decides nothing
//! but what its two readers ask.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// For how long a lock is meant to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeldFor {
    /// As long as its holder likes.
    #[default]
    AnyTime,
    /// Moments: others wait for it, and so long work may not be done under it.
    Moments,
}

/// An entry in the list of held locks, for as long as it exists. It belongs to the thread that made
/// it, also when it is dropped by another one.
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
    /// Notes that this thread has taken the lock at `path`.
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

/// Tells whether this thread took the lock at a path, through whatever handle, and has not given it
/// back.
#[must_use]
pub fn is_held_by_this_thread(path: &Path) -> bool {
    let thread = std::thread::current().id();
    entries()
        .iter()
        .any(|entry| entry.thread == thread && entry.path == path)
}

/// Says that long work begins, of which `work` is the name. In builds with debug assertions it
/// panics on a thread that holds a lock which is meant to be held [for moments](HeldFor::Moments).
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

/// Does long work under a lock all the same; the reason stands at the call. [`no_brief_lock`] is
/// silent during it.
pub fn under_lock_on_purpose<T>(_reason: &'static str, work: impl FnOnce() -> T) -> T {
    let before = ON_PURPOSE.replace(true);
    let result = work();
    ON_PURPOSE.set(before);
    result
}

fn entries() -> MutexGuard<'static, Vec<Entry>> {
    // A list is never left half changed by a panic.
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
