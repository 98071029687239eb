//! Images.

use layerhold_ids::{Digest, ImageId, LayerId, ManifestDigest};
use layerhold_json_store::{KeySpec, Record};
use layerhold_schema::{Flags, ImageRecord, Timestamp};

use super::common::{common_accessors, plain_record};
use super::invalid::InvalidRecord;

/// Key: the top layer, and layers that stand in for it under other ID maps.
pub(crate) const BY_TOP_LAYER: &str = "top layer";
/// Key: the image's own digest and those of its manifests.
pub(crate) const BY_DIGEST: &str = "digest of image or manifest";

/// An image of a store, as its record says.
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
            // One malformed digest keeps every Go tool from using any image; here it only sets this
            // record aside.
            digests: record.digests().map_err(InvalidRecord::field("digest"))?,
            record,
        })
    }

    /// Returns the names it has or had, newest first.
    #[must_use]
    pub fn names_history(&self) -> &[String] {
        &self.record.names_history
    }

    /// Returns the top layer; an image may have none.
    #[must_use]
    pub fn top_layer(&self) -> Option<&LayerId> {
        self.top_layer.as_ref()
    }

    /// Returns the layers that stand in for the top layer under other ID maps.
    #[must_use]
    pub fn mapped_layers(&self) -> &[LayerId] {
        &self.mapped_layers
    }

    /// Returns the image's own digest, if it has one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.record.digest.parse().ok()
    }

    /// Returns every digest by which it is found: its own first, then those of its manifests.
    #[must_use]
    pub fn digests(&self) -> &[ManifestDigest] {
        &self.digests
    }

    /// Takes the digests of the manifests up into what is derived from the record, and makes the
    /// first the image's own where it has none, as Go does (Go: images.go, `recomputeDigests`).
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

    /// Takes the names out if they are to be put in by a change that moves them.
    pub(crate) fn take_names_if(&mut self, moves: bool) -> Vec<String> {
        if moves {
            std::mem::take(&mut self.record.names)
        } else {
            Vec::new()
        }
    }

    /// Puts the names in. Their history is as it was.
    pub(crate) fn put_names(&mut self, names: Vec<String>) {
        self.record.names = names;
    }

    /// Notes a layer that stands in for the top layer.
    pub(crate) fn add_mapped_layer(&mut self, layer: &LayerId) {
        if !self.mapped_layers.contains(layer) {
            self.mapped_layers.push(layer.clone());
            self.record.mapped_layers.push(layer.to_string());
        }
    }

    /// Forgets a layer that stood in for the top layer.
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
        for name in &names {
            self.record.add_name_to_history(name);
        }
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
