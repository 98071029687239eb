use layerhold_sys::Cancel;
use layerhold_tar_format::Limits;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The digest of the stream as stored, if a trusted party computed it. It is not computed
    /// again.
    pub known_compressed: Option<[u8; 32]>,
    /// The digest of the uncompressed stream, likewise.
    pub known_uncompressed: Option<[u8; 32]>,
    /// Limits for the memory that the archive's headers may take.
    pub limits: Limits,
    /// Cancels the import: within a few milliseconds, unless its source blocks.
    pub cancel: Cancel,
}
