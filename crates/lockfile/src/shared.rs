//! What the clones and guards of a handle share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use layerhold_sys::{HeldFor, HeldLock};

use crate::acquire::{LockError, absolute};
use crate::queue::WriterQueue;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    /// Writes recorded through this handle, as a part of their tokens.
    pub(crate) writes: AtomicU64,
    pub(crate) held_for: HeldFor,
    pub(crate) queue: WriterQueue,
}

impl Shared {
    pub(crate) fn new(path: &Path, held_for: HeldFor) -> Result<Arc<Self>, LockError> {
        Ok(Arc::new(Self {
            path: absolute(path)?,
            held_for,
            writes: AtomicU64::new(0),
            queue: WriterQueue::default(),
        }))
    }

    /// Notes that this thread took the lock.
    pub(crate) fn note_held(&self) -> HeldLock {
        HeldLock::note(&self.path, self.held_for)
    }
}
