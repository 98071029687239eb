//! How images are saved, and the result.

use std::path::PathBuf;

use layerhold_archive::Codec;
use layerhold_ids::{Digest, ImageId};

use crate::written::Labels;

/// The formats of saved images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    /// A directory with an `oci-layout` file. An existing layout is added to.
    OciLayout,
    /// A tar of such a directory.
    OciArchive,
    /// What `docker load` and `podman load` read.
    DockerArchive,
    /// A directory with one image and its signatures, which skopeo calls `dir:`. An image that is
    /// there already is replaced.
    ImageDirectory,
}

/// How layers are compressed. Docker archives always hold plain layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As when they were loaded. Uncompressed layers are saved byte for byte as they were loaded.
    /// Compressed ones decompress to the same bytes, but are compressed again.
    #[default]
    Keep,
    /// Uncompressed.
    None,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// How images are written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SaveOptions {
    /// The format.
    pub kind: TargetKind,
    /// How layers are compressed.
    pub compression: Compression,
    /// A directory for large temporary files: the size of a compressed layer has to be known before
    /// its tar entry begins.
    pub scratch: PathBuf,
    /// Whether signatures are left behind. Only [`TargetKind::ImageDirectory`] has a place for
    /// them.
    pub remove_signatures: bool,
}

impl Compression {
    /// The codec for a layer that was loaded with `recorded`.
    pub(super) fn codec(self, recorded: Codec) -> Codec {
        match (self, recorded) {
            (Compression::None, _) | (Compression::Keep, Codec::Plain) => Codec::Plain,
            (Compression::Zstd, _) | (Compression::Keep, Codec::Zstd) => Codec::Zstd,
            // Formats that image tools cannot read are replaced by gzip, which all can.
            _ => Codec::Gzip,
        }
    }

    /// A wrong media type is kept with its manifest, but not if a compression was requested.
    pub(super) fn labels(self) -> Labels {
        match self {
            Compression::Keep => Labels::Kept,
            _ => Labels::Right,
        }
    }
}

impl SaveOptions {
    /// The defaults for a format.
    #[must_use]
    pub fn new(kind: TargetKind) -> Self {
        SaveOptions {
            kind,
            compression: Compression::Keep,
            scratch: PathBuf::from("/var/tmp"),
            remove_signatures: false,
        }
    }

    /// Chooses the compression.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Chooses the directory for large temporary files.
    #[must_use]
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// Leaves signatures behind.
    #[must_use]
    pub fn remove_signatures(mut self) -> Self {
        self.remove_signatures = true;
        self
    }
}

/// An image that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenImage {
    /// Its ID.
    pub id: ImageId,
    /// The names it was written under.
    pub names: Vec<String>,
    /// The digest of the manifest that was written; a docker archive has none.
    pub digest: Option<Digest>,
    /// How many signatures were left behind because the format has no place for them. Those that
    /// were to be left behind do not count.
    pub lost_signatures: usize,
}
