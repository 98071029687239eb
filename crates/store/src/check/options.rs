//! Options of a check.

use std::num::NonZero;
use std::time::Duration;

use layerhold_driver::default_threads;

use super::progress::{CheckProgress, Listener};
use crate::contents::progress::ProgressAnswer;

/// A layer that no image or container uses is reported after this time (Go: check.go).
const UNREFERENCED_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the check goes. Each depth includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum CheckDepth {
    /// Records, and whether what they name exists. Reads no contents of layers.
    Records,
    /// Also whether the tar of every layer can be rebuilt with the recorded digest, and whether its
    /// tree can be opened (Go: `CheckMost`).
    Digests,
    /// Also whether every tree holds exactly what its layers put there (Go: `CheckEverything`).
    #[default]
    Contents,
}

/// How a store is checked.
///
/// ```
/// use layerhold::check::{CheckDepth, CheckOptions};
///
/// let quick = CheckOptions::new().with_depth(CheckDepth::Records);
/// assert_eq!(quick.unreferenced_age.as_secs(), 86_400);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How far it goes.
    pub depth: CheckDepth,
    /// How old a layer that nothing uses must be to be reported: a younger one may belong to an
    /// image that is being written. With [`Duration::MAX`] none is reported (Go:
    /// `LayerUnreferencedMaximumAge` of nil).
    pub unreferenced_age: Duration,
    /// How many layers are read at the same time.
    pub threads: NonZero<usize>,
    pub(super) listener: Option<Listener>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            depth: CheckDepth::default(),
            unreferenced_age: UNREFERENCED_AGE,
            threads: default_threads(),
            listener: None,
        }
    }
}

impl CheckOptions {
    /// Checks everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how far the check goes.
    #[must_use]
    pub fn with_depth(mut self, depth: CheckDepth) -> Self {
        self.depth = depth;
        self
    }

    /// Sets the age from which a layer that nothing uses is reported.
    #[must_use]
    pub fn with_unreferenced_age(mut self, age: Duration) -> Self {
        self.unreferenced_age = age;
        self
    }

    /// Sets a function that is called after each layer that was read, by the thread that read it.
    /// It may answer with [`ControlFlow::Break`](std::ops::ControlFlow::Break) to stop the check,
    /// which then fails with a [cancelled](super::CheckError::is_cancelled) error.
    ///
    /// ```
    /// use layerhold::check::CheckOptions;
    ///
    /// let options = CheckOptions::new().with_progress(|progress| {
    ///     eprintln!("{:?}: {} of {} layers", progress.step, progress.done, progress.total);
    /// });
    /// # drop(options);
    /// ```
    #[must_use]
    pub fn with_progress<A: ProgressAnswer>(
        mut self,
        listener: impl Fn(CheckProgress) -> A + Send + Sync + 'static,
    ) -> Self {
        let listener = move |progress| listener(progress).into_flow();
        self.listener = Some(Listener::new(listener));
        self
    }

    /// Sets how many layers are read at the same time.
    #[must_use]
    pub fn with_threads(mut self, threads: NonZero<usize>) -> Self {
        self.threads = threads;
        self
    }
}
