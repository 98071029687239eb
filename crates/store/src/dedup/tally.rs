//! Counts what a deduplication does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use layerhold_driver::LayerError;
use layerhold_sys::Cancel;

use super::report::{DedupReport, DedupSupport};

/// Counts of all threads.
#[derive(Debug)]
pub(super) struct Tally {
    /// Stops all threads.
    pub(super) cancel: Cancel,
    deduped: AtomicU64,
    newly_shared: AtomicU64,
    files: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<LayerError>>,
}

impl Tally {
    pub(super) fn new(cancel: Cancel) -> Self {
        Self {
            cancel,
            deduped: AtomicU64::new(0),
            newly_shared: AtomicU64::new(0),
            files: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            first_failure: Mutex::default(),
        }
    }

    /// Counts a file that already shared all its blocks with another one.
    pub(super) fn was_shared(&self, bytes: u64) {
        self.deduped.fetch_add(bytes, Ordering::Relaxed);
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a file that shares all its blocks with another one since now.
    pub(super) fn is_shared(&self, bytes: u64) {
        self.newly_shared.fetch_add(bytes, Ordering::Relaxed);
        self.was_shared(bytes);
    }

    /// Counts a failure. A file that no longer exists was deleted during the walk, which is not a
    /// failure.
    pub(super) fn failed(&self, error: impl Into<LayerError>) {
        let error = error.into();
        if error.is_not_found() {
            return;
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut first = self
            .first_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }

    pub(super) fn report(self, layers: usize, support: DedupSupport) -> DedupReport {
        DedupReport {
            deduped: self.deduped.into_inner(),
            newly_shared: self.newly_shared.into_inner(),
            files: self.files.into_inner(),
            layers,
            failed: self.failed.into_inner(),
            first_failure: self
                .first_failure
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            support,
        }
    }
}
