//! Rebuilds records of images.

use layerhold_ids::{DiffId, Digest, ImageId, LayerId};
use layerhold_schema::{ImageRecord, Timestamp};
use layerhold_sys::Dir;
use serde_json::{Map, Value, json};

use super::items::{ItemData, RecordedItems, read};
use super::layers::time;
use super::search::{CannotRebuild, FoundRecord, Search};
use crate::catalog::record_stores::{DURABLE, Placement};
use crate::records::Image;
use crate::records::big_data_item::{MANIFEST, digest_of};

/// The members of a record in their written order (Go: images.go, `Image`).
const FIELDS: [&str; 12] = [
    "id",
    "digest",
    "names",
    "names-history",
    "layer",
    "mapped-layers",
    "metadata",
    "big-data-names",
    "big-data-sizes",
    "big-data-digests",
    "created",
    "flags",
];
/// Big data items whose names begin like this are other manifests.
const MANIFESTS: &str = "manifest-";

impl Search<'_, '_> {
    /// Rebuilds a record from the remains of the old one, and the big data items in the directory
    /// of the image.
    pub(super) fn image(&mut self, id: &ImageId) -> Result<FoundRecord<Image>, CannotRebuild> {
        self.begin();
        let mut partial = self.images.get(id.as_str()).cloned().unwrap_or_default();
        drop_invalid_digests(partial.members_mut());
        let base = Map::from_iter([("id".to_owned(), json!(id.as_str()))]);
        partial.keep_valid::<Image>(&base);
        partial.set_id(id.as_str());
        let record = ImageRecord::from_json(&partial.json());
        let mut record = record.map_err(|_| CannotRebuild::Nothing)?;
        let states = |field: &str| partial.states(field, &FIELDS);
        let (store, items) = self.items_of(id);
        let config = config_of(id, &items);
        if !states("layer") {
            record.layer = match self.top_layer(id, config.as_ref()) {
                Some(top) => top.map_or(String::new(), LayerId::into_string),
                None => return Err(CannotRebuild::TopLayer),
            };
        }
        if !states("big-data-names") {
            record.big_data_names = items.iter().map(|item| item.key.clone()).collect();
        }
        note_items(&mut record, &items);
        if record.created.is_zero() && !states("created") {
            record.created = match config.as_ref().and_then(created) {
                Some(created) => created,
                None => {
                    self.unknown("when it was made (the time of its files is taken)");
                    self.image_time(id)
                }
            };
        }
        self.unknown_unless(states("names"), "names");
        self.unknown_unless(states("names-history"), "the history of its names");
        self.unknown_unless(states("metadata"), "metadata");
        self.unknown_unless(states("flags"), "flags");
        let placement = partial.placement.unwrap_or(Placement { store, ..DURABLE });
        let image = Image::new(record).map_err(|_| CannotRebuild::Nothing)?;
        Ok(self.found(image, placement))
    }

    /// The big data items of an image, and the store with its directory.
    fn items_of(&self, id: &ImageId) -> (usize, Vec<ItemData>) {
        let dirs = self
            .inspection
            .engine
            .catalog
            .layout
            .image_dirs()
            .enumerate();
        let found = dirs.map(|(place, dir)| (place, read(dir, id.as_str())));
        let mut found = found.filter(|(_, items)| !items.is_empty());
        found.next().unwrap_or_default()
    }

    fn image_time(&self, id: &ImageId) -> Timestamp {
        let mut dirs = self.inspection.engine.catalog.layout.image_dirs();
        let stat = |dir: &Dir| dir.open_dir(id.as_str()).ok()?.stat_self().ok();
        dirs.find_map(stat)
            .map_or(Timestamp::ZERO, |stat| time(&stat))
    }

