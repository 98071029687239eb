//! Cancels long work.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::causes::Cancelled;

/// How often a wait checks whether it is cancelled.
pub const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// Asks work to stop, from any thread. Clones share one request.
///
/// The work checks it regularly: between two buffers, between two files, or every
/// [`CANCEL_INTERVAL`] while it waits.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: AtomicBool,
    expendable: AtomicUsize,
    parent: Option<Cancel>,
}

impl Cancel {
    /// A request that has not been made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that counts as made when this one is, and can be made alone. It stops a part of
    /// the work.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Shared {
            parent: Some(self.clone()),
            ..Shared::default()
        }))
    }

    /// Asks the work to stop. This cannot be undone.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether the work was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let is_own = self.0.is_cancelled.load(Ordering::SeqCst);
        is_own || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// Fails if the work was asked to stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.is_cancelled() {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Runs work that does not check for cancellation, because the process may be killed in it
    /// without harm: another process completes what it leaves.
    pub fn expendable<T>(&self, work: impl FnOnce() -> T) -> T {
        if let Some(parent) = &self.0.parent {
            return parent.expendable(work);
        }
        let _counted = Expendable::new(&self.0.expendable);
        work()
    }

    /// Whether the process runs [such work](Self::expendable), and so may be killed. Work of a
    /// [child](Self::child) counts too.
    #[must_use]
    pub fn is_expendable(&self) -> bool {
        if let Some(parent) = &self.0.parent {
            return parent.is_expendable();
        }
        self.0.expendable.load(Ordering::SeqCst) > 0
    }
}

/// Counts work that the process may be killed in, until it ends or panics.
struct Expendable<'a>(&'a AtomicUsize);

impl<'a> Expendable<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Expendable<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A reader of a file, a pipe or a terminal that can be cancelled, even while it waits for data.
#[derive(Debug)]
pub struct CancellableReader {
    file: File,
    cancel: Cancel,
}

impl CancellableReader {
    /// Reads `file` until `cancel` asks it to stop.
    #[must_use]
    pub fn new(file: File, cancel: Cancel) -> Self {
        Self { file, cancel }
    }
}

impl Read for CancellableReader {
    /// Fails with [`Cancelled`] inside the error if cancelled.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let interval = Timespec::try_from(CANCEL_INTERVAL).ok();
        loop {
            self.cancel.check()?;
            let mut descriptors = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut descriptors, interval.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::causes::is_cancelled;

    #[test]
    fn a_read_of_a_pipe_that_nothing_comes_from_ends() {
        let (reader, mut writer) = io::pipe().unwrap();
        let cancel = Cancel::new();
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        let mut reader = CancellableReader::new(file, cancel.clone());
        writer.write_all(b"some").unwrap();
        let mut buffer = [0; 10];
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
        let waiting = std::thread::spawn(move || reader.read(&mut [0; 10]));
        cancel.cancel();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(is_cancelled(&error));
        drop(writer);
    }

    #[test]
    fn cancelled_work_is_recognised_wherever_the_cause_is() {
        let cancel = Cancel::new();
        assert_eq!(cancel.check(), Ok(()));
        cancel.cancel();
        let cancelled = cancel.check().unwrap_err();
        assert!(is_cancelled(&cancelled));
        assert!(is_cancelled(&io::Error::from(cancelled)));
        let inside = crate::PathError::new("read", "/a", cancelled.into());
        assert!(is_cancelled(&inside) && inside.is_cancelled());
        assert!(!is_cancelled(&io::Error::other("cancelled")));
    }

    #[test]
    fn a_child_is_cancelled_with_its_parent_and_not_the_reverse() {
        let parent = Cancel::new();
        let (one, two) = (parent.child(), parent.child());
        one.cancel();
        assert_eq!(
            [&parent, &one, &two].map(Cancel::is_cancelled),
            [false, true, false]
        );
        assert!(two.expendable(|| parent.is_expendable()));
        parent.cancel();
        assert!(two.is_cancelled() && two.child().is_cancelled());
    }

    #[test]
    fn work_is_expendable_while_it_lasts() {
        let cancel = Cancel::new();
        let seen = cancel.expendable(|| cancel.is_expendable());
        assert_eq!((seen, cancel.is_expendable()), (true, false));
        let panics = std::panic::AssertUnwindSafe(|| cancel.expendable(|| panic!("in the work")));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert!(!cancel.is_expendable());
    }
}
