//! Containers.

use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_json_store::{KeySpec, Record};
use layerhold_schema::{ContainerRecord, Flags, Timestamp};

use super::InvalidRecord;

/// Key: the container's own layer.
pub(crate) const BY_LAYER: &str = "layer";
/// Key: the image it was made of.
pub(crate) const BY_IMAGE: &str = "image";

/// A container of a store, as its record says.
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

    /// Returns the ID.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Returns the names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.record.names
    }

    /// Returns the image it was made of, if any.
    #[must_use]
    pub fn image(&self) -> Option<&ImageId> {
        self.image.as_ref()
    }

    /// Returns its own layer, to which it writes.
    #[must_use]
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }

    /// Returns the caller's free text.
    #[must_use]
    pub fn metadata(&self) -> &str {
        &self.record.metadata
    }

    /// Returns the names of its data items.
    #[must_use]
    pub fn big_data_names(&self) -> &[String] {
        &self.record.big_data_names
    }

    /// Returns when it was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.record.created
    }

    /// Returns the maps of its owners. Ranges that make no sense count as none.
    #[must_use]
    pub fn id_maps(&self) -> IdMappings {
        self.record.id_mappings().unwrap_or_default()
    }

    /// Returns the flags.
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.record.flags
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

    /// Returns the options for every mount of its layer.
    #[must_use]
    pub fn mount_options(&self) -> Vec<String> {
        self.record.mount_options().map(str::to_owned).collect()
    }

    /// Tells whether it may be lost at a reboot.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.record.is_volatile()
    }

    /// Returns the whole record.
    #[must_use]
    pub fn record(&self) -> &ContainerRecord {
        &self.record
    }

    pub(crate) fn record_mut(&mut self) -> &mut ContainerRecord {
        &mut self.record
    }
}

impl From<&Container> for ContainerId {
    fn from(container: &Container) -> Self {
        container.id.clone()
    }
}

impl Record for Container {
    const KIND: &'static str = "container";
    const KEYS: &'static [KeySpec] = &[
        KeySpec::field(BY_LAYER).resolved(),
        KeySpec::field(BY_IMAGE),
    ];
    type Error = InvalidRecord;

    fn parse(json: &[u8]) -> Result<Self, InvalidRecord> {
        Self::new(ContainerRecord::from_json(json)?)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.record.write_json(out);
    }

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn names(&self) -> &[String] {
        &self.record.names
    }

    fn set_names(&mut self, names: Vec<String>) {
        self.record.names = names;
    }

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