    /// The top layer: by the digests in the configuration, else by a container of the image. `None`
    /// when it is unknown, `Some(None)` for an image without layers.
    fn top_layer(&self, id: &ImageId, config: Option<&Value>) -> Option<Option<LayerId>> {
        let listed = config.and_then(|config| config.pointer("/rootfs/diff_ids")?.as_array());
        if let Some(listed) = listed {
            let diffs = listed.iter().map(|diff| diff.as_str()?.parse().ok());
            let diffs: Vec<DiffId> = diffs.collect::<Option<_>>()?;
            if diffs.is_empty() {
                return Some(None);
            }
            if let Some(top) = self.top_of(&diffs) {
                return Some(Some(top));
            }
        }
        let mut containers = self.inspection.containers.values();
        let container = containers.find(|container| container.image() == Some(id))?;
        let layer = self.inspection.layers.get(container.layer())?;
        // With ID maps its parent may be a mapped layer.
        let is_plain = layer.record().uid_map.is_empty() && layer.record().gid_map.is_empty();
        is_plain.then(|| layer.parent().cloned())
    }

    /// The top of a chain of layers with these digests. Copies for other ID maps come last.
    fn top_of(&self, diffs: &[DiffId]) -> Option<LayerId> {
        let mut tops: Vec<Option<&LayerId>> = vec![None];
        for diff in diffs {
            let on_top = |parent: Option<&LayerId>| {
                let layers = self.inspection.layers.values();
                let fitting = layers.filter(move |layer| {
                    layer.parent() == parent && layer.diff_id().as_ref() == Some(diff)
                });
                fitting.map(|layer| layer.id()).collect::<Vec<_>>()
            };
            tops = tops.into_iter().flat_map(on_top).map(Some).collect();
        }
        let mut tops: Vec<&LayerId> = tops.into_iter().flatten().collect();
        tops.sort_by_key(|id| {
            let layer = self.inspection.layers.get(*id);
            layer.is_some_and(|layer| !layer.record().uid_map.is_empty())
        });
        tops.first().map(|id| (*id).clone())
    }
}

/// The configuration of an image: the item whose digest is the ID, else one that lists layers.
fn config_of(id: &ImageId, items: &[ItemData]) -> Option<Value> {
    let parsed = |item: &ItemData| {
        let value: Value = serde_json::from_slice(&item.content).ok()?;
        value.pointer("/rootfs/diff_ids").is_some().then_some(value)
    };
    let named = items.iter().find(|item| {
        item.digest
            .as_ref()
            .is_some_and(|digest| digest.hex() == id.as_str())
    });
    named
        .and_then(parsed)
        .or_else(|| items.iter().find_map(parsed))
}

fn created(config: &Value) -> Option<Timestamp> {
    let created: Timestamp = config.get("created")?.as_str()?.parse().ok()?;
    (!created.is_zero()).then_some(created)
}

/// Removes invalid digests; they are computed again from the items.
fn drop_invalid_digests(members: &mut Map<String, Value>) {
    let is_digest = |value: &Value| {
        let parsed = value.as_str().map(str::parse::<Digest>);
        parsed.is_some_and(|parsed| parsed.is_ok())
    };
    if let Some(Value::Object(digests)) = members.get_mut("big-data-digests") {
        digests.retain(|_, digest| is_digest(digest));
    }
    if members
        .get("digest")
        .is_some_and(|digest| !is_digest(digest))
    {
        drop(members.remove("digest"));
    }
}

/// Adds sizes and digests of items where the record has none.
fn note_items(record: &mut ImageRecord, items: &[ItemData]) {
    let known = RecordedItems {
        names: &record.big_data_names,
        sizes: &mut record.big_data_sizes,
        digests: &mut record.big_data_digests,
    };
    known.note(items, |item| !is_signed(&item.key, &item.content));
    if record.digest.is_empty()
        && let Some(digest) = record.big_data_digests.get(MANIFEST)
    {
        record.digest.clone_from(digest);
    }
}

/// Tells whether an item is a schema 1 manifest under a name without its digest. The digest of
/// these leaves out the signatures, and is known only from the name of a second copy.
fn is_signed(key: &str, content: &[u8]) -> bool {
    if key != MANIFEST && !key.starts_with(MANIFESTS) {
        return false;
    }
    let parsed: Result<Value, _> = serde_json::from_slice(content);
    let is_old = parsed.is_ok_and(|manifest| manifest.get("schemaVersion") == Some(&1.into()));
    is_old && key.strip_prefix(MANIFESTS) != Some(digest_of(content).as_str())
}
