//! Finds the ID maps under which the files of a layer lie on disk.

use std::sync::Arc;

use layerhold_driver::{Driver, TreeOwners};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;

use crate::catalog::error::AccessError;
use crate::catalog::lookup::all;
use crate::catalog::record_stores::MergedRecords;
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::records::{Container, Layer};

/// The ID maps under which the owners of a layer lie on disk, and the files that they apply to.
#[derive(Debug, Clone, Default)]
pub(crate) struct OnDisk {
    pub(crate) maps: IdMappings,
    pub(crate) applies_to: TreeOwners,
}

impl OnDisk {
    /// Returns how the owners of a layer lie on disk.
    ///
    /// Go records no maps for the layer of a container whose mount shifts owners. Its differences
    /// take what the container wrote for unmapped, so that files of the container's root come out
    /// as those of a user outside (Go: layers.go, `layerMappings`). Here the maps come from the
    /// container's record.
    pub(crate) fn of(
        layer: &Layer,
        containers: &MergedRecords<Container>,
        driver: &dyn Driver,
    ) -> Self {
        let maps = layer.id_maps();
        if maps.is_identity()
            && driver.writes_ids_outside()
            && let Some(container) = mapped_container(containers, layer.id())
        {
            return Self {
                maps: container.id_maps(),
                applies_to: TreeOwners::OfContainer,
            };
        }
        Self {
            maps,
            applies_to: TreeOwners::OnDisk,
        }
    }
}

impl Engine {
    /// Returns how the owners of a layer lie on disk.
    pub(crate) fn owners_on_disk(&self, layer: &Layer) -> Result<OnDisk, AccessError> {
        Ok(OnDisk::of(
            layer,
            &self.catalog.read_containers()?,
            &*self.driver(),
        ))
    }
}

impl Snapshot {
    /// Returns the maps by which a mount of a layer shows owners: those of the layer, or those of
    /// the container that it belongs to.
    #[must_use]
    pub fn shown_id_maps(&self, layer: &Layer) -> IdMappings {
        let maps = layer.id_maps();
        if !maps.is_identity() {
            return maps;
        }
        let container = mapped_container(&self.containers, layer.id());
        container.map_or(maps, |container| container.id_maps())
    }
}

/// Finds the container that writes to a layer, if it has ID maps.
pub(crate) fn mapped_container(
    containers: &MergedRecords<Container>,
    layer: &LayerId,
) -> Option<Arc<Container>> {
    all(containers)
        .find(|container| container.layer() == layer && !container.id_maps().is_identity())
}
