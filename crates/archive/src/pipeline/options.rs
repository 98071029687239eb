use std::fmt;

use layerhold_sys::Cancel;
use layerhold_tar_format::Limits;

/// How to import.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    /// The digest of the stream as stored, if a trusted party computed it. It is not computed
    /// again.
    pub known_compressed: Option<[u8; 32]>,
    /// The digest of the uncompressed stream, likewise.
    pub known_uncompressed: Option<[u8; 32]>,
    /// Limits for the memory that the archive's headers may take.
    pub limits: Limits,
    /// The most bytes that the layer may unpack to. Both the uncompressed archive and the contents
    /// of its files, holes included, must keep to it. `None` is no limit.
    pub max_unpacked_bytes: Option<u64>,
    /// The most entries that the layer may have, whiteouts and directories without an entry
    /// included. `None` is no limit.
    pub max_entries: Option<u64>,
    /// Cancels the import: within a few milliseconds, unless its source blocks.
    pub cancel: Cancel,
}

impl ImportOptions {
    /// The defaults: all digests computed, no limits but those of headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over the digest of the stream as stored.
    #[must_use]
    pub fn with_known_compressed(mut self, sha256: impl Into<Option<[u8; 32]>>) -> Self {
        self.known_compressed = sha256.into();
        self
    }

    /// Takes over the digest of the uncompressed stream.
    #[must_use]
    pub fn with_known_uncompressed(mut self, sha256: impl Into<Option<[u8; 32]>>) -> Self {
        self.known_uncompressed = sha256.into();
        self
    }

    /// Limits the memory that the archive's headers may take.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Limits what the layer may unpack to, in bytes; see
    /// [`max_unpacked_bytes`](Self::max_unpacked_bytes).
    #[must_use]
    pub fn with_max_unpacked_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_unpacked_bytes = bytes.into();
        self
    }

    /// Limits the entries of the layer; see [`max_entries`](Self::max_entries).
    #[must_use]
    pub fn with_max_entries(mut self, entries: impl Into<Option<u64>>) -> Self {
        self.max_entries = entries.into();
        self
    }

    /// Has `cancel` stop the import.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }
}

/// A limit of [`ImportOptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportLimit {
    /// [`ImportOptions::max_unpacked_bytes`], with its value.
    UnpackedBytes(u64),
    /// [`ImportOptions::max_entries`], with its value.
    Entries(u64),
}

impl fmt::Display for ImportLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnpackedBytes(bytes) => write!(f, "{bytes} bytes unpacked"),
            Self::Entries(entries) => write!(f, "{entries} entries"),
        }
    }
}
