//! Makes images from nothing, for tests of pulling and pushing: an OCI layout with layers of given
//! sizes, the same bytes every time.
//!
//! ```
//! use layerhold_testkit::image::{Compression, Image, Layer};
//!
//! let place = layerhold_testkit::scratch();
//! let made = Image::new()
//!     .layer(Layer::files(200, 2048))          // 200 small files
//!     .layer(Layer::file(1 << 20).entropy(90)) // one big one that hardly shrinks
//!     .compression(Compression::Gzip)
//!     .platforms(["linux/amd64", "linux/arm64/v8"])
//!     .make(place.path());
//! assert_eq!(made.manifests().len(), 2);
//! assert!(made.blob_file(&made.descriptor().digest).is_file());
//! ```
//!
//! [`Registry::add`](crate::registry::Registry::add) puts it into a registry. skopeo and others read
//! the directory as `oci:DIRECTORY:latest`, unless the image has docker's media types.

mod documents;
mod blobs;
mod content;

use std::path::{Path, PathBuf};

use blobs::Blobs;
pub use content::Layer;

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip, at its fastest level.
    #[default]
    Gzip,
    /// zstd, at its fastest level; needs the program `zstd`.
    Zstd,
}

/// The media types of an image's documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    Oci,
    Docker,
}

/// What an image is made of.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Image {
    layers: Vec<Layer>,
    platforms: Vec<String>,
    compression: Compression,
    format: Format,
    seed: u64,
}

impl Image {
    /// An OCI image for `linux/amd64` without layers, with gzip for those that come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer above the others.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets the compression of all layers.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Makes an index with an image for each platform, each as `OS/ARCHITECTURE` or
    /// `OS/ARCHITECTURE/VARIANT`. All have the same layers, and one of their own above, with the
    /// file `platform` that holds the platform's name.
    pub fn platforms<S: ToString>(mut self, platforms: impl IntoIterator<Item = S>) -> Self {
        self.platforms = platforms.into_iter().map(|name| name.to_string()).collect();
        self
    }

    /// Uses docker's media types: schema 2, and a manifest list for several platforms.
    pub fn docker(mut self) -> Self {
        self.format = Format::Docker;
        self
    }

    /// Sets what the contents are made from; images with different seeds share no layer.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Writes the image into `directory`, as an OCI layout whose one reference is called `latest`.
    ///
    /// # Panics
    /// When a file cannot be written or the program for the compression is missing.
    #[must_use]
    pub fn make(&self, directory: &Path) -> MadeImage {
        let blobs = Blobs::create(directory, self.compression, self.format);
        let shared: Vec<MadeLayer> = (0..)
            .zip(&self.layers)
            .map(|(index, layer)| blobs.layer(layer, self.seed, index))
            .collect();
        let (manifests, descriptor) = if self.platforms.is_empty() {
            let only = documents::manifest(&blobs, "linux/amd64", shared);
            let descriptor = only.descriptor.clone();
            (vec![only], descriptor)
        } else {
            let manifests = self.for_platforms(&blobs, &shared);
            let index = documents::index(&blobs, &manifests);
            (manifests, index)
        };
        documents::layout(directory, &descriptor);
        MadeImage {
            directory: directory.into(),
            descriptor,
            manifests,
        }
    }

    fn for_platforms(&self, blobs: &Blobs, shared: &[MadeLayer]) -> Vec<MadeManifest> {
        let make = |platform: &String| {
            let own = blobs.layer(&Layer::naming(platform), self.seed, self.layers.len());
            let mut layers = shared.to_vec();
            layers.push(own);
            documents::manifest(blobs, platform, layers)
        };
        self.platforms.iter().map(make).collect()
    }
}

/// Names a blob: what it is, what it hashes to, how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest, as `sha256:HEX`.
    pub digest: String,
    /// The length in bytes.
    pub size: u64,
}

/// A layer of an image that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeLayer {
    /// The blob, as compressed.
    pub descriptor: Descriptor,
    /// The digest of the tar, as `sha256:HEX`.
    pub diff_id: String,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeManifest {
    /// The platform, as `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`.
    pub platform: String,
    /// The manifest.
    pub descriptor: Descriptor,
    /// The configuration; its digest without `sha256:` is podman's ID of the image.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<MadeLayer>,
}

impl MadeManifest {
    /// The digests of the configuration and the layers.
    fn blobs(&self) -> Vec<&str> {
        let layers = self.layers.iter().map(|layer| &layer.descriptor);
        let all = layers.chain([&self.config]);
        all.map(|descriptor| descriptor.digest.as_str()).collect()
    }
}

