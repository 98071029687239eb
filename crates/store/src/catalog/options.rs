//! Options of opening a catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerhold_lockfile::LockFile;
use layerhold_sys::{Cancel, MetadataIo};

use crate::catalog::transient::Persistence;

/// How a catalog is opened.
#[derive(Debug)]
pub(crate) struct CatalogOptions<'a> {
    pub(crate) graph_root: &'a Path,
    /// The name of the graph driver, the prefix of directory names.
    pub(crate) driver: &'a str,
    /// The roots of additional stores, each once, without the store's own roots.
    pub(crate) additional: Vec<PathBuf>,
    pub(crate) persistence: Persistence,
    pub(crate) io: Arc<dyn MetadataIo>,
    pub(crate) bounds: LockBounds,
}

/// What ends a wait for a lock before the lock is free.
#[derive(Debug, Clone)]
pub(crate) struct LockBounds {
    pub(crate) cancel: Cancel,
    pub(crate) timeout: Option<Duration>,
}

impl LockBounds {
    /// Has waits for a lock end.
    pub(crate) fn apply(&self, lock: LockFile) -> LockFile {
        lock.cancelled_by(self.cancel.clone())
            .with_timeout(self.timeout)
    }
}
