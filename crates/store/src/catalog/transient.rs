//! The records of the other kind of opening: transient or durable.
//!
//! A transient opening keeps volatile records below the run root, a durable one in the graph root.
//! Neither sees the other's record files, but the contents and directories of both are in the graph
//! root. Deleting orphans, deciding whether an item is in use and choosing unused IDs must
//! therefore take both into account. Go does not (layers.go, containers.go, `GarbageCollect`;
//! store.go, `DeleteImage`).

use std::collections::BTreeSet;
use std::path::Path;

use layerhold_ids::{ContainerId, LayerId};
use layerhold_schema::{ContainerRecord, JsonRecord, LayerRecord, read_array};
use layerhold_sys::{Dir, MetadataIo};

use crate::catalog::error::AccessError;
use crate::catalog::layout::Layout;

/// The longest file that is read.
const MAX_RECORDS: u64 = 1 << 30;

/// Whether the containers of a store survive a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Persistence {
    /// They survive, unless they are created as volatile.
    #[default]
    Durable,
    /// None survives: the store is transient. Their records and lock are below the run root, and
    /// nothing about them is synced. Images and their layers survive.
    Transient,
}

/// The records of the other kind of opening.
#[derive(Debug, Default)]
pub(crate) struct OtherRecords {
    pub(crate) layers: Vec<LayerRecord>,
    pub(crate) containers: Vec<ContainerRecord>,
}

impl OtherRecords {
    /// Lists the IDs of recorded layers, and of layers that a record refers to.
    pub(crate) fn layer_ids(&self) -> BTreeSet<&str> {
        let of_layers = self.layers.iter();
        let of_layers = of_layers.flat_map(|layer| [layer.id.as_str(), layer.parent.as_str()]);
        let of_containers = self.containers.iter().map(|one| one.layer.as_str());
        of_layers.chain(of_containers).collect()
    }

    /// Finds a container of an image.
    pub(crate) fn container_of_image(&self, image: &str) -> Option<ContainerId> {
        let mut containers = self.containers.iter();
        let container = containers.find(|one| one.image == image)?;
        container.container_id().ok()
    }

    /// Finds a child of a layer.
    pub(crate) fn child_of_layer(&self, layer: &str) -> Option<LayerId> {
        let mut layers = self.layers.iter();
        let child = layers.find(|one| one.parent == layer)?;
        child.layer_id().ok()
    }

    /// Lists the IDs of containers.
    pub(crate) fn container_ids(&self) -> BTreeSet<&str> {
        self.containers.iter().map(|one| one.id.as_str()).collect()
    }
}

impl OtherRecords {
    /// Reads them without their locks: record files are replaced atomically.
    pub(super) fn read(
        io: &dyn MetadataIo,
        layout: &Layout,
        own: Persistence,
    ) -> Result<Self, AccessError> {
        let (layers, containers): (&Path, &Path) = match own {
            Persistence::Transient => (layout.layers.path(), layout.containers.path()),
            Persistence::Durable => (&layout.run_layers, &layout.run_containers),
        };
        Ok(Self {
            layers: records(io, layers, "volatile-layers.json")?,
            containers: records(io, containers, "volatile-containers.json")?,
        })
    }
}

fn records<R: JsonRecord>(
    io: &dyn MetadataIo,
    dir: &Path,
    file: &str,
) -> Result<Vec<R>, AccessError> {
    let opened = match Dir::open_ambient(dir) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        other => other?,
    };
    let bytes = io.read(&opened, file.as_ref(), MAX_RECORDS)?;
    read_array(&bytes.unwrap_or_default()).map_err(|source| AccessError::OtherRecords {
        path: dir.join(file),
        source: Box::new(source),
    })
}
