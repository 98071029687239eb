//! The progress of a check.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a check does with layers. Each layer goes through both steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CheckStep {
    /// It rebuilds the tar of each layer.
    Tars,
    /// It compares the tree of each layer with the tars.
    Trees,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckProgress {
    /// The step that it is in.
    pub step: CheckStep,
    /// How many layers are through this step.
    pub done: usize,
    /// How many layers go through this step.
    pub total: usize,
}

/// The function that is told of the progress.
#[derive(Clone)]
pub(super) struct Listener(Arc<dyn Fn(CheckProgress) -> ControlFlow<()> + Send + Sync>);

impl Listener {
    pub(super) fn new(
        listener: impl Fn(CheckProgress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(listener))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(..)")
    }
}

/// Counts the layers of one step.
pub(super) struct Progress {
    step: CheckStep,
    done: AtomicUsize,
    total: usize,
}

impl Progress {
    pub(super) fn new(step: CheckStep, total: usize) -> Self {
        Self {
            step,
            done: AtomicUsize::new(0),
            total,
        }
    }

    /// Counts one more layer, and returns whether the check goes on.
    pub(super) fn advance(&self, listener: Option<&Listener>) -> ControlFlow<()> {
        let progress = CheckProgress {
            step: self.step,
            done: self.done.fetch_add(1, Ordering::Relaxed) + 1,
            total: self.total,
        };
        listener.map_or(ControlFlow::Continue(()), |listener| (listener.0)(progress))
    }
}
