//! Layers that are fetched while others are unpacked.
//!
//! Layers are unpacked in order. Workers fetch those that come later into unnamed files, and the
//! reader of a layer reads the file behind its worker. When it has almost caught up, the worker
//! hands its connection over, and nothing more of that layer goes through the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use layerhold_sys::{CANCEL_INTERVAL, Cancel, Cancelled, PathError};

/// The size of the pieces that are fetched, written and reported.
const PIECE: usize = 128 * 1024;

/// An open connection to a blob.
pub(super) type Blob = Box<dyn Read + Send>;

/// Opens blobs, by the positions of their layers, and is told of what was fetched.
pub(super) trait Fetch: Sync {
    fn open(&self, index: usize) -> io::Result<Blob>;
    /// Called for bytes that came ahead of their reader.
    fn fetched(&self, index: usize, bytes: u64);
    /// Called when a layer cannot be fetched. Its reader sees that the work was cancelled.
    fn failed(&self, index: usize, error: io::Error);
}

/// The layers of one image that are being fetched.
pub(super) struct Prefetch {
    state: Mutex<State>,
    changed: Condvar,
    scratch: PathBuf,
    cancel: Cancel,
}

#[derive(Default)]
struct State {
    /// Layers that no worker has begun, in the order in which they are read.
    queue: VecDeque<usize>,
    /// The others that were not taken over by their readers, by position.
    begun: Vec<(usize, Progress)>,
    /// Set when nothing will be read any more.
    is_over: bool,
}

/// How far the fetching of a layer is.
struct Progress {
    file: Option<Arc<File>>,
    /// The bytes in the file.
    written: u64,
    /// The bytes that the reader has read; `None` before it began.
    read: Option<u64>,
    outcome: Outcome,
}

enum Outcome {
    Fetching,
    Complete,
    /// The reader goes on with the connection itself.
    HandedOver(Blob),
    Failed,
}

impl Prefetch {
    /// `scratch` is the directory for the files. Waiting ends when `cancel` is cancelled.
    pub(super) fn new(scratch: PathBuf, cancel: Cancel) -> Self {
        Prefetch {
            state: Mutex::default(),
            changed: Condvar::new(),
            scratch,
            cancel,
        }
    }

