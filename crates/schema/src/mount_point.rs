//! `mountpoints.json`.

use layerhold_ids::{IdError, LayerId};

record! {
    /// A mounted layer (Go: layers.go, `layerMountPoint`).
    ///
    /// The file lies below the run root, so that it does not survive a reboot. Layers without a
    /// path or with a count of zero are not in it.
    MountPointRecord ("mount point") {
        /// The ID of the layer, unchecked; see [`Self::layer_id`].
        id: String = "id" always,
        /// Where the layer is mounted.
        path: String = "path" always,
        /// How many users the mount has.
        count: i64 = "count" always,
    }
}

impl MountPointRecord {
    /// Returns the checked ID of the layer.
    ///
    /// # Errors
    ///
    /// Fails if the text is no ID.
    pub fn layer_id(&self) -> Result<LayerId, IdError> {
        self.id.parse()
    }
}
