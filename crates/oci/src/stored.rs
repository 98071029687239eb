//! An image of a store with its small documents: the source of what is saved, and the base of what
//! is built.

use layerhold::{Image, LookupError, Snapshot, Store};
use layerhold_archive::Codec;
use layerhold_ids::{DiffId, Digest, ImageId, LayerId};
use serde_json::Value;

use crate::config::Config;
use crate::config::ConfigError;
use crate::digest::sha256;
use crate::find::find_image;
use crate::manifest::{Document, Manifest, ManifestError};
use crate::names::names_meant;
use crate::written::Blob;

/// An image of the store that is not whole, or was not made by an image tool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The image, or one of its layers, is not in the store.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The image has no manifest, so it was not made by an image tool.
    #[error("cannot use image {image}: it has no manifest")]
    NoManifest {
        /// The image.
        image: ImageId,
    },
    /// The image's manifest is unusable.
    #[error("cannot use the manifest of image {image}")]
    Manifest {
        /// The image.
        image: ImageId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The image's configuration is unusable.
    #[error("cannot use the configuration of image {image}")]
    Config {
        /// The image.
        image: ImageId,
        /// Why.
        #[source]
        source: ConfigError,
    },
    /// The image's manifest is a list of images.
    #[error("cannot use image {image}: its manifest is a list of manifests")]
    ManifestList {
        /// The image.
        image: ImageId,
    },
    /// The image's configuration is not in the store.
    #[error("cannot use image {image}: it has no configuration {digest}")]
    NoConfig {
        /// The image.
        image: ImageId,
        /// The digest that its manifest names.
        digest: Digest,
    },
    /// The image's layers are not those that its configuration lists.
    #[error(
        "cannot use image {image}: it has {layers} layers, and its configuration lists {diff_ids}"
    )]
    LayerCount {
        /// The image.
        image: ImageId,
        /// Layers in the store.
        layers: usize,
        /// Layers of the configuration.
        diff_ids: usize,
    },
}

impl ImageError {
    /// Whether the image, or something that it names, is not in the store.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Lookup(error) => error.is_not_found(),
            Self::NoManifest { .. } | Self::NoConfig { .. } => true,
            _ => false,
        }
    }
}

/// An image with its small documents in memory.
#[derive(Debug)]
pub(crate) struct StoredImage {
    pub(crate) id: ImageId,
    /// The names it is written under.
    pub(crate) names: Vec<String>,
    pub(crate) manifest: Box<Manifest>,
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) config_digest: Digest,
    pub(crate) config_bytes: Vec<u8>,
    /// The signatures of the manifest, in the form in which stores keep them.
    pub(crate) signatures: Vec<Vec<u8>>,
    /// Bottom first.
    pub(crate) layers: Vec<ChainLayer>,
}

/// A layer of the store.
#[derive(Clone, Debug)]
pub(crate) struct ChainLayer {
    pub(crate) id: LayerId,
    pub(crate) diff_id: DiffId,
    /// The size of the unpacked layer, where recorded.
    pub(crate) size: Option<u64>,
    /// Its compression when it was loaded.
    pub(crate) codec: Codec,
    /// The blob that it was loaded from, where recorded.
    #[cfg_attr(
        not(feature = "registry"),
        expect(dead_code, reason = "only registries need it")
    )]
    pub(crate) compressed: Option<Blob>,
}