    /// Begins to fetch layers with `connections` workers.
    pub(super) fn begin<'scope, 'env, F: Fetch>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        fetch: &'env F,
        layers: &[usize],
        connections: usize,
    ) {
        self.lock().queue.extend(layers);
        // The reader has a connection too.
        let workers = connections.min(layers.len()).saturating_sub(1);
        for _ in 0..workers {
            let thread = std::thread::Builder::new().name("fetch".to_owned());
            // Without a worker the reader fetches everything itself.
            if thread.spawn_scoped(scope, || self.work(fetch)).is_err() {
                break;
            }
        }
    }

    /// Stops the workers. Each ends after the piece that it is waiting for.
    pub(super) fn stop(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Reads a layer. If no worker has begun with it, the reader fetches it.
    pub(super) fn reader<'a>(&'a self, fetch: &'a dyn Fetch, index: usize) -> Reader<'a> {
        let mut state = self.lock();
        let place = match state.progress(index) {
            None => Place::Unopened,
            Some(_) => Place::Behind { at: 0 },
        };
        state.queue.retain(|waiting| *waiting != index);
        Reader {
            prefetch: self,
            fetch,
            index,
            place,
        }
    }

    fn work<F: Fetch>(&self, fetch: &F) {
        while let Some(index) = self.next() {
            if let Err(error) = self.fetch(fetch, index) {
                fetch.failed(index, error);
                self.end(index, Outcome::Failed);
            }
        }
    }

    /// Takes the next layer to fetch.
    fn next(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.is_over {
            return None;
        }
        let index = state.queue.pop_front()?;
        state.begun.push((
            index,
            Progress {
                file: None,
                written: 0,
                read: None,
                outcome: Outcome::Fetching,
            },
        ));
        Some(index)
    }

    fn fetch<F: Fetch>(&self, fetch: &F, index: usize) -> io::Result<()> {
        let mut blob = fetch.open(index)?;
        let mut piece = vec![0; PIECE];
        let mut written = 0;
        let mut file = None;
        loop {
            self.cancel.check()?;
            if self.is_awaited(index, written) {
                self.end(index, Outcome::HandedOver(blob));
                return Ok(());
            }
            let got = match blob.read(&mut piece) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let file = match &file {
                Some(file) => file,
                None => file.insert(Arc::new(self.scratch_file()?)),
            };
            let piece = piece.get(..got).unwrap_or_default();
            file.write_all_at(piece, written)
                .map_err(|error| self.unwritable(error))?;
            written += got as u64;
            if !self.advance(index, file, written) {
                return Ok(());
            }
            fetch.fetched(index, got as u64);
        }
        self.end(index, Outcome::Complete);
        Ok(())
    }

    fn scratch_file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.scratch).map_err(|error| self.unwritable(error))
    }

    fn unwritable(&self, error: io::Error) -> io::Error {
        io::Error::other(PathError::new(
            "write a temporary file in",
            &self.scratch,
            error,
        ))
    }

    /// Whether the reader has read all that there is, or will have soon.
    fn is_awaited(&self, index: usize, written: u64) -> bool {
        let mut state = self.lock();
        let read = state.progress(index).and_then(|progress| progress.read);
        read.is_some_and(|read| read + PIECE as u64 >= written)
    }

    /// Notes bytes in the file. Returns whether more are wanted.
    fn advance(&self, index: usize, file: &Arc<File>, written: u64) -> bool {
        let mut state = self.lock();
        if let Some(progress) = state.progress(index) {
            progress.file.get_or_insert_with(|| Arc::clone(file));
            progress.written = written;
        }
        self.changed.notify_all();
        !state.is_over
    }

    fn end(&self, index: usize, outcome: Outcome) {
        if let Some(progress) = self.lock().progress(index) {
            progress.outcome = outcome;
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn progress(&mut self, index: usize) -> Option<&mut Progress> {
        let mut begun = self.begun.iter_mut();
        begun
            .find(|(known, _)| *known == index)
            .map(|(_, progress)| progress)
    }
}

/// What a reader does next.
enum Step {
    Read(Arc<File>, u64),
    End,
    TakeOver(Blob),
}

impl Prefetch {
    /// Waits for bytes behind `at`, or for the end.
    fn wait(&self, index: usize, at: u64) -> io::Result<Step> {
        let mut state = self.lock();
        loop {
            self.cancel.check()?;
            let Some(progress) = state.progress(index) else {
                return Ok(Step::End);
            };
            progress.read = Some(at);
            if let (Some(file), 1..) = (&progress.file, progress.written.saturating_sub(at)) {
                return Ok(Step::Read(Arc::clone(file), progress.written - at));
            }
            match std::mem::replace(&mut progress.outcome, Outcome::Complete) {
                Outcome::Complete => return Ok(Step::End),
                Outcome::HandedOver(blob) => {
                    progress.file = None;
                    return Ok(Step::TakeOver(blob));
                }
                Outcome::Failed => {
                    progress.outcome = Outcome::Failed;
                    return Err(Cancelled.into());
                }
                Outcome::Fetching => progress.outcome = Outcome::Fetching,
            }
            state = self
                .changed
                .wait_timeout(state, CANCEL_INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Reads a layer. An error of fetching goes to [`Fetch::failed`], as that of a worker does.
pub(super) struct Reader<'a> {
    prefetch: &'a Prefetch,
    fetch: &'a dyn Fetch,
    index: usize,
    place: Place,
}

/// Where the bytes of a layer are read.
enum Place {
    Unopened,
    Direct(Blob),
    /// In the file behind a worker.
    Behind {
        at: u64,
    },
}

impl Reader<'_> {
    fn step(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let (next, got) = match &mut self.place {
            Place::Unopened => (Place::Direct(self.fetch.open(self.index)?), None),
            Place::Direct(blob) => return blob.read(buffer).map(Some),
            Place::Behind { at } => match self.prefetch.wait(self.index, *at)? {
                Step::End => return Ok(Some(0)),
                Step::TakeOver(blob) => (Place::Direct(blob), None),
                Step::Read(file, available) => {
                    let limit = usize::try_from(available).unwrap_or(usize::MAX);
                    let length = buffer.len().min(limit);
                    let buffer = buffer.get_mut(..length).unwrap_or_default();
                    let got = file.read_at(buffer, *at)?;
                    let at = *at + got as u64;
                    (Place::Behind { at }, Some(got))
                }
            },
        };
        self.place = next;
        Ok(got)
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.step(buffer) {
                Ok(None) => {}
                Ok(Some(got)) => return Ok(got),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    self.fetch.failed(self.index, error);
                    return Err(Cancelled.into());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// Blobs from channels, so that a test decides when bytes come.
    #[derive(Default)]
    struct Blobs {
        blobs: Mutex<BTreeMap<usize, Receiver<io::Result<Vec<u8>>>>>,
        fetched: Mutex<BTreeMap<usize, u64>>,
        failures: Mutex<Vec<(usize, io::Error)>>,
    }

    struct Channel(Receiver<io::Result<Vec<u8>>>, Vec<u8>);

    impl Read for Channel {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty()
                && let Ok(bytes) = self.0.recv()
            {
                self.1 = bytes?;
            }
            let length = self.1.len().min(buffer.len());
            let rest = self.1.split_off(length);
            buffer[..length].copy_from_slice(&self.1);
            self.1 = rest;
            Ok(length)
        }
    }

    impl Fetch for Blobs {
        fn open(&self, index: usize) -> io::Result<Blob> {
            let receiver = self.blobs.lock().unwrap().remove(&index).unwrap();
            Ok(Box::new(Channel(receiver, Vec::new())))
        }
        fn fetched(&self, index: usize, bytes: u64) {
            *self.fetched.lock().unwrap().entry(index).or_default() += bytes;
        }
        fn failed(&self, index: usize, error: io::Error) {
            if !layerhold_sys::is_cancelled(&error) {
                self.failures.lock().unwrap().push((index, error));
            }
        }
    }

    fn prefetch() -> Prefetch {
        Prefetch::new(std::env::temp_dir(), Cancel::new())
    }

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            std::thread::yield_now();
        }
    }

    fn rest(mut reader: Reader<'_>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn layers_come_whole_whatever_their_order() {
        let blobs = Blobs::default();
        let mut senders = Vec::new();
        for index in 0..4 {
            let (sender, receiver) = sync_channel(100);
            blobs.blobs.lock().unwrap().insert(index, receiver);
            senders.push(sender);
        }
        let prefetch = prefetch();
        std::thread::scope(|scope| {
            prefetch.begin(scope, &blobs, &[0, 1, 2, 3], 3);
            // Later layers are complete before the first byte of the first one.
            for (index, sender) in senders.iter().enumerate().rev() {
                for piece in 0..3 {
                    let bytes = vec![u8::try_from(index * 10 + piece).unwrap(); 1000];
                    sender.send(Ok(bytes)).unwrap();
                }
            }
            drop(senders);
            for index in 0..4 {
                let bytes = rest(prefetch.reader(&blobs, index)).unwrap();
                assert_eq!(bytes.len(), 3000);
                for (piece, chunk) in bytes.chunks(1000).enumerate() {
                    let expected = u8::try_from(index * 10 + piece).unwrap();
                    assert!(
                        chunk.iter().all(|byte| *byte == expected),
                        "{index} {piece}"
                    );
                }
            }
            prefetch.stop();
        });
    }

    #[test]
    fn a_reader_that_has_caught_up_takes_the_connection_over() {
        let blobs = Blobs::default();
        let (sender, receiver) = sync_channel(0);
        let (second, other) = sync_channel(1);
        blobs.blobs.lock().unwrap().insert(0, receiver);
        blobs.blobs.lock().unwrap().insert(1, other);
        drop(second);
        let prefetch = prefetch();
        std::thread::scope(|scope| {
            prefetch.begin(scope, &blobs, &[0, 1], 2);
            sender.send(Ok(vec![1; 10])).unwrap();
            until(|| blobs.fetched.lock().unwrap().get(&0) == Some(&10));
            let reader = prefetch.reader(&blobs, 0);
            let done = scope.spawn(move || rest(reader).unwrap());
            until(|| prefetch.lock().progress(0).unwrap().read == Some(10));
            // The worker waits for the next piece, and hands the connection over behind it.
            for _ in 0..3 {
                sender.send(Ok(vec![2; 10])).unwrap();
            }
            drop(sender);
            assert_eq!(done.join().unwrap().len(), 40);
            assert_eq!(blobs.fetched.lock().unwrap()[&0], 20);
            prefetch.stop();
        });
    }

    #[test]
    fn a_failure_is_told_once_and_stops_its_reader() {
        let blobs = Blobs::default();
        for index in 0..2 {
            let (sender, receiver) = sync_channel(2);
            sender.send(Ok(vec![7; 5])).unwrap();
            let failure = io::Error::new(io::ErrorKind::ConnectionReset, "cut");
            sender.send(Err(failure)).unwrap();
            blobs.blobs.lock().unwrap().insert(index, receiver);
        }
        let prefetch = prefetch();
        std::thread::scope(|scope| {
            // The worker fetches both, unless the reader of the second one is faster.
            prefetch.begin(scope, &blobs, &[0, 1], 2);
            until(|| prefetch.lock().progress(0).is_some());
            for index in 0..2 {
                let error = rest(prefetch.reader(&blobs, index)).unwrap_err();
                assert!(layerhold_sys::is_cancelled(&error), "{error:?}");
            }
            prefetch.stop();
        });
        let failures = blobs.failures.into_inner().unwrap();
        let told = failures.iter();
        let told: Vec<_> = told
            .map(|(index, error)| (*index, error.to_string()))
            .collect();
        assert_eq!(told, [(0, "cut".to_owned()), (1, "cut".to_owned())]);
    }

    #[test]
    fn a_cancelled_reader_stops_waiting() {
        let blobs = Blobs::default();
        let (sender, receiver) = sync_channel(0);
        let (other_sender, other) = sync_channel(0);
        blobs.blobs.lock().unwrap().insert(0, receiver);
        blobs.blobs.lock().unwrap().insert(1, other);
        let prefetch = prefetch();
        std::thread::scope(|scope| {
            prefetch.begin(scope, &blobs, &[0, 1], 2);
            until(|| prefetch.lock().progress(0).is_some());
            // The worker waits for the first piece, which never comes.
            let reader = prefetch.reader(&blobs, 0);
            let done = scope.spawn(move || rest(reader).unwrap_err());
            prefetch.cancel.cancel();
            assert!(layerhold_sys::is_cancelled(&done.join().unwrap()));
            drop((sender, other_sender));
            prefetch.stop();
        });
    }
}
