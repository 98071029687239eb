//! Containers.

use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_json_store::{KeySpec, Record};
use layerhold_schema::{ContainerRecord, Flags, Timestamp};

use super::common::{common_accessors, plain_record};
use super::invalid::InvalidRecord;

/// Index: the container's own layer.
pub(crate) const BY_LAYER: &str = "layer";
/// Index: the image it was created from.
pub(crate) const BY_IMAGE: &str = "image";

/// A container, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    id: ContainerId,
    image: Option<ImageId>,
    layer: LayerId,
    record: ContainerRecord,
}

impl Container {
    pub(crate) fn new(record: ContainerRecord) -> Result<Self, InvalidRecord> {
        Ok(Self {
            id: record.container_id().map_err(InvalidRecord::field("id"))?,
            image: record.image_id().map_err(InvalidRecord::field("image"))?,
            layer: record.layer_id().map_err(InvalidRecord::field("layer"))?,
            record,
        })
    }

    /// Returns the image it was created from, if any.
    #[must_use]
    pub fn image(&self) -> Option<&ImageId> {
        self.image.as_ref()
    }

    /// Returns the layer it writes to.
    #[must_use]
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }

    /// Returns its ID maps. Invalid ranges count as none.
    #[must_use]
    pub fn id_maps(&self) -> IdMappings {
        self.record.id_mappings().unwrap_or_default()
    }

    /// Returns the SELinux label of its mounts; empty for none.
    #[must_use]
    pub fn mount_label(&self) -> &str {
        self.record.mount_label()
    }

    /// Returns the SELinux label of its processes; empty for none.
    #[must_use]
    pub fn process_label(&self) -> &str {
        self.record.process_label()
    }

    /// Returns the mount options of its layer.
    #[must_use]
    pub fn mount_options(&self) -> Vec<String> {
        self.record.mount_options().map(str::to_owned).collect()
    }

    /// Tells whether it may be lost at a reboot.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.record.is_volatile()
    }
}

common_accessors!(Container, ContainerId, ContainerRecord);

impl Record for Container {
    const KIND: &'static str = "container";
    const KEYS: &'static [KeySpec] = &[
        KeySpec::field(BY_LAYER).resolved(),
        KeySpec::field(BY_IMAGE),
    ];
    plain_record!(ContainerRecord);

    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        let value = match key {
            0 => &self.record.layer,
            1 => &self.record.image,
            _ => return,
        };
        if !value.is_empty() {
            found(value);
        }
    }
}