impl StoredImage {
    /// Finds an image by name, ID or prefix. An image found by name is written under that name
    /// only, one found by ID under all its names, as in `podman save`.
    pub(crate) fn find(store: &Store, snapshot: &Snapshot, text: &str) -> Result<Self, ImageError> {
        let image = find_image(snapshot, text)?;
        let id = image.id().clone();
        let names = match image.names().iter().find(|name| is_meant(name, text)) {
            Some(name) => vec![name.clone()],
            None => image.names().to_vec(),
        };
        let manifest_bytes = store
            .image_data(id.as_str(), "manifest")
            .map_err(|_| ImageError::NoManifest { image: id.clone() })?;
        let document =
            Document::parse(&manifest_bytes, "").map_err(|source| ImageError::Manifest {
                image: id.clone(),
                source,
            })?;
        let Document::Manifest(manifest) = document else {
            return Err(ImageError::ManifestList { image: id });
        };
        let config_digest = manifest.config.digest.clone();
        let config_bytes = store
            .image_data(id.as_str(), config_digest.as_str())
            .map_err(|_| ImageError::NoConfig {
                image: id.clone(),
                digest: config_digest.clone(),
            })?;
        let config = Config::parse(&config_bytes).map_err(|source| ImageError::Config {
            image: id.clone(),
            source,
        })?;
        let layers = chain(snapshot, image.top_layer(), &config, &id)?;
        let signatures = signatures(store, &image, &manifest_bytes);
        Ok(StoredImage {
            id,
            names,
            manifest,
            manifest_bytes,
            config_digest,
            config_bytes,
            signatures,
            layers,
        })
    }

    /// The names that a docker archive can hold: those with tags.
    pub(crate) fn tagged_names(&self) -> Vec<String> {
        let names = self.names.iter();
        names.filter(|name| !name.contains('@')).cloned().collect()
    }

    /// The names that are valid if the manifest has this digest.
    pub(crate) fn names_of(&self, digest: &Digest) -> Vec<String> {
        let is_true = |name: &&String| {
            name.split_once('@')
                .is_none_or(|(_, named)| named == digest.as_str())
        };
        self.names.iter().filter(is_true).cloned().collect()
    }

    pub(crate) fn add_names(&mut self, names: Vec<String>) {
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

/// Whether the text is this name, or a short form of it.
fn is_meant(name: &str, text: &str) -> bool {
    name == text || names_meant(text).any(|full| full == name)
}

/// The signatures of a manifest: the pieces of an item, whose sizes are in the metadata (Go:
/// `GetSignaturesWithFormat` in `image/storage/storage_src.go`). There are none if these
/// contradict each other.
fn signatures(store: &Store, image: &Image, manifest: &[u8]) -> Vec<Vec<u8>> {
    let digest = sha256(manifest);
    let metadata: Value = serde_json::from_str(image.metadata()).unwrap_or_default();
    let sizes = metadata.pointer(&format!("/signatures-sizes/{digest}"));
    let sizes = sizes
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let key = format!("signature-{}", digest.hex());
    let Ok(item) = store.image_data(image.id().as_str(), &key) else {
        return Vec::new();
    };
    let mut rest = item.as_slice();
    let mut signatures = Vec::new();
    for size in sizes {
        let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
        let Some((signature, after)) = size.and_then(|size| rest.split_at_checked(size)) else {
            return Vec::new();
        };
        signatures.push(signature.to_vec());
        rest = after;
    }
    signatures
}

/// Walks from the top layer down and pairs the layers with the configuration's diff IDs.
fn chain(
    snapshot: &Snapshot,
    top: Option<&LayerId>,
    config: &Config,
    image: &ImageId,
) -> Result<Vec<ChainLayer>, ImageError> {
    let mut layers = Vec::new();
    let mut next = top.cloned();
    let expected = config.diff_ids.len();
    while let Some(id) = next.take() {
        // A chain that is longer than the configuration is wrong, and may be a loop.
        if layers.len() > expected {
            break;
        }
        let layer = snapshot.layer(id.as_str())?;
        next = layer.parent().cloned();
        // A layer with an unknown compression is saved with gzip, which all tools can read.
        let codec = layer.compression().unwrap_or(Codec::Gzip);
        let compressed = layer.compressed_digest().zip(layer.compressed_size());
        let compressed = compressed.map(|(digest, size)| Blob {
            digest: digest.digest().clone(),
            size,
        });
        layers.push((id, layer.diff_size(), codec, compressed));
    }
    if layers.len() != expected {
        return Err(ImageError::LayerCount {
            image: image.clone(),
            layers: layers.len(),
            diff_ids: expected,
        });
    }
    layers.reverse();
    Ok(layers
        .into_iter()
        .zip(&config.diff_ids)
        .map(|((id, size, codec, compressed), diff_id)| ChainLayer {
            id,
            diff_id: diff_id.clone(),
            size,
            codec,
            compressed,
        })
        .collect())
}
