//! What became of a deduplication.

use std::path::PathBuf;

use layerhold_driver::LayerError;

/// Whether blocks can be shared at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DedupSupport {
    /// Nothing stood against it.
    Possible,
    /// The driver keeps no files of its own that could share blocks.
    NotByDriver,
    /// The filesystem of a layer cannot share blocks.
    NotByFilesystem {
        /// Where the layer is.
        path: PathBuf,
    },
}

/// What became of a deduplication.
#[derive(Debug)]
#[non_exhaustive]
pub struct DedupReport {
    /// Bytes in files that are equal to another one and share its blocks, whether they did before
    /// or do now. This is what Go counts. Files so small that they have no blocks are among them.
    pub deduped: u64,
    /// Bytes of these of which it is known that they share blocks only now. Not known where files
    /// are compressed or in many pieces.
    pub newly_shared: u64,
    /// Files that are equal to another one and share its blocks.
    pub files: u64,
    /// Layers that were gone through.
    pub layers: usize,
    /// Files and directories that could not be looked at or be changed.
    pub failed: u64,
    /// Why the first of them could not.
    pub first_failure: Option<LayerError>,
    /// Whether blocks can be shared at all.
    pub support: DedupSupport,
}
