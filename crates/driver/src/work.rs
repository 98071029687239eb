//! Walking a tree on several threads.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use layerhold_sys::no_brief_lock;

/// More threads than this only wait for the locks of the filesystem.
const MAX_THREADS: usize = 8;

/// The number of threads worth using on this machine: its processors, and 8 at the most.
#[must_use]
pub fn default_threads() -> NonZero<usize> {
    let available = thread::available_parallelism().map_or(1, NonZero::get);
    NonZero::new(available.min(MAX_THREADS)).unwrap_or(NonZero::<usize>::MIN)
}

/// Does a task and all the tasks it leads to, on up to `threads` threads, and returns when none is
/// left.
///
/// Tasks are taken last in, first out, so that a tree is walked depth first and few directories are
/// open at a time. After the first error no further task is begun.
///
/// ```
/// use std::num::NonZero;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let leaves = AtomicU32::new(0);
/// let outcome: Result<(), ()> = layerhold_driver::run_tasks(NonZero::<usize>::MIN, 3u32, |depth, tasks| {
///     match depth.checked_sub(1) {
///         Some(below) => tasks.add_all([below, below]),
///         None => { leaves.fetch_add(1, Ordering::Relaxed); }
///     }
///     Ok(())
/// });
/// assert_eq!((outcome, leaves.into_inner()), (Ok(()), 8));
/// ```
///
/// # Errors
///
/// The first one a task returned.
pub fn run_tasks<T, E, F>(threads: NonZero<usize>, first: T, work: F) -> Result<(), E>
where
    T: Send,
    E: Send,
    F: Fn(T, &Tasks<'_, T, E>) -> Result<(), E> + Sync,
{
    no_brief_lock("a tree is walked");
    let state = State {
        queue: Mutex::new(Queue {
            waiting: vec![first],
            running: 0,
            error: None,
        }),
        changed: Condvar::new(),
    };
    let tasks = Tasks { state: &state };
    thread::scope(|scope| {
        for _ in 1..threads.get() {
            // If a thread cannot be started, the others do its share.
            let started = thread::Builder::new().spawn_scoped(scope, || tasks.serve(&work));
            if started.is_err() {
                break;
            }
        }
        tasks.serve(&work);
    });
    match state
        .queue
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .error
    {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Where a running task leaves further ones.
#[derive(Debug)]
pub struct Tasks<'a, T, E> {
    state: &'a State<T, E>,
}

#[derive(Debug)]
struct State<T, E> {
    queue: Mutex<Queue<T, E>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue<T, E> {
    waiting: Vec<T>,
    running: usize,
    error: Option<E>,
}

impl<T, E> Tasks<'_, T, E> {
    /// Adds tasks. They may start before the one that adds them has returned.
    pub fn add_all(&self, more: impl IntoIterator<Item = T>) {
        let mut queue = self.lock();
        let before = queue.waiting.len();
        queue.waiting.extend(more);
        match queue.waiting.len() - before {
            0 => {}
            1 => self.state.changed.notify_one(),
            _ => self.state.changed.notify_all(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T, E>> {
        self.state
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, work: &impl Fn(T, &Self) -> Result<(), E>) {
        while let Some(task) = self.take() {
            // Counts the task as done also if it panics, so that the other threads do not wait for
            // ever.
            let done = Done(self);
            let outcome = work(task, self);
            drop(done);
            if let Err(error) = outcome {
                self.fail(error);
            }
        }
    }

    /// Waits for a task; `None` when there will be no more.
    fn take(&self) -> Option<T> {
        let mut queue = self.lock();
        loop {
            if let Some(task) = queue.waiting.pop() {
                queue.running += 1;
                return Some(task);
            }
            if queue.running == 0 {
                self.state.changed.notify_all();
                return None;
            }
            queue = self
                .state
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fail(&self, error: E) {
        let mut queue = self.lock();
        queue.waiting.clear();
        queue.error.get_or_insert(error);
        self.state.changed.notify_all();
    }
}

struct Done<'a, 'b, T, E>(&'a Tasks<'b, T, E>);

impl<T, E> Drop for Done<'_, '_, T, E> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.running -= 1;
        if queue.running == 0 && queue.waiting.is_empty() {
            self.0.state.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn threads(count: usize) -> NonZero<usize> {
        NonZero::new(count).unwrap()
    }

    #[test]
    fn every_task_is_done_once_on_any_number_of_threads() {
        for count in [1, 2, 8] {
            let seen = Mutex::new(BTreeSet::new());
            let outcome: Result<(), ()> = run_tasks(threads(count), 1_usize, |n, tasks| {
                assert!(seen.lock().unwrap().insert(n));
                tasks.add_all([2 * n, 2 * n + 1].into_iter().filter(|m| *m <= 1000));
                Ok(())
            });
            assert_eq!(outcome, Ok(()));
            assert!(seen.into_inner().unwrap().into_iter().eq(1..=1000));
        }
    }

    #[test]
    fn the_first_error_ends_the_walk() {
        let done = AtomicUsize::new(0);
        let outcome = run_tasks(threads(1), 0_usize, |n, tasks| {
            done.fetch_add(1, Ordering::Relaxed);
            tasks.add_all([n + 1, n + 1]);
            if n == 10 { Err(n) } else { Ok(()) }
        });
        assert_eq!(outcome, Err(10));
        assert_eq!(done.into_inner(), 11);
    }

    #[test]
    fn tasks_are_taken_depth_first() {
        let order = Mutex::new(Vec::new());
        let outcome: Result<(), ()> = run_tasks(threads(1), "".to_owned(), |path, tasks| {
            if path.len() < 2 {
                tasks.add_all(["b", "a"].map(|c| format!("{path}{c}")));
            }
            order.lock().unwrap().push(path);
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            order.into_inner().unwrap(),
            ["", "a", "aa", "ab", "b", "ba", "bb"]
        );
    }
}
