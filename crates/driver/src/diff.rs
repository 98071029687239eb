//! Which difference is asked for.

use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;

/// The difference between a layer and its parent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DiffRequest<'a> {
    /// The layer.
    pub id: &'a LayerId,
    /// The maps under which the layer's owners are on disk.
    pub id_maps: IdMappings,
    /// The layer compared with; `None` compares with nothing.
    pub parent: Option<&'a LayerId>,
    /// The maps under which the parent's owners are on disk.
    pub parent_maps: IdMappings,
    /// The SELinux label for mounts; empty for none.
    pub mount_label: &'a str,
}

impl<'a> DiffRequest<'a> {
    /// Asks for all of an unmapped layer.
    #[must_use]
    pub fn new(id: &'a LayerId) -> Self {
        Self {
            id,
            id_maps: IdMappings::default(),
            parent: None,
            parent_maps: IdMappings::default(),
            mount_label: "",
        }
    }

    /// Sets the parent.
    #[must_use]
    pub fn with_parent(mut self, parent: &'a LayerId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Sets the layer's maps.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }

    /// Sets the parent's maps.
    #[must_use]
    pub fn with_parent_maps(mut self, maps: IdMappings) -> Self {
        self.parent_maps = maps;
        self
    }

    /// Sets the SELinux label.
    #[must_use]
    pub fn with_mount_label(mut self, label: &'a str) -> Self {
        self.mount_label = label;
        self
    }
}
