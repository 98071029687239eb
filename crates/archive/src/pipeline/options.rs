use layerhold_sys::Cancel;
use layerhold_tar_format::Limits;

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
    /// Stops the import when asked to, between two buffers and so within a few milliseconds, unless
    /// its source is waiting for something itself.
    pub cancel: Cancel,
}
