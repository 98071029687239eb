//! Options of a mount.

use layerhold_idmap::IdMappings;

use crate::error::LayerError;

/// Options of a mount.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MountOptions {
    /// The SELinux label; empty for none.
    pub label: String,
    /// The maps of the container the mount is for; `None` shows owners as they are on disk.
    pub id_maps: Option<IdMappings>,
    /// Mount options such as `ro` or `nodev`, in order. They override the driver's configured ones.
    pub options: Vec<String>,
    /// Whether a crash may lose unsynced contents.
    pub durability: MountDurability,
    /// Whether the driver may show owners shifted.
    pub shifting: Shifting,
    /// Whose IDs own the files of the layer itself where owners are shown shifted.
    pub own_files: OwnFiles,
}

/// Whose IDs own the files that a layer itself holds, where a mount shows owners shifted. The
/// owners of the parents' files are always IDs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnFiles {
    /// IDs inside of the container, like those of an image: they are shifted too.
    #[default]
    Inside,
    /// IDs outside: the container wrote them, through a mount with shifted owners
    /// ([`Driver::writes_ids_outside`](crate::Driver::writes_ids_outside)). A writable mount always
    /// writes IDs outside.
    Outside,
}

/// Whether what is written to a mount has to survive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountDurability {
    /// It does.
    #[default]
    Durable,
    /// It does not: sync calls below the mount may be skipped (overlay `volatile`).
    Volatile,
}

/// Whether a mount may shift owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shifting {
    /// The driver shifts where it can.
    #[default]
    Allowed,
    /// Owners are shown as they are on disk.
    Disabled,
}

impl MountOptions {
    /// Mounts for reading and writing, unlabelled and unmapped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts for reading only.
    #[must_use]
    pub fn read_only() -> Self {
        Self {
            options: vec!["ro".to_owned()],
            ..Self::default()
        }
    }

    /// Sets the SELinux label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the maps.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = Some(maps);
        self
    }

    /// Adds one mount option.
    #[must_use]
    pub fn with_option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Sets the durability.
    #[must_use]
    pub fn with_durability(mut self, durability: MountDurability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets whether owners may be shifted.
    #[must_use]
    pub fn with_shifting(mut self, shifting: Shifting) -> Self {
        self.shifting = shifting;
        self
    }

    /// Sets whose IDs own the layer's own files.
    #[must_use]
    pub fn with_own_files(mut self, own_files: OwnFiles) -> Self {
        self.own_files = own_files;
        self
    }

    /// Refuses all mount options except `ro`, for a driver that mounts nothing.
    ///
    /// # Errors
    ///
    /// [`LayerError::MountOptions`] for the first other one.
    pub fn refuse_options(&self, driver: &'static str) -> Result<(), LayerError> {
        match self.options.iter().find(|option| *option != "ro") {
            Some(option) => Err(LayerError::MountOptions {
                driver,
                option: option.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Tells whether the options ask for a read-only mount.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }
}
