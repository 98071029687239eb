//! When an operation has to be done.

use std::time::{Duration, Instant};

use crate::error::Problem;

/// The end of the time of an operation, if it has a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    end: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    /// Starts the time of an operation.
    pub(crate) fn start(limit: Option<Duration>) -> Self {
        Self {
            end: limit.and_then(|limit| Instant::now().checked_add(limit)),
            limit: limit.unwrap_or(Duration::MAX),
        }
    }

    /// Returns what is left; `None` without a limit.
    pub(crate) fn left(&self) -> Option<Duration> {
        let end = self.end?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// Whether a wait of this length ends too late.
    pub(crate) fn is_before(&self, wait: Duration) -> bool {
        self.left().is_some_and(|left| left <= wait)
    }

    /// The error of an operation that is not done in time, with the failure before.
    pub(crate) fn missed(&self, last: Option<Problem>) -> Problem {
        Problem::TotalTime {
            limit: self.limit,
            last: last.map(Box::new),
        }
    }
}
