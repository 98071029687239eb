//! Handles on staged layers and containers.

use layerhold_ids::{ContainerId, LayerId};

use crate::contents::import::LayerDigests;

/// A layer of a transaction that is not visible yet.
///
/// It can be used in place of a layer ID: as the parent of another layer, as the top layer of an
/// image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedLayer {
    id: LayerId,
    presence: Presence,
    digests: Option<LayerDigests>,
}

/// Whether a layer is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    New,
    Found,
}

impl StagedLayer {
    pub(super) fn new(id: LayerId, presence: Presence, digests: Option<LayerDigests>) -> Self {
        Self {
            id,
            presence,
            digests,
        }
    }

    /// Returns its ID.
    #[must_use]
    pub fn id(&self) -> &LayerId {
        &self.id
    }

    /// Tells whether the store had the layer already. Then the stream was not read.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.presence == Presence::Found
    }

    /// Returns the digests and sizes of an imported layer; `None` for a layer without contents of
    /// its own.
    #[must_use]
    pub fn digests(&self) -> Option<&LayerDigests> {
        self.digests.as_ref()
    }

    /// Returns the size of its uncompressed tar in bytes, if it was imported.
    #[must_use]
    pub fn diff_size(&self) -> Option<u64> {
        self.digests.as_ref().map(|digests| digests.diff_size)
    }
}

impl From<&StagedLayer> for LayerId {
    fn from(layer: &StagedLayer) -> Self {
        layer.id.clone()
    }
}

impl From<StagedLayer> for LayerId {
    fn from(layer: StagedLayer) -> Self {
        layer.id
    }
}

/// A container of a transaction that is not visible yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedContainer {
    pub(super) id: ContainerId,
    pub(super) layer: LayerId,
}

impl StagedContainer {
    /// Returns its ID.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Returns the ID of the layer it writes to.
    #[must_use]
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }
}
