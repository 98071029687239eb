//! Records of `mountpoints.json`.

use layerhold_ids::{IdError, LayerId};

use crate::record::record;

record! {
    /// A mounted layer (Go: layers.go, `layerMountPoint`).
    ///
    /// The file is in the run root, so it does not survive a reboot. Layers without a path or with
    /// a count of zero are left out.
    MountPointRecord ("mount point") {
        /// The ID of the layer, unchecked; see [`Self::layer_id`].
        id: String = "id" always,
        /// The mount point.
        path: String = "path" always,
        /// How often the layer is mounted.
        count: i64 = "count" always,
    }
}

impl MountPointRecord {
    /// Returns the checked ID of the layer.
    ///
    /// # Errors
    ///
    /// Fails if the text is not an ID.
    pub fn layer_id(&self) -> Result<LayerId, IdError> {
        self.id.parse()
    }
}
