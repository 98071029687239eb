//! What a difference is requested for.

use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::Cancel;

/// Which files of a layer's merged tree have owners on disk under its maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TreeOwners {
    /// All files: their owners were written or rewritten by the maps.
    #[default]
    OnDisk,
    /// Only the files that the layer itself holds: it is the layer of a container whose mount shows
    /// the owners of the parents shifted by these maps
    /// ([`Driver::writes_ids_outside`](crate::Driver::writes_ids_outside)).
    OfContainer,
}

/// The difference between a layer and its parent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DiffRequest<'a> {
    /// The layer.
    pub id: &'a LayerId,
    /// The maps under which the layer's owners are on disk.
    pub id_maps: IdMappings,
    /// What these maps apply to.
    pub owners: TreeOwners,
    /// The layer compared with; `None` compares with nothing.
    pub parent: Option<&'a LayerId>,
    /// The maps under which the parent's owners are on disk.
    pub parent_maps: IdMappings,
    /// What the parent's maps apply to.
    pub parent_owners: TreeOwners,
    /// The SELinux label for mounts; empty for none.
    pub mount_label: &'a str,
    /// Stops the work between two files or buffers.
    pub cancel: Cancel,
}

impl<'a> DiffRequest<'a> {
    /// Asks for all of an unmapped layer.
    #[must_use]
    pub fn new(id: &'a LayerId) -> Self {
        Self {
            id,
            id_maps: IdMappings::default(),
            owners: TreeOwners::OnDisk,
            parent: None,
            parent_maps: IdMappings::default(),
            parent_owners: TreeOwners::OnDisk,
            mount_label: "",
            cancel: Cancel::new(),
        }
    }

    /// Has the work end with an error when `cancel` asks for it
    /// ([`is_cancelled`](layerhold_sys::is_cancelled)).
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
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

    /// Sets what the layer's maps apply to.
    #[must_use]
    pub fn with_owners(mut self, owners: TreeOwners) -> Self {
        self.owners = owners;
        self
    }

    /// Sets what the parent's maps apply to.
    #[must_use]
    pub fn with_parent_owners(mut self, owners: TreeOwners) -> Self {
        self.parent_owners = owners;
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
