//! Reading records under the read lock.

use std::ops::Deref;
use std::sync::Arc;

use crate::record::Record;
use crate::snapshot::Snapshot;

/// The records of a store while no process or thread writes. Dereferences to [`Snapshot`].
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct ReadGuard<R: Record> {
    snapshot: Arc<Snapshot<R>>,
    lock: layerhold_lockfile::ReadGuard,
}

impl<R: Record> ReadGuard<R> {
    pub(crate) fn new(snapshot: Arc<Snapshot<R>>, lock: layerhold_lockfile::ReadGuard) -> Self {
        Self { snapshot, lock }
    }

    /// The records, which stay usable when the lock is released.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot<R>> {
        &self.snapshot
    }

    /// Releases the lock and keeps the records.
    #[must_use]
    pub fn into_snapshot(self) -> Arc<Snapshot<R>> {
        self.snapshot
    }

    /// Whether a lock is held; see [`layerhold_lockfile::Protection`].
    #[must_use]
    pub fn protection(&self) -> layerhold_lockfile::Protection {
        self.lock.protection()
    }
}

impl<R: Record> Deref for ReadGuard<R> {
    type Target = Snapshot<R>;

    fn deref(&self) -> &Snapshot<R> {
        &self.snapshot
    }
}
