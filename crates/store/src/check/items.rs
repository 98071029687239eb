//! Checks images, containers and big data items.

use std::collections::BTreeMap;
use std::io::Read;

use layerhold_ids::{Digest, ImageId, LayerId};
use layerhold_sys::{Dir, stat_file};

use super::damage::Damage;
use super::inspection::Inspection;
use super::report::Finding;
use super::verdict::{Remedy, Verdict};
use crate::catalog::big_data::DataError;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::records::big_data_item::{MANIFEST, digest_of};
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::{Container, Image, Layer};

/// Items up to this size are read and compared with their digest.
const MAX_DIGESTED: u64 = 64 << 20;

/// Checks the images and containers that `wanted` accepts.
pub(super) fn check(inspection: &Inspection<'_>, wanted: &dyn Fn(&ItemId) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for image in inspection.images.values() {
        if wanted(&ItemId::Image(image.id().clone())) {
            image_references(inspection, image, &mut found);
            let record = image.record();
            let items = DataItems {
                records: &inspection.records.images,
                id: ItemId::Image(image.id().clone()),
                names: &record.big_data_names,
                sizes: &record.big_data_sizes,
                digests: &record.big_data_digests,
            };
            items.check(inspection, &mut found);
        }
    }
    for container in inspection.containers.values() {
        if wanted(&ItemId::Container(container.id().clone())) {
            container_references(inspection, container, &mut found);
            let record = container.record();
            let items = DataItems {
                records: &inspection.records.containers,
                id: ItemId::Container(container.id().clone()),
                names: &record.big_data_names,
                sizes: &record.big_data_sizes,
                digests: &record.big_data_digests,
            };
            items.check(inspection, &mut found);
        }
    }
    found
}

/// Checks the references of images and containers.
pub(super) fn references(inspection: &Inspection<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for image in inspection.images.values() {
        image_references(inspection, image, &mut found);
    }
    for container in inspection.containers.values() {
        container_references(inspection, container, &mut found);
    }
    found
}

/// Checks the big data items of a layer. No sizes or digests are recorded for them.
pub(super) fn layer(inspection: &Inspection<'_>, layer: &Layer, found: &mut Vec<Finding>) {
    let items = DataItems {
        records: &inspection.records.layers,
        id: ItemId::Layer(layer.id().clone()),
        names: layer.big_data_names(),
        sizes: &BTreeMap::new(),
        digests: &BTreeMap::new(),
    };
    items.check(inspection, found);
}

fn image_references(inspection: &Inspection<'_>, image: &Image, found: &mut Vec<Finding>) {
    let id = || ItemId::Image(image.id().clone());
    let verdict = inspection.verdict_without_layer(image);
    if let Some(layer) = image
        .top_layer()
        .and_then(|top| first_missing(inspection, top))
    {
        found.push(inspection.finding(id(), Damage::LayerMissing { layer }, verdict));
    }
    if let Some(layer) = image
        .top_layer()
        .and_then(|top| first_unusable(inspection, top))
    {
        let damage = Damage::LayerDamaged { layer };
        found.push(inspection.finding(id(), damage, Verdict::Damaged(Remedy::Nothing)));
    }
    if let Some(damage) = image
        .top_layer()
        .and_then(|top| too_deep(inspection, top, 0))
    {
        found.push(inspection.finding(id(), damage, Verdict::Note));
    }
    for copy in image.mapped_layers() {
        if !inspection.is_recorded(copy) {
            let layer = copy.clone();
            let damage = Damage::CopyMissing { layer };
            found.push(inspection.finding(id(), damage, verdict.repairable()));
        }
    }
}

/// Tells whether a container has more parents than can be mounted. `own` is the number of layers at
/// the top that are its own.
fn too_deep(inspection: &Inspection<'_>, top: &LayerId, own: usize) -> Option<Damage> {
    let limit = inspection.driver.capabilities().max_depth?;
    let layers = inspection.chain(top).len().saturating_sub(own);
    (layers > limit).then_some(Damage::TooDeep { layers, limit })
}

/// The first layer of a chain that has no record.
fn first_missing(inspection: &Inspection<'_>, top: &LayerId) -> Option<LayerId> {
    if !inspection.is_recorded(top) {
        return Some(top.clone());
    }
    let lowest = inspection.chain(top).last()?.parent()?.clone();
    (!inspection.is_recorded(&lowest)).then_some(lowest)
}

/// The first layer of a chain whose record exists but is not usable.
fn first_unusable(inspection: &Inspection<'_>, top: &LayerId) -> Option<LayerId> {
    let chain = inspection.chain(top);
    let next = match chain.last() {
        Some(lowest) => lowest.parent()?,
        None => top,
    };
    (inspection.is_recorded(next) && !inspection.layers.contains_key(next)).then(|| next.clone())
}

