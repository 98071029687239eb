//! The image to save, collected before anything is written.

use layerhold::{Snapshot, Store};
use layerhold_archive::Codec;
use layerhold_ids::{DiffId, Digest, ImageId, LayerId};

use super::error::SaveError;
use crate::config::Config;
use crate::find::find_image;
use crate::manifest::{Document, Manifest};
use crate::reference::normalize_name;

/// An image with its small documents in memory.
#[derive(Debug)]
pub(super) struct SavedImage {
    pub(super) id: ImageId,
    /// The names it is written under.
    pub(super) names: Vec<String>,
    pub(super) manifest: Box<Manifest>,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) config_digest: Digest,
    pub(super) config_bytes: Vec<u8>,
    /// Bottom first.
    pub(super) layers: Vec<SavedLayer>,
}

/// A layer of the store.
#[derive(Clone, Debug)]
pub(super) struct SavedLayer {
    pub(super) id: LayerId,
    pub(super) diff_id: DiffId,
    /// The size of the unpacked layer, where recorded.
    pub(super) size: Option<u64>,
    /// Its compression when it was loaded.
    pub(super) codec: Codec,
}

impl SavedImage {
    /// Finds an image by name, ID or prefix. An image found by name is written under that name
    /// only, one found by ID under all its names, as in `podman save`.
    pub(super) fn find(store: &Store, snapshot: &Snapshot, text: &str) -> Result<Self, SaveError> {
        let image = find_image(snapshot, text)?;
        let id = image.id().clone();
        let names = match image.names().iter().find(|name| is_meant(name, text)) {
            Some(name) => vec![name.clone()],
            None => image.names().to_vec(),
        };
        let manifest_bytes = store
            .image_data(id.as_str(), "manifest")
            .map_err(|_| SaveError::NoManifest { image: id.clone() })?;
        let document =
            Document::parse(&manifest_bytes, "").map_err(|source| SaveError::Manifest {
                image: id.clone(),
                source,
            })?;
        let Document::Manifest(manifest) = document else {
            return Err(SaveError::ManifestList { image: id });
        };
        let config_digest = manifest.config.digest.clone();
        let config_bytes = store
            .image_data(id.as_str(), config_digest.as_str())
            .map_err(|_| SaveError::NoConfig {
                image: id.clone(),
                digest: config_digest.clone(),
            })?;
        let config = Config::parse(&config_bytes).map_err(|source| SaveError::Config {
            image: id.clone(),
            source,
        })?;
        let layers = chain(snapshot, image.top_layer(), &config, &id)?;
        Ok(SavedImage {
            id,
            names,
            manifest,
            manifest_bytes,
            config_digest,
            config_bytes,
            layers,
        })
    }

    /// The names that a docker archive can hold: those with tags.
    pub(super) fn tagged_names(&self) -> Vec<String> {
        let names = self.names.iter();
        names.filter(|name| !name.contains('@')).cloned().collect()
    }

    /// The names that are valid if the manifest has this digest.
    pub(super) fn names_of(&self, digest: &Digest) -> Vec<String> {
        let is_true = |name: &&String| {
            name.split_once('@')
                .is_none_or(|(_, named)| named == digest.as_str())
        };
        self.names.iter().filter(is_true).cloned().collect()
    }

    pub(super) fn add_names(&mut self, names: Vec<String>) {
        for name in names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

/// Whether the text is this name, or a short form of it.
fn is_meant(name: &str, text: &str) -> bool {
    let completes = |text: &str| normalize_name(text).is_ok_and(|full| full == name);
    name == text || completes(text) || completes(&format!("localhost/{text}"))
}

/// Walks from the top layer down and pairs the layers with the configuration's diff IDs.
fn chain(
    snapshot: &Snapshot,
    top: Option<&LayerId>,
    config: &Config,
    image: &ImageId,
) -> Result<Vec<SavedLayer>, SaveError> {
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
        layers.push((id, layer.diff_size(), codec));
    }
    if layers.len() != expected {
        return Err(SaveError::LayerCount {
            image: image.clone(),
            layers: layers.len(),
            diff_ids: expected,
        });
    }
    layers.reverse();
    Ok(layers
        .into_iter()
        .zip(&config.diff_ids)
        .map(|((id, size, codec), diff_id)| SavedLayer {
            id,
            diff_id: diff_id.clone(),
            size,
            codec,
        })
        .collect())
}
