//! Rebuilds records of layers.

use layerhold_ids::LayerId;
use layerhold_schema::{IdMapEntry, LayerRecord, Timestamp};
use layerhold_sys::Stat;
use serde_json::{Map, Value, json};

use super::partial::PartialRecord;
use super::replay::Replay;
use super::search::{CannotRebuild, FoundRecord, Search};
use crate::catalog::layout::tar_split_name;
use crate::catalog::record_stores::{DURABLE, IMAGE_STORE, Placement, Records, VOLATILE};
use crate::records::Layer;

/// The members of a record in their written order (Go: layers.go, `Layer`).
const FIELDS: [&str; 18] = [
    "id",
    "names",
    "parent",
    "metadata",
    "mountlabel",
    "created",
    "compressed-diff-digest",
    "compressed-size",
    "diff-digest",
    "toc-digest",
    "diff-size",
    "compression",
    "uidset",
    "gidset",
    "flags",
    "uidmap",
    "gidmap",
    "big-data-names",
];

impl Search<'_, '_> {
    /// Rebuilds a record from the remains of the old one, what the driver keeps, and the tar-split
    /// file.
    pub(super) fn layer(&mut self, id: &LayerId) -> Result<FoundRecord<Layer>, CannotRebuild> {
        self.begin();
        let mut partial = self.layers.get(id.as_str()).cloned().unwrap_or_default();
        let base = Map::from_iter([("id".to_owned(), json!(id.as_str()))]);
        partial.keep_valid::<Layer>(&base);
        partial.set_id(id.as_str());
        let record = LayerRecord::from_json(&partial.json());
        let mut record = record.map_err(|_| CannotRebuild::Nothing)?;
        if record.is_incomplete() {
            return Err(CannotRebuild::Incomplete);
        }
        let replay = self.replay(id);
        if let Some(replay) = &replay {
            self.fill_from_tar_split(&mut record, &partial, replay);
        }
        if record.parent.is_empty() && !partial.states("parent", &FIELDS) {
            let parent = self.parent(id, record.diff_id().ok().flatten().as_ref())?;
            record.parent = parent.map_or(String::new(), LayerId::into_string);
        }
        self.fill_owners(&mut record, &partial, id, replay.as_ref())?;
        self.fill_rest(&mut record, &partial, id);
        let placement = partial
            .placement
            .unwrap_or_else(|| self.layer_placement(id, replay.is_some()));
        let record = Layer::new(record).map_err(|_| CannotRebuild::Nothing)?;
        Ok(self.found(record, placement))
    }

    /// Fills in what the tar-split file states.
    fn fill_from_tar_split(
        &mut self,
        record: &mut LayerRecord,
        partial: &PartialRecord,
        replay: &Replay,
    ) {
        let states = |field: &str| partial.states(field, &FIELDS);
        if !states("diff-digest") {
            match &replay.tar {
                Some((digest, size)) => {
                    record.diff_digest = digest.to_string();
                    record.diff_size = i64::try_from(*size).unwrap_or(-1);
                }
                None if record.diff_digest.is_empty() => self.unknown("the digest of its tar"),
                None => {}
            }
        }
        if !states("uidset") {
            record.uid_set.clone_from(&replay.uids);
        }
        if !states("gidset") {
            record.gid_set.clone_from(&replay.gids);
        }
        self.unknown_unless(
            states("compressed-diff-digest"),
            "how it was compressed when it came",
        );
    }

    /// Fills in ID maps and label from its container, if it has one.
    fn fill_owners(
        &self,
        record: &mut LayerRecord,
        partial: &PartialRecord,
        id: &LayerId,
        replay: Option<&Replay>,
    ) -> Result<(), CannotRebuild> {
        let states_maps = partial.states("uidmap", &FIELDS);
        let Some(container) = self.container_of(id) else {
            return match replay {
                Some(replay) if !states_maps && !replay.has_own_owners => {
                    Err(CannotRebuild::IdMaps)
                }
                _ => Ok(()),
            };
        };
        if !states_maps
            && !self
                .inspection
                .driver
                .supports_shifting(&container.id_maps())
        {
            record.uid_map.clone_from(&container.record().uid_map);
            record.gid_map.clone_from(&container.record().gid_map);
        }
        if !partial.states("mountlabel", &FIELDS) {
            record.mount_label = container.mount_label().to_owned();
        }
        Ok(())
    }

    fn fill_rest(&mut self, record: &mut LayerRecord, partial: &PartialRecord, id: &LayerId) {
        let states = |field: &str| partial.states(field, &FIELDS);
        if record.created.is_zero() && !states("created") {
            record.created = self.layer_time(id);
            self.unknown("when it was made (the time of its files is taken)");
        }
        if !states("big-data-names") {
            let dirs = self.inspection.engine.catalog.layout.layer_dirs();
            let names = dirs.flat_map(|dir| super::items::names(dir, id.as_str()));
            record.big_data_names = names.collect();
        }
        for field in ["names", "metadata", "flags"] {
            self.unknown_unless(states(field), field);
        }
    }

    /// The record file for new layers of its kind.
    fn layer_placement(&self, id: &LayerId, is_imported: bool) -> Placement {
        if let Some(container) = self.container_of(id) {
            let mut own = self.inspection.records.containers.own();
            let found = own.find_map(|(_, part)| part.location_of(container.id().as_str()));
            return match found {
                Some(location) if location == VOLATILE.location => VOLATILE,
                _ => DURABLE,
            };
        }
        if is_imported && self.inspection.engine.catalog.layout.image_store.is_some() {
            return IMAGE_STORE;
        }
        DURABLE
    }

    /// The time of the import: its tar-split file was written then, and never since.
    fn layer_time(&self, id: &LayerId) -> Timestamp {
        let tar_split = {
            let mut dirs = self.inspection.engine.catalog.layout.layer_dirs();
            dirs.find_map(|dir| dir.stat(tar_split_name(id)).ok().flatten())
        };
        let tree = || {
            self.inspection
                .driver
                .diff_dir(id)
                .ok()
                .flatten()?
                .stat_self()
                .ok()
        };
        tar_split
            .or_else(tree)
            .map_or(Timestamp::ZERO, |stat| time(&stat))
    }
}

/// The modification time of a file.
pub(super) fn time(stat: &Stat) -> Timestamp {
    Timestamp::from_unix(stat.mtime.seconds, stat.mtime.nanoseconds).unwrap_or_default()
}

/// Converts a list of ID maps from a configuration for the runtime to that of a record.
pub(super) fn map_entries(list: Option<&Value>) -> Vec<IdMapEntry> {
    let entry = |entry: &Value| {
        Some(IdMapEntry {
            container_id: entry.get("containerID")?.as_i64()?,
            host_id: entry.get("hostID")?.as_i64()?,
            size: entry.get("size")?.as_i64()?,
        })
    };
    let list = list.and_then(Value::as_array);
    list.into_iter().flatten().filter_map(entry).collect()
}
