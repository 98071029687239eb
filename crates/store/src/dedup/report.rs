//! The result of a deduplication.

use std::path::PathBuf;

use layerhold_driver::LayerError;

/// Whether blocks can be shared at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DedupSupport {
    /// They can.
    Possible,
    /// The driver keeps no files of its own that could share blocks.
    NotByDriver,
    /// The filesystem of a layer cannot share blocks.
    NotByFilesystem {
        /// Where the layer is.
        path: PathBuf,
    },
}

/// The result of a deduplication.
#[derive(Debug)]
#[non_exhaustive]
pub struct DedupReport {
    /// Bytes in files that equal another one and share its blocks, from before or since now. This
    /// is what Go counts. It includes files so small that they have no blocks.
    pub deduped: u64,
    /// The part of these bytes that is known to share blocks only since now. This is unknown for
    /// files that are compressed or fragmented.
    pub newly_shared: u64,
    /// Files that equal another one and share its blocks.
    pub files: u64,
    /// Layers that were walked.
    pub layers: usize,
    /// Files and directories that could not be read or changed.
    pub failed: u64,
    /// The first such error.
    pub first_failure: Option<LayerError>,
    /// Whether blocks can be shared at all.
    pub support: DedupSupport,
}