fn container_references(
    inspection: &Inspection<'_>,
    container: &Container,
    found: &mut Vec<Finding>,
) {
    let id = || ItemId::Container(container.id().clone());
    let is_known = |image: &ImageId| inspection.has_image(image);
    if let Some(image) = container.image().filter(|image| !is_known(image)) {
        let verdict = inspection.verdict_without_image(container);
        let image = image.clone();
        found.push(inspection.finding(id(), Damage::ImageMissing { image }, verdict));
    }
    if let Some(damage) = too_deep(inspection, container.layer(), 1) {
        found.push(inspection.finding(id(), damage, Verdict::Note));
    }
    if let Some(layer) = first_missing(inspection, container.layer()) {
        let verdict = match inspection.chain(container.layer()).last() {
            Some(lowest) => inspection.verdict_without_parent(lowest),
            None => inspection.damaged_unless_lost(&[ItemKind::Layer]),
        };
        found.push(inspection.finding(id(), Damage::LayerMissing { layer }, verdict));
    }
}

/// The big data items of one record.
struct DataItems<'a, R: ItemRecord> {
    records: &'a MergedRecords<R>,
    id: ItemId,
    names: &'a [String],
    sizes: &'a BTreeMap<String, i64>,
    digests: &'a BTreeMap<String, String>,
}

impl<R: ItemRecord> DataItems<'_, R> {
    fn check(&self, inspection: &Inspection<'_>, found: &mut Vec<Finding>) {
        for key in self.names {
            let (damage, verdict) = match self.damage_of(key) {
                Ok(None) => continue,
                Ok(Some(damage)) => (damage, self.verdict(inspection)),
                Err(source) => {
                    let verdict = Verdict::of_error(&source);
                    let (key, source) = (key.clone(), Box::new(source));
                    (Damage::ItemUnreadable { key, source }, verdict)
                }
            };
            // An item with the same digest may have another name, as manifests do.
            let verdict = match self.item_with_same_content(key) {
                Some(_) => verdict.repairable(),
                None => verdict,
            };
            found.push(inspection.finding(self.id.clone(), damage, verdict));
        }
    }

    /// The verdict on a damaged item. If the directory of a layer is missing, its items may be in a
    /// store that this one does not name.
    fn verdict(&self, inspection: &Inspection<'_>) -> Verdict {
        let is_here = |dir: &Dir| !matches!(dir.exists(self.id.as_str()), Ok(false));
        match &self.id {
            ItemId::Layer(_) if !inspection.engine.catalog.layout.layer_dirs().any(is_here) => {
                Verdict::Unjudged
            }
            _ => Verdict::Damaged(Remedy::Remove),
        }
    }

    fn damage_of(&self, key: &str) -> Result<Option<Damage>, DataError> {
        let Some(mut file) = self.open(key)? else {
            return Ok(Some(Damage::ItemMissing {
                key: key.to_owned(),
            }));
        };
        let actual = stat_file(&file)?.size;
        if let Some(expected) = self.sizes.get(key).copied()
            && u64::try_from(expected) != Ok(actual)
        {
            let key = key.to_owned();
            return Ok(Some(Damage::ItemSize {
                key,
                expected,
                actual,
            }));
        }
        let Some(expected) = self.digests.get(key).filter(|_| actual <= MAX_DIGESTED) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(|cause| layerhold_sys::PathError::new("read", key, cause))?;
        Ok(
            (!has_digest(key, &bytes, expected)).then(|| Damage::ItemDigest {
                key: key.to_owned(),
                expected: expected.clone(),
            }),
        )
    }

    fn open(&self, key: &str) -> Result<Option<std::fs::File>, DataError> {
        let Some(store) = self.records.store_of(self.id.as_str()) else {
            return Ok(None);
        };
        let opened = store.store.open_big_data(self.id.as_str(), key);
        opened.map_err(|source| DataError::Item {
            kind: R::ITEM,
            id: self.id.as_str().to_owned(),
            source: Box::new(source),
        })
    }

    /// Finds another item of the same record that should have the same content and is intact.
    fn item_with_same_content(&self, key: &str) -> Option<&String> {
        item_with_same_content(self.names, self.sizes, self.digests, key, &|other| {
            matches!(self.damage_of(other), Ok(None))
        })
    }
}

/// Finds another big data item of a record that should have the same content as `key` and for which
/// `is_intact` holds.
pub(crate) fn item_with_same_content<'n>(
    names: &'n [String],
    sizes: &BTreeMap<String, i64>,
    digests: &BTreeMap<String, String>,
    key: &str,
    is_intact: &dyn Fn(&str) -> bool,
) -> Option<&'n String> {
    let digest = digests.get(key)?;
    names.iter().find(|other| {
        *other != key
            && digests.get(*other) == Some(digest)
            && sizes.get(*other) == sizes.get(key)
            && is_intact(other)
    })
}

/// Tells whether an item has its digest. Digests of other algorithms than SHA-256 are not compared,
/// nor those of schema 1 manifests, which leave out the signatures.
fn has_digest(key: &str, bytes: &[u8], expected: &str) -> bool {
    let Ok(expected) = expected.parse::<Digest>() else {
        // A record in which an invalid digest matters would be damaged as a whole.
        return true;
    };
    if expected.algorithm() != layerhold_ids::Algorithm::Sha256 || digest_of(bytes) == expected {
        return true;
    }
    key.starts_with(MANIFEST) && is_signed_manifest(bytes)
}

fn is_signed_manifest(bytes: &[u8]) -> bool {
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    parsed.is_ok_and(|manifest| manifest.get("schemaVersion") == Some(&1.into()))
}
