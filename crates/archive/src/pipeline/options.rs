use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use layerhold_tar_format::Limits;

/// Asks an import to stop, from any thread.
///
/// The import notices between two buffers, within a few milliseconds, unless its
/// source is waiting for something itself.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A token nobody has cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop; cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The digest of the stream as stored, where a trusted party computed it; it
    /// is taken over and not computed again.
    pub known_compressed: Option<[u8; 32]>,
    /// The digest of the uncompressed stream, likewise.
    pub known_uncompressed: Option<[u8; 32]>,
    /// How much memory the archive's headers may take.
    pub limits: Limits,
    /// Stops the import when asked to.
    pub cancel: Cancel,
}
