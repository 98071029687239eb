//! Rebuilds records of containers.

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_schema::{ContainerRecord, Timestamp};
use serde_json::{Map, Value, json};

use super::items::{ItemData, RecordedItems, read};
use super::layers::{map_entries, time};
use super::partial::PartialRecord;
use super::search::{CannotRebuild, FoundRecord, Search};
use crate::catalog::layout::USER_DATA;
use crate::catalog::record_stores::DURABLE;
use crate::records::Container;

/// The members of a record in their written order (Go: containers.go, `Container`).
const FIELDS: [&str; 12] = [
    "id",
    "names",
    "image",
    "layer",
    "metadata",
    "big-data-names",
    "big-data-sizes",
    "big-data-digests",
    "created",
    "uidmap",
    "gidmap",
    "flags",
];
/// The configuration for the runtime, which podman and CRI-O keep with the container. It names the
/// container's tree.
const RUNTIME_CONFIG: &str = "config.json";
/// No configuration is larger.
const MAX_CONFIG: u64 = 16 << 20;

impl Search<'_, '_> {
    /// Rebuilds a record from the remains of the old one, the big data items and the configuration
    /// for the runtime.
    pub(super) fn container(
        &mut self,
        id: &ContainerId,
    ) -> Result<FoundRecord<Container>, CannotRebuild> {
        self.begin();
        let mut partial = self
            .containers
            .get(id.as_str())
            .cloned()
            .unwrap_or_default();
        let mut base = Map::new();
        drop(base.insert("id".to_owned(), json!(id.as_str())));
        // A record without a layer is invalid; any layer will do to validate the other members.
        drop(base.insert("layer".to_owned(), json!(id.as_str())));
        partial.keep_valid::<Container>(&base);
        partial.set_id(id.as_str());
        let record = ContainerRecord::from_json(&partial.json());
        let mut record = record.map_err(|_| CannotRebuild::Nothing)?;
        let states = |field: &str| partial.states(field, &FIELDS);
        let config = self.runtime_config(id).unwrap_or_default();
        if record.layer.is_empty() {
            let layer = self.layer_of_tree(&config).ok_or(CannotRebuild::OwnLayer)?;
            record.layer = layer.into_string();
        }
        if record.image.is_empty() && !states("layer") {
            match self.image_below(&record.layer) {
                Some(image) => record.image = image.into_string(),
                // Without the image the parent of the layer is unknown too.
                None if !self.inspection.layers.contains_key(record.layer.as_str()) => {
                    return Err(CannotRebuild::Image);
                }
                None => self.unknown("the image it was made of"),
            }
        }
        note_items(
            &mut record,
            &partial,
            &read(
                &self.inspection.engine.catalog.layout.containers,
                id.as_str(),
            ),
        );
        if !states("uidmap") {
            record.uid_map = map_entries(config.pointer("/linux/uidMappings"));
            record.gid_map = map_entries(config.pointer("/linux/gidMappings"));
        }
        if !states("flags") && record.flags.is_empty() {
            let label = |place: &str| config.pointer(place).and_then(Value::as_str).unwrap_or("");
            record.set_labels(label("/linux/mountLabel"), label("/process/selinuxLabel"));
        }
        if record.created.is_zero() && !states("created") {
            record.created = self.container_time(id);
            self.unknown("when it was made (the time of its files is taken)");
        }
        self.unknown_unless(states("names"), "names");
        self.unknown_unless(states("metadata"), "metadata");
        self.unknown_unless(states("flags"), "mount options and other flags");
        let container = Container::new(record).map_err(|_| CannotRebuild::Nothing)?;
        Ok(self.found(container, partial.placement.unwrap_or(DURABLE)))
    }

    fn runtime_config(&self, id: &ContainerId) -> Option<Value> {
        let dir = self
            .inspection
            .engine
            .catalog
            .layout
            .containers
            .open_dir(id.as_str())
            .ok()?;
        let dir = dir.open_dir(USER_DATA).ok()?;
        let text = dir.read_file(RUNTIME_CONFIG, MAX_CONFIG).ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// The layer in whose directory the container's tree lies.
    fn layer_of_tree(&self, config: &Value) -> Option<LayerId> {
        let path = config.pointer("/root/path")?.as_str()?;
        let parts = path
            .split('/')
            .filter_map(|part| part.parse::<LayerId>().ok());
        let is_held = |id: &LayerId| {
            let held = self.inspection.held.as_ref();
            id.is_canonical() && held.is_some_and(|held| held.contains(id))
        };
        let mut layers = parts.filter(is_held);
        let last = layers.next_back()?;
        let is_taken = self.container_of(&last).is_some();
        (!is_taken).then_some(last)
    }

    /// The only image whose top layer is the parent of a layer.
    fn image_below(&self, layer: &str) -> Option<ImageId> {
        let layer = self.inspection.layers.get(layer)?;
        let top = layer.parent()?;
        let mut images =
            self.inspection.images.values().filter(|image| {
                image.top_layer() == Some(top) || image.mapped_layers().contains(top)
            });
        match (images.next(), images.next()) {
            (Some(image), None) => Some(image.id().clone()),
            _ => None,
        }
    }

    fn container_time(&self, id: &ContainerId) -> Timestamp {
        let dir = self
            .inspection
            .engine
            .catalog
            .layout
            .containers
            .open_dir(id.as_str());
        let stat = dir.and_then(|dir| dir.stat_self());
        stat.map_or(Timestamp::ZERO, |stat| time(&stat))
    }
}

/// Adds big data items, their sizes and digests where the record does not state them.
fn note_items(record: &mut ContainerRecord, partial: &PartialRecord, items: &[ItemData]) {
    if !partial.states("big-data-names", &FIELDS) {
        record.big_data_names = items.iter().map(|item| item.key.clone()).collect();
    }
    let known = RecordedItems {
        names: &record.big_data_names,
        sizes: &mut record.big_data_sizes,
        digests: &mut record.big_data_digests,
    };
    known.note(items, |_| true);
}
