//! What is known of things that are not visible yet.

use layerhold_ids::{ContainerId, LayerId};

use crate::contents::import::LayerDigests;

/// A layer of a transaction that is not visible yet.
///
/// It serves wherever a layer ID is asked for: as the parent of another layer, as the top layer of
/// an image.
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

    /// Returns the ID it will have.
    #[must_use]
    pub fn id(&self) -> &LayerId {
        &self.id
    }

    /// Tells whether it is a layer that the store had already, so that nothing was read.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.presence == Presence::Found
    }

    /// Returns what importing found out; `None` for a layer without contents of its own.
    #[must_use]
    pub fn digests(&self) -> Option<&LayerDigests> {
        self.digests.as_ref()
    }

    /// Returns the size of its tar in bytes, if it was imported.
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
    /// Returns the ID it will have.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Returns the layer it will write to.
    #[must_use]
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }
}
