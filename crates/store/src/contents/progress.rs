//! Reports the progress of an import.

use std::io;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use layerhold_sys::Cancelled;
use layerhold_tar_format::{Event, EventSink};

/// What a function that is told of progress answers: nothing, or whether to go on.
///
/// With [`ControlFlow::Break`] the operation stops, and fails with an error that is
/// [cancelled](crate::Error::is_cancelled).
pub trait ProgressAnswer: sealed::Sealed {
    /// Returns whether the operation goes on.
    fn into_flow(self) -> ControlFlow<()>;
}

impl ProgressAnswer for () {
    fn into_flow(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl ProgressAnswer for ControlFlow<()> {
    fn into_flow(self) -> ControlFlow<()> {
        self
    }
}

mod sealed {
    use std::ops::ControlFlow;

    pub trait Sealed {}

    impl Sealed for () {}

    impl Sealed for ControlFlow<()> {}
}

/// The bytes between two reports.
const STEP: u64 = 256 << 10;

/// Counts the bytes read through it.
pub(super) struct Counted<'c, R> {
    pub(super) inner: R,
    pub(super) count: &'c AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count
            .fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}

/// Forwards events and reports progress. It runs on the caller's thread.
pub(super) struct Reporting<'c, S> {
    pub(super) inner: S,
    pub(super) count: &'c AtomicU64,
    pub(super) told: u64,
    pub(super) advance: &'c mut dyn FnMut(u64) -> ControlFlow<()>,
}

impl<S> Reporting<'_, S> {
    /// Reports the bytes read, and fails if the import is to stop.
    pub(super) fn report(&mut self, count: u64) -> Result<(), Cancelled> {
        match (self.advance)(count) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Cancelled),
        }
    }
}

impl<S: EventSink> EventSink for Reporting<'_, S> {
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
        let count = self.count.load(Ordering::Relaxed);
        if count.saturating_sub(self.told) >= STEP {
            self.told = count;
            self.report(count)?;
        }
        self.inner.event(event)
    }
}
