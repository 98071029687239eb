//! How a layer is to be mounted.

use layerhold_idmap::IdMappings;

/// How a layer is to be mounted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MountOptions {
    /// The SELinux label; empty for none.
    pub label: String,
    /// The maps of the container the mount is for; `None` shows owners as they are on disk.
    pub id_maps: Option<IdMappings>,
    /// Mount options such as `ro` or `nodev`, in order. They override the driver's configured ones.
    pub options: Vec<String>,
    /// Whether unsynced contents may be lost in a crash.
    pub durability: MountDurability,
    /// Whether the driver may show owners shifted.
    pub shifting: Shifting,
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

    /// Tells whether the options ask for a read-only mount.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }
}
