//! Images.

use layerhold_ids::{Digest, ImageId, LayerId, ManifestDigest};
use layerhold_json_store::{KeySpec, Record};
use layerhold_schema::{Flags, ImageRecord, Timestamp};

use super::common::{common_accessors, plain_record};
use super::invalid::InvalidRecord;

/// Index: the top layer, and copies of it under other ID maps.
pub(crate) const BY_TOP_LAYER: &str = "top layer";
/// Index: the image's own digest and those of its manifests.
pub(crate) const BY_DIGEST: &str = "digest of image or manifest";

/// An image, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    id: ImageId,
    top_layer: Option<LayerId>,
    mapped_layers: Vec<LayerId>,
    digests: Vec<ManifestDigest>,
    record: ImageRecord,
}

impl Image {
    pub(crate) fn new(record: ImageRecord) -> Result<Self, InvalidRecord> {
        let mapped = record.mapped_layers.iter().map(|id| id.parse());
        Ok(Self {
            id: record.image_id().map_err(InvalidRecord::field("id"))?,
            top_layer: record
                .top_layer_id()
                .map_err(InvalidRecord::field("layer"))?,
            mapped_layers: mapped
                .collect::<Result<_, _>>()
                .map_err(InvalidRecord::field("mapped-layers"))?,
            // One malformed digest keeps Go tools from using any image; here only this record is
            // set aside.
            digests: record.digests().map_err(InvalidRecord::field("digest"))?,
            record,
        })
    }

    /// Returns its present and former names, newest first.
    #[must_use]
    pub fn names_history(&self) -> &[String] {
        &self.record.names_history
    }

    /// Returns the top layer; an image may have none.
    #[must_use]
    pub fn top_layer(&self) -> Option<&LayerId> {
        self.top_layer.as_ref()
    }

    /// Returns the copies of the top layer under other ID maps.
    #[must_use]
    pub fn mapped_layers(&self) -> &[LayerId] {
        &self.mapped_layers
    }

    /// Returns the image's own digest, if it has one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.record.digest.parse().ok()
    }

    /// Returns every digest it is found by: its own first, then those of its manifests.
    #[must_use]
    pub fn digests(&self) -> &[ManifestDigest] {
        &self.digests
    }

    /// Derives the digests from the record again. Without a digest of its own, the image gets that
    /// of its first manifest (Go: images.go, `recomputeDigests`).
    pub(crate) fn refresh_digests(&mut self) -> Result<(), InvalidRecord> {
        self.digests = self
            .record
            .digests()
            .map_err(InvalidRecord::field("digest"))?;
        if self.record.digest.is_empty()
            && let Some(first) = self.digests.first()
        {
            self.record.digest = first.digest().to_string();
        }
        Ok(())
    }

    /// Removes and returns the names, if a later change is to move them here.
    pub(crate) fn take_names_if(&mut self, moves: bool) -> Vec<String> {
        if moves {
            std::mem::take(&mut self.record.names)
        } else {
            Vec::new()
        }
    }

    /// Sets the names without adding them to the history.
    pub(crate) fn put_names(&mut self, names: Vec<String>) {
        self.record.names = names;
    }

    /// Notes a copy of the top layer under other ID maps.
    pub(crate) fn add_mapped_layer(&mut self, layer: &LayerId) {
        if !self.mapped_layers.contains(layer) {
            self.mapped_layers.push(layer.clone());
            self.record.mapped_layers.push(layer.to_string());
        }
    }

    /// Removes the note of a copy of the top layer.
    pub(crate) fn remove_mapped_layer(&mut self, layer: &LayerId) {
        self.mapped_layers.retain(|mapped| mapped != layer);
        self.record
            .mapped_layers
            .retain(|mapped| mapped != layer.as_str());
    }
}

common_accessors!(Image, ImageId, ImageRecord);

impl Record for Image {
    const KIND: &'static str = "image";
    const KEYS: &'static [KeySpec] = &[
        KeySpec::computed(BY_TOP_LAYER),
        KeySpec::computed(BY_DIGEST),
    ];
    plain_record!(ImageRecord);

    fn assign_names(&mut self, names: Vec<String>) {
        let new = names.iter().map(String::as_str);
        self.record.add_names_to_history(new);
        self.record.names = names;
    }

    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        match key {
            0 => self
                .top_layer
                .iter()
                .chain(&self.mapped_layers)
                .for_each(|id| found(id.as_str())),
            1 => self
                .digests
                .iter()
                .for_each(|digest| found(digest.digest().as_str())),
            _ => {}
        }
    }
}
