//! Letting writers pass readers.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keeps a stream of readers from starving the writers of the same handle.
///
/// The kernel lets a reader in whenever only readers hold the lock, so readers
/// that overlap could keep a writer out for ever. Readers of this handle
/// therefore step back while one of its writers waits, but not for long: a thread
/// that holds a read guard and takes a second one while a writer waits for the
/// first must not wait for that writer without end.
#[derive(Debug, Default)]
pub(crate) struct WriterQueue {
    waiting: Mutex<usize>,
    emptied: Condvar,
}

/// A writer waits for as long as this exists.
#[derive(Debug)]
pub(crate) struct Waiting<'q>(&'q WriterQueue);

/// Longer than readers usually hold the lock, short for a reader that waits in vain.
const COURTESY: Duration = Duration::from_millis(50);

impl WriterQueue {
    pub(crate) fn enter(&self) -> Waiting<'_> {
        *self.count() += 1;
        Waiting(self)
    }

    pub(crate) fn let_writers_pass(&self) {
        let waiting = self.count();
        if *waiting > 0 {
            // Whether the writers passed or the time is over makes no difference.
            drop(
                self.emptied
                    .wait_timeout_while(waiting, COURTESY, |waiting| *waiting > 0),
            );
        }
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        // A number is never left half changed by a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.count();
        *waiting -= 1;
        if *waiting == 0 {
            self.0.emptied.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_not_held_back_for_ever() {
        let queue = WriterQueue::default();
        let waiting = queue.enter();
        queue.let_writers_pass();
        drop(waiting);
        queue.let_writers_pass();
        assert_eq!(*queue.count(), 0);
    }
}
