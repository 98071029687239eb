//! Writing images of a store to files.

mod blob;
mod docker_archive;
mod image;
mod layout;
mod target;

use std::path::{Path, PathBuf};

use layerhold::Store;
use layerhold_archive::Codec;
use layerhold_ids::{DiffId, Digest, ImageId, LayerId};
use layerhold_sys::PathError;
use layerhold_tar_format::WriteError;

use crate::manifest::ManifestError;
use crate::progress::{Event, Progress};
use image::SavedImage;
use target::FileTarget;

/// What an image is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    /// A directory with an `oci-layout` file. An existing layout is added to.
    OciLayout,
    /// A tar of such a directory.
    OciArchive,
    /// What `docker load` and `podman load` read.
    DockerArchive,
}

/// How layers are compressed in OCI layouts. Docker archives hold plain layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As they were when they came into the store. Layers that came plain go out byte for byte
    /// as they came; compressed ones unpack to the same bytes, but their compressed form is
    /// that of our compressor.
    #[default]
    Keep,
    /// Not at all.
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
    /// A directory for large temporary files: a compressed layer has to be complete before the
    /// entry of a tar that holds it can begin.
    pub scratch: PathBuf,
}

impl SaveOptions {
    /// The defaults for a format.
    #[must_use]
    pub fn new(kind: TargetKind) -> Self {
        SaveOptions {
            kind,
            compression: Compression::Keep,
            scratch: PathBuf::from("/var/tmp"),
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
}

/// An image that could not be written. The target is removed, or as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] layerhold::Error),
    /// The kernel refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Writing failed.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A member of the archive cannot be written.
    #[error("{} cannot be written", path.display())]
    Tar {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: WriteError,
    },
    /// The image has no manifest, so it was not made by an image tool.
    #[error("image {image} has no manifest")]
    NoManifest {
        /// The image.
        image: ImageId,
    },
    /// The image's manifest is unusable.
    #[error("the manifest of image {image} is unusable")]
    Manifest {
        /// The image.
        image: ImageId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The image's configuration is unusable.
    #[error("the configuration of image {image} is unusable")]
    Config {
        /// The image.
        image: ImageId,
        /// Why.
        #[source]
        source: crate::config::ConfigError,
    },
    /// The image's manifest is a list of images.
    #[error("the manifest of image {image} is a list of manifests")]
    ManifestList {
        /// The image.
        image: ImageId,
    },
    /// The image's configuration is not in the store.
    #[error("image {image} has no configuration {digest}")]
    NoConfig {
        /// The image.
        image: ImageId,
        /// The digest that its manifest names.
        digest: Digest,
    },
    /// The image's layers are not those that its configuration lists.
    #[error("image {image} has {layers} layers, and its configuration lists {diff_ids}")]
    LayerCount {
        /// The image.
        image: ImageId,
        /// Layers in the store.
        layers: usize,
        /// Layers of the configuration.
        diff_ids: usize,
    },
    /// A layer's contents are damaged.
    #[error("layer {layer} is damaged: its contents have the digest {actual}, not {expected}")]
    Damaged {
        /// The layer.
        layer: LayerId,
        /// The diff ID in the configuration.
        expected: DiffId,
        /// What was read.
        actual: DiffId,
    },
    /// Reading a layer failed.
    #[error("layer {layer} cannot be read")]
    Read {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The target exists and is something else.
    #[error("{} exists and is not an OCI layout", path.display())]
    NotALayout {
        /// The target.
        path: PathBuf,
    },
    /// An existing layout has an unusable index.
    #[error("the index of {} is unusable", path.display())]
    Index {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No image was named.
    #[error("no image to save")]
    Nothing,
}

/// Writes images to a file or directory. A file appears under its name when it is complete.
///
/// Layers are read as they were imported, bit for bit, and checked against the digests in the
/// image's configuration on the way.
///
/// # Errors
///
/// Fails when an image is not known, when its contents are damaged, or when the target cannot
/// be written.
pub fn save(
    store: &Store,
    images: &[String],
    path: &Path,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let found = find(store, images)?;
    match options.kind {
        TargetKind::OciLayout => {
            let target = layout::Directory::open(path)?;
            layout::write(store, &found, target, options, progress)
        }
        TargetKind::OciArchive => {
            let mut file = FileTarget::create(path)?;
            let target = layout::Archive::new(path, file.writer());
            let written = layout::write(store, &found, target, options, progress)?;
            file.publish()?;
            Ok(written)
        }
        TargetKind::DockerArchive => {
            let mut file = FileTarget::create(path)?;
            let written = docker_archive::write(store, &found, path, file.writer(), progress)?;
            file.publish()?;
            Ok(written)
        }
    }
}

/// Writes images as an archive to a stream. [`TargetKind::OciLayout`] becomes an archive too.
///
/// # Errors
///
/// As [`save`].
pub fn save_stream(
    store: &Store,
    images: &[String],
    stream: &mut dyn std::io::Write,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let path = Path::new("standard output");
    let found = find(store, images)?;
    match options.kind {
        TargetKind::DockerArchive => docker_archive::write(store, &found, path, stream, progress),
        _ => {
            let target = layout::Archive::new(path, stream);
            layout::write(store, &found, target, options, progress)
        }
    }
}

fn find(store: &Store, images: &[String]) -> Result<Vec<SavedImage>, SaveError> {
    if images.is_empty() {
        return Err(SaveError::Nothing);
    }
    let snapshot = store.snapshot()?;
    let mut found: Vec<SavedImage> = Vec::new();
    for text in images {
        let image = SavedImage::find(store, &snapshot, text)?;
        match found.iter_mut().find(|other| other.id == image.id) {
            Some(other) => other.add_names(image.names),
            None => found.push(image),
        }
    }
    Ok(found)
}

/// The codec for a layer that came in with `recorded`.
fn codec(compression: Compression, recorded: Codec) -> Codec {
    match (compression, recorded) {
        (Compression::None, _) | (Compression::Keep, Codec::Plain) => Codec::Plain,
        (Compression::Zstd, _) | (Compression::Keep, Codec::Zstd) => Codec::Zstd,
        // Formats that image tools do not read are replaced by the one that all read.
        _ => Codec::Gzip,
    }
}

/// Reports the start of a layer.
fn announce(progress: &dyn Progress, image: &SavedImage, index: usize) {
    if let Some(layer) = image.layers.get(index) {
        progress.event(Event::LayerStarted {
            index,
            of: image.layers.len(),
            digest: layer.diff_id.digest(),
            size: layer.size.unwrap_or(0),
        });
    }
}
