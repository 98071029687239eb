//! `images.json`.

use std::collections::BTreeMap;

use layerhold_ids::{DigestError, IdError, ImageId, LayerId, ManifestDigest, dedupe_names};
use thiserror::Error;

use crate::{Flags, Timestamp};

record! {
    /// An image (Go: images.go, `Image`).
    ImageRecord ("image") {
        /// The ID, unchecked; see [`Self::image_id`].
        id: String = "id" always,
        /// A digest to find the image by, usually its manifest's; see [`Self::digests`].
        digest: String = "digest" omitempty,
        /// Names given by callers, unique among images.
        names: Vec<String> = "names" omitempty,
        /// Names it has or had, the newest first; see [`Self::add_name_to_history`].
        names_history: Vec<String> = "names-history" omitempty,
        /// The ID of the topmost layer; empty for an image without layers. See
        /// [`Self::top_layer_id`].
        layer: String = "layer" omitempty,
        /// Layers with the same content as the topmost one and other ID maps.
        mapped_layers: Vec<String> = "mapped-layers" omitempty,
        /// Text kept for the caller.
        metadata: String = "metadata" omitempty,
        /// Names of the data items kept beside the record.
        big_data_names: Vec<String> = "big-data-names" omitempty,
        /// Their sizes in bytes, where known.
        big_data_sizes: BTreeMap<String, i64> = "big-data-sizes" omitempty,
        /// Their digests, where known.
        big_data_digests: BTreeMap<String, String> = "big-data-digests" omitempty,
        /// When the image was made; the zero time if nobody noted it.
        created: Timestamp = "created" always,
        /// Notes of callers.
        flags: Flags = "flags" omitempty,
    }
}

/// Data items whose names begin like this are manifests, and their digests are digests of the image
/// (Go: images.go, `ImageDigestManifestBigDataNamePrefix`).
const MANIFEST_PREFIX: &str = "manifest";

/// One of an image's digests is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageDigestError {
    /// The image's own.
    #[error("validating image digest {digest:?}")]
    Image {
        /// The text.
        digest: String,
        /// What is wrong with it.
        #[source]
        source: DigestError,
    },
    /// That of a manifest.
    #[error("validating digest {digest:?} for big data item {item:?}")]
    BigData {
        /// The name of the data item.
        item: String,
        /// The text.
        digest: String,
        /// What is wrong with it.
        #[source]
        source: DigestError,
    },
}

impl ImageRecord {
    /// Returns the checked ID.
    ///
    /// # Errors
    ///
    /// Fails if the text is no ID, so that it can't be used as a file name.
    pub fn image_id(&self) -> Result<ImageId, IdError> {
        self.id.parse()
    }

    /// Returns the checked ID of the topmost layer, or none for an image without layers.
    ///
    /// # Errors
    ///
    /// Fails if the text is no ID.
    pub fn top_layer_id(&self) -> Result<Option<LayerId>, IdError> {
        let given = (!self.layer.is_empty()).then_some(self.layer.as_str());
        given.map(str::parse).transpose()
    }

    /// Returns all digests that the image can be found by, without repetition: its own, and those
    /// of its manifests.
    ///
    /// Go takes the manifests in random order and makes the first one the image's own if it has
    /// none (Go: images.go, `recomputeDigests`); here they are sorted by name, so that the plain
    /// `manifest` comes first.
    ///
    /// # Errors
    ///
    /// Fails for the first that is malformed. Go refuses to load the whole file then.
    pub fn digests(&self) -> Result<Vec<ManifestDigest>, ImageDigestError> {
        let mut digests = Vec::new();
        if !self.digest.is_empty() {
            let error = |source| ImageDigestError::Image {
                digest: self.digest.clone(),
                source,
            };
            digests.push(self.digest.parse().map_err(error)?);
        }
        for (item, digest) in self.manifest_digests() {
            let error = |source| ImageDigestError::BigData {
                item: item.into(),
                digest: digest.into(),
                source,
            };
            let checked = digest.parse().map_err(error)?;
            if !digests.contains(&checked) {
                digests.push(checked);
            }
        }
        Ok(digests)
    }

    /// Returns the names and digests, unchecked, of the data items that are manifests.
    pub fn manifest_digests(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self
            .big_data_digests
            .iter()
            .map(|(item, digest)| (item.as_str(), digest.as_str()));
        all.filter(|(item, _)| item.starts_with(MANIFEST_PREFIX))
    }

    /// Notes a name as the newest one that the image has or had (Go: images.go,
    /// `addNameToHistory`).
    pub fn add_name_to_history(&mut self, name: &str) {
        let older = std::mem::take(&mut self.names_history);
        self.names_history = dedupe_names(std::iter::once(name.to_owned()).chain(older));
    }
}