/// An image that was made, in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeImage {
    directory: PathBuf,
    descriptor: Descriptor,
    manifests: Vec<MadeManifest>,
}

impl MadeImage {
    /// The OCI layout.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a tag of the image names: its manifest, or the index for several platforms.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The image of each platform, in the order given.
    #[must_use]
    pub fn manifests(&self) -> &[MadeManifest] {
        &self.manifests
    }

    /// The layers of the first platform, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[MadeLayer] {
        self.manifests.first().map_or(&[], |first| &first.layers)
    }

    /// The digests of all configurations and layers, sorted, each once.
    #[must_use]
    pub fn blobs(&self) -> Vec<&str> {
        let mut digests: Vec<&str> = self
            .manifests
            .iter()
            .flat_map(MadeManifest::blobs)
            .collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// The digests of the manifests and of the index, sorted, each once.
    #[must_use]
    pub fn documents(&self) -> Vec<&str> {
        let manifests = self.manifests.iter().map(|manifest| &manifest.descriptor);
        let all = manifests.chain([&self.descriptor]);
        let mut digests: Vec<&str> = all.map(|descriptor| descriptor.digest.as_str()).collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// The file of a blob or document. It may be hard-linked by a registry, so do not change it.
    #[must_use]
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        self.directory.join("blobs/sha256").join(hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeKind, Tree, require_peer, run, scratch};
    use std::process::Command;

    fn two_layers() -> Image {
        Image::new()
            .layer(Layer::files(250, 3000))
            .layer(Layer::file(2_000_000).entropy(100))
    }

    #[test]
    fn the_same_image_has_the_same_bytes() {
        let (one, two) = (scratch(), scratch());
        let made = two_layers().make(one.path());
        let again = two_layers().make(two.path());
        assert_eq!(made.descriptor, again.descriptor);
        assert_eq!(made.manifests, again.manifests);
        let third = scratch();
        let other = two_layers().seed(1).make(third.path());
        let shared: Vec<&str> = other.blobs();
        assert!(made.blobs().iter().all(|blob| !shared.contains(blob)));
    }

    #[test]
    fn layers_hold_what_was_asked_for() {
        let place = scratch();
        let made = two_layers().make(place.path());
        let unpacked = scratch();
        for layer in made.layers() {
            let file = made.blob_file(&layer.descriptor.digest);
            assert_eq!(file.metadata().unwrap().len(), layer.descriptor.size);
            run(Command::new("tar")
                .arg("-xzf")
                .arg(file)
                .arg("-C")
                .arg(unpacked.path()))
            .assert_success();
        }
        let tree = Tree::of(unpacked.path());
        let is_file = |path: &&Path| matches!(tree.at(path).kind, NodeKind::File { .. });
        assert_eq!(tree.paths().into_iter().filter(is_file).count(), 251);
        // What is random does not shrink.
        assert!(made.layers()[1].descriptor.size > 2_000_000);
        assert!(made.layers()[0].descriptor.size < 250 * 3000);
    }

    #[test]
    fn each_compression_has_its_media_type_and_the_same_tar() {
        let Some(()) = require_peer("zstd") else {
            return;
        };
        let mut diff_ids = Vec::new();
        for (compression, end) in [
            (Compression::None, ".tar"),
            (Compression::Gzip, ".tar+gzip"),
            (Compression::Zstd, ".tar+zstd"),
        ] {
            let place = scratch();
            let made = two_layers().compression(compression).make(place.path());
            let layer = &made.layers()[0];
            assert!(layer.descriptor.media_type.ends_with(end));
            diff_ids.push(layer.diff_id.clone());
        }
        assert_eq!(diff_ids[0], diff_ids[1]);
        assert_eq!(diff_ids[0], diff_ids[2]);
    }

    #[test]
    fn peer_skopeo_reads_oci_images() {
        let Some(()) = require_peer("skopeo") else {
            return;
        };
        let platforms = ["linux/amd64", "linux/arm64/v8"];
        for image in [
            two_layers(),
            two_layers().compression(Compression::None),
            two_layers().platforms(platforms),
        ] {
            let place = scratch();
            let made = image.make(place.path());
            let from = format!("oci:{}:latest", place.path().display());
            let raw = run(Command::new("skopeo").args(["inspect", "--raw", &from]));
            let file = std::fs::read(made.blob_file(&made.descriptor.digest)).unwrap();
            raw.assert_success();
            assert_eq!(raw.stdout, file);
            let to = format!("dir:{}", place.path().join("copy").display());
            let copy = ["--insecure-policy", "copy", "--quiet", "--all", &from, &to];
            run(Command::new("skopeo").args(copy)).assert_success();
        }
    }
}
