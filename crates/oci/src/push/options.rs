//! How images are pushed, and the result.

use std::path::PathBuf;

use layerhold_archive::{Codec, Level};
use layerhold_ids::Digest;
use layerhold_reference::Reference;

/// How pushed layers are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushCompression {
    /// As when they came into the store; what was not compressed then is compressed with gzip.
    #[default]
    Keep,
    /// Uncompressed.
    None,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

impl PushCompression {
    /// The codec for a layer that came with `recorded`.
    pub(super) fn codec(self, recorded: Codec) -> Codec {
        match (self, recorded) {
            (Self::None, _) => Codec::Plain,
            (Self::Zstd, _) | (Self::Keep, Codec::Zstd) => Codec::Zstd,
            (Self::Keep | Self::Gzip, _) => Codec::Gzip,
        }
    }
}

/// The formats of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestFormat {
    /// OCI's.
    Oci,
    /// Docker's "schema 2". Its layers cannot be compressed with zstd.
    Docker,
}

/// How images are pushed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushOptions {
    /// How layers are compressed.
    pub compression: PushCompression,
    /// How hard layers are compressed; without a level, as the codec does by default.
    pub level: Option<Level>,
    /// The format of the manifest. Without one it stays as it is, except that docker's becomes
    /// OCI's for layers with zstd.
    pub format: Option<ManifestFormat>,
    /// Whether a push that changes the manifest fails.
    pub preserve_digests: bool,
    /// Whether signatures stay behind. Without this, a push of a signed image fails if its manifest
    /// changes.
    pub remove_signatures: bool,
    /// A directory for compressed layers, whose digests have to be known before they are sent.
    pub scratch: PathBuf,
    /// How many layers are sent at the same time; at least one.
    pub connections: usize,
}

impl Default for PushOptions {
    fn default() -> Self {
        PushOptions {
            compression: PushCompression::Keep,
            level: None,
            format: None,
            preserve_digests: false,
            remove_signatures: false,
            scratch: PathBuf::from("/var/tmp"),
            connections: 6,
        }
    }
}

impl PushOptions {
    /// Chooses the compression, and how hard it tries.
    #[must_use]
    pub fn compression(mut self, compression: PushCompression, level: Option<Level>) -> Self {
        self.compression = compression;
        self.level = level;
        self
    }

    /// Chooses the format of the manifest.
    #[must_use]
    pub fn format(mut self, format: ManifestFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Fails rather than change the manifest.
    #[must_use]
    pub fn preserve_digests(mut self) -> Self {
        self.preserve_digests = true;
        self
    }

    /// Leaves signatures behind.
    #[must_use]
    pub fn remove_signatures(mut self) -> Self {
        self.remove_signatures = true;
        self
    }

    /// Chooses the directory for compressed layers.
    #[must_use]
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// Sends so many layers at the same time.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }
}

/// An image, or an index of images, that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Where it is now.
    pub reference: Reference,
    /// The digest of the manifest, or of the index.
    pub digest: Digest,
    /// Layers that were sent.
    pub sent: usize,
    /// Layers that the registry had, or took over from another repository.
    pub reused: usize,
}
