//! Records of `images.json`.

use std::collections::BTreeMap;

use layerhold_ids::{DigestError, IdError, ImageId, LayerId, ManifestDigest, dedupe_names};
use thiserror::Error;

use crate::record::record;
use crate::{Flags, Timestamp};

record! {
    /// An image (Go: images.go, `Image`).
    ImageRecord ("image") {
        /// The ID, unchecked; see [`Self::image_id`].
        id: String = "id" always,
        /// A digest for finding the image, usually that of its manifest; see [`Self::digests`].
        digest: String = "digest" omitempty,
        /// Names given by callers, unique among images.
        names: Vec<String> = "names" omitempty,
        /// Present and former names, the newest first; see [`Self::add_name_to_history`].
        names_history: Vec<String> = "names-history" omitempty,
        /// The ID of the topmost layer; empty for an image without layers. See
        /// [`Self::top_layer_id`].
        layer: String = "layer" omitempty,
        /// Layers with the content of the topmost one and other ID maps.
        mapped_layers: Vec<String> = "mapped-layers" omitempty,
        /// Text of the caller.
        metadata: String = "metadata" omitempty,
        /// Names of the big data items beside the record.
        big_data_names: Vec<String> = "big-data-names" omitempty,
        /// Their sizes in bytes, if known.
        big_data_sizes: BTreeMap<String, i64> = "big-data-sizes" omitempty,
        /// Their digests, if known.
        big_data_digests: BTreeMap<String, String> = "big-data-digests" omitempty,
        /// The creation time; the zero time if it is unknown.
        created: Timestamp = "created" always,
        /// Flags of callers.
        flags: Flags = "flags" omitempty,
    }
}

/// Prefix of big data items that are manifests, whose digests are digests of the image (Go:
/// images.go, `ImageDigestManifestBigDataNamePrefix`).
const MANIFEST_PREFIX: &str = "manifest";

/// A malformed digest of an image.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageDigestError {
    /// The image's own digest.
    #[error("validating image digest {digest:?}")]
    Image {
        /// The text.
        digest: String,
        /// The cause.
        #[source]
        source: DigestError,
    },
    /// The digest of a manifest.
    #[error("validating digest {digest:?} for big data item {item:?}")]
    BigData {
        /// The name of the big data item.
        item: String,
        /// The text.
        digest: String,
        /// The cause.
        #[source]
        source: DigestError,
    },
}

impl ImageRecord {
    /// Returns the checked ID.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID and cannot be used as a file name.
    pub fn image_id(&self) -> Result<ImageId, IdError> {
        self.id.parse()
    }

    /// Returns the checked ID of the topmost layer; `None` for an image without layers.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID.
    pub fn top_layer_id(&self) -> Result<Option<LayerId>, IdError> {
        let given = (!self.layer.is_empty()).then_some(self.layer.as_str());
        given.map(str::parse).transpose()
    }

    /// Returns all digests by which the image can be found, without repetition: its own, and those
    /// of its manifests.
    ///
    /// Go visits the manifests in random order, and uses the first as the image's own digest if it
    /// has none (Go: images.go, `recomputeDigests`). Here they are sorted by name, so the plain
    /// `manifest` comes first.
    ///
    /// # Errors
    ///
    /// Fails for the first malformed digest. Go refuses to load the whole file then.
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

    /// Returns names and unchecked digests of the big data items that are manifests.
    pub fn manifest_digests(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self
            .big_data_digests
            .iter()
            .map(|(item, digest)| (item.as_str(), digest.as_str()));
        all.filter(|(item, _)| item.starts_with(MANIFEST_PREFIX))
    }

    /// Adds a name as the newest one of the history (Go: images.go, `addNameToHistory`).
    pub fn add_name_to_history(&mut self, name: &str) {
        self.add_names_to_history([name]);
    }

    /// Adds names to the history one after the other, so that the last one is the newest.
    pub fn add_names_to_history<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str, IntoIter: DoubleEndedIterator>,
    ) {
        let older = std::mem::take(&mut self.names_history);
        let newer = names.into_iter().rev().map(str::to_owned);
        self.names_history = dedupe_names(newer.chain(older));
    }
}
