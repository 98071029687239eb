//! Records of layers.

use layerhold_ids::LayerId;
use layerhold_schema::{IdMapEntry, LayerRecord, Timestamp};
use layerhold_sys::Stat;
use serde_json::{Map, Value, json};

use super::search::{BeyondHelp, Found, Search};
use crate::layout::tar_split_name;
use crate::records::Layer;
use crate::shelves::{DURABLE, IMAGE_STORE, Parts, Spot, VOLATILE};

/// The members of a record in the order in which they are written (Go: layers.go, `Layer`).
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
    /// Makes a record of what is left of the old one, of what the driver has, and of the tar-split file.
    pub(super) fn layer(&mut self, id: &LayerId) -> Result<Found<Layer>, BeyondHelp> {
        self.begin();
        let mut scrap = self.layers.get(id.as_str()).cloned().unwrap_or_default();
        let mut base = Map::new();
        drop(base.insert("id".to_owned(), json!(id.as_str())));
        scrap.keep_valid::<Layer>(&base);
        drop(
            scrap
                .members_mut()
                .insert("id".to_owned(), json!(id.as_str())),
        );
        let record = LayerRecord::from_json(&scrap.json());
        let mut record = record.map_err(|_| BeyondHelp::Nothing)?;
        if record.is_incomplete() {
            return Err(BeyondHelp::Incomplete);
        }
        let tells = |field: &str| scrap.tells(field, &FIELDS);
        let replay = self.replay(id);
        let container = self.container_of(id);
        if !tells("diff-digest")
            && let Some((digest, size)) = replay.as_ref().and_then(|replay| replay.tar.clone())
        {
            record.diff_digest = digest.to_string();
            record.diff_size = i64::try_from(size).unwrap_or(-1);
        }
        if !tells("diff-digest") && record.diff_digest.is_empty() && replay.is_some() {
            self.unknown("the digest of its tar");
        }
        if record.parent.is_empty() && !tells("parent") {
            let parent = self.parent(id, record.diff_id().ok().flatten().as_ref())?;
            record.parent = parent.map_or(String::new(), LayerId::into_string);
        }
        if let Some(replay) = &replay {
            if !tells("uidset") {
                record.uid_set.clone_from(&replay.uids);
            }
            if !tells("gidset") {
                record.gid_set.clone_from(&replay.gids);
            }
            if !tells("compressed-diff-digest") {
                self.unknown("how it was compressed when it came");
            }
        }
        if !tells("uidmap") {
            match (&container, &replay) {
                (Some(container), _) => {
                    let maps = container.id_maps();
                    if !self.look.driver.supports_shifting(&maps) {
                        (record.uid_map, record.gid_map) = (
                            container.record().uid_map.clone(),
                            container.record().gid_map.clone(),
                        );
                    }
                }
                (None, Some(replay)) if !replay.has_own_owners => {
                    return Err(BeyondHelp::IdMaps);
                }
                _ => (record.uid_map, record.gid_map) = (Vec::<IdMapEntry>::new(), Vec::new()),
            }
        }
        if let Some(container) = container.as_ref().filter(|_| !tells("mountlabel")) {
            record.mount_label = container.mount_label().to_owned();
        }
        if record.created.is_zero() && !tells("created") {
            record.created = self.layer_time(id);
            self.unknown("when it was made (the time of its files is taken)");
        }
        if !tells("big-data-names") {
            let dirs = self.look.inner.layout.layer_dirs();
            record.big_data_names = dirs
                .flat_map(|dir| super::items::names(dir, id.as_str()))
                .collect();
        }
        self.unknown_unless(tells("names"), "names");
        self.unknown_unless(tells("metadata"), "metadata");
        self.unknown_unless(tells("flags"), "flags");
        let spot = scrap
            .spot
            .unwrap_or_else(|| self.layer_spot(id, replay.is_some()));
        let record = Layer::new(record).map_err(|_| BeyondHelp::Nothing)?;
        Ok(self.found(record, spot))
    }

    /// Where new records of its kind go.
    fn layer_spot(&self, id: &LayerId, is_imported: bool) -> Spot {
        if let Some(container) = self.container_of(id) {
            let mut own = self.look.records.containers.own();
            let found = own.find_map(|(_, part)| part.location_of(container.id().as_str()));
            return match found {
                Some(location) if location == VOLATILE.location => VOLATILE,
                _ => DURABLE,
            };
        }
        if is_imported && self.look.inner.layout.split.is_some() {
            return IMAGE_STORE;
        }
        DURABLE
    }

    /// When the layer came in: its tar-split file was written then, and never since.
    fn layer_time(&self, id: &LayerId) -> Timestamp {
        let tar_split = {
            let mut dirs = self.look.inner.layout.layer_dirs();
            dirs.find_map(|dir| dir.stat(tar_split_name(id)).ok().flatten())
        };
        let tree = || {
            self.look
                .driver
                .own_tree(id)
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

/// When a file was written.
pub(super) fn time(stat: &Stat) -> Timestamp {
    Timestamp::from_unix(stat.mtime.seconds, stat.mtime.nanoseconds).unwrap_or_default()
}

/// The entries of a list of maps as a configuration for the runtime has them, and as records have.
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
