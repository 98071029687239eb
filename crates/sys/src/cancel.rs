//! Asking long work to stop.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How often a wait looks whether it shall end.
pub const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// Asks work to stop, from any thread. Clones are the same request.
///
/// Who works looks at it again and again: between two buffers, two files, or every
/// [`CANCEL_INTERVAL`] of a wait.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: AtomicBool,
    expendable: AtomicUsize,
}

impl Cancel {
    /// A request that is not made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop; cannot be taken back.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// Does work that does not look whether it shall stop, because the process may end anywhere in
    /// it without harm: what it leaves is taken up by another process.
    pub fn expendable<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.expendable.fetch_add(1, Ordering::SeqCst);
        let result = work();
        self.0.expendable.fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// Whether the process may end now, because it does [such work](Self::expendable).
    #[must_use]
    pub fn is_expendable(&self) -> bool {
        self.0.expendable.load(Ordering::SeqCst) > 0
    }
}

/// The text of reads that were cancelled.
const CANCELLED: &str = "cancelled";

/// Reads a file, a pipe or a terminal until asked to stop, also while nothing comes.
#[derive(Debug)]
pub struct CancellableReader {
    file: File,
    cancel: Cancel,
}

impl CancellableReader {
    /// Reads `file` until `cancel`.
    #[must_use]
    pub fn new(file: File, cancel: Cancel) -> Self {
        Self { file, cancel }
    }
}

impl Read for CancellableReader {
    /// Fails with [`io::ErrorKind::Other`] when it is asked to stop: an interrupted read would be
    /// tried again.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let interval = Timespec::try_from(CANCEL_INTERVAL).ok();
        loop {
            if self.cancel.is_cancelled() {
                return Err(io::Error::other(CANCELLED));
            }
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
        drop(writer);
    }

    #[test]
    fn work_is_expendable_while_it_lasts() {
        let cancel = Cancel::new();
        let seen = cancel.expendable(|| cancel.is_expendable());
        assert_eq!((seen, cancel.is_expendable()), (true, false));
    }
}
