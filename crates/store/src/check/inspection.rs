//! The state of the store that a check works on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use layerhold_driver::Driver;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::{Cancel, PathError, stat_ambient};

use super::ancestry::FirstVisits;
use super::damage::Damage;
use super::error::CheckError;
use super::options::CheckOptions;
use super::progress::Progress;
use super::rebuilt::RebuiltRecord;
use super::report::{Finding, Subject};
use super::verdict::{Remedy, Verdict};
use crate::catalog::error::AccessError;
use crate::catalog::layout::TAR_SPLIT_SUFFIX;
use crate::catalog::lookup::{ItemRecord, all};
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::transient::OtherRecords;
use crate::delete::foreign::{ForeignItems, foreign_items};
use crate::engine::Engine;
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::{Container, Image, Layer};

/// The records of one moment, the layers that the driver held then, and access to both.
pub(crate) struct Inspection<'a> {
    pub(super) engine: &'a Engine,
    pub(super) options: &'a CheckOptions,
    pub(super) driver: Arc<dyn Driver>,
    pub(super) records: Snapshot,
    /// Records of the other persistence: those of a transient store if this one is not, and the
    /// reverse.
    pub(super) other_records: OtherRecords,
    /// Whether these could be read.
    pub(super) are_other_records_known: bool,
    /// What may belong to records that this store cannot see.
    pub(super) foreign_items: ForeignItems,
    /// Whether there are signs of further stores that this one does not name.
    pub(super) has_unseen_stores: bool,
    /// The layers that the driver holds, if it can list them, without those of additional stores
    /// and of the other records.
    pub(super) held: Option<BTreeSet<LayerId>>,
    /// Kinds of which records are lost: what these may have named is not garbage, and what names
    /// them is not damaged.
    pub(super) incomplete_kinds: BTreeSet<ItemKind>,
    /// Rebuilt records; they are also in the three maps below.
    pub(super) rebuilt: BTreeMap<ItemId, RebuiltRecord>,
    pub(super) layers: BTreeMap<LayerId, Arc<Layer>>,
    pub(super) images: BTreeMap<ImageId, Arc<Image>>,
    pub(super) containers: BTreeMap<ContainerId, Arc<Container>>,
}

impl<'a> Inspection<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        options: &'a CheckOptions,
        records: Snapshot,
    ) -> Result<Self, CheckError> {
        let driver = engine.driver();
        let (other_records, incomplete_kinds) = match engine.catalog.other_records() {
            // This store cannot repair these records; what they may have named is not garbage.
            Err(AccessError::OtherRecords { .. }) => {
                let kinds = [ItemKind::Layer, ItemKind::Container];
                (OtherRecords::default(), BTreeSet::from(kinds))
            }
            other => (other?, BTreeSet::new()),
        };
        let held = driver.list().map_err(CheckError::Driver)?;
        let held = held.map(|held| {
            let named = other_records.layer_ids();
            let ours = held.into_iter();
            let ours = ours.filter(|id| !named.contains(id.as_str()));
            ours.collect::<BTreeSet<_>>()
        });
        let recorded = other_records.container_ids();
        let is_recorded = |id: &str| records.containers.contains(id) || recorded.contains(id);
        let foreign_items = foreign_items(engine, &is_recorded)?;
        let has_unseen_stores = {
            let held = held.as_ref();
            let recorded = other_records.layer_ids();
            has_unseen_stores(engine, &|id| {
                records.layers.contains(id.as_str())
                    || recorded.contains(id.as_str())
                    || held.is_none_or(|held| held.contains(id))
            })?
        };
        Ok(Self {
            engine,
            options,
            driver,
            foreign_items,
            has_unseen_stores,
            held,
            are_other_records_known: incomplete_kinds.is_empty(),
            incomplete_kinds,
            other_records,
            rebuilt: BTreeMap::new(),
            layers: usable(&records.layers, |layer| layer.id().clone()),
            images: usable(&records.images, |image| image.id().clone()),
            containers: usable(&records.containers, |container| container.id().clone()),
            records,
        })
    }

    /// Returns what stops the check.
    pub(super) fn cancel(&self) -> &'a Cancel {
        &self.engine.options.cancel
    }

    /// Counts a layer that was read, and fails if the check is to stop.
    pub(super) fn advance(&self, progress: &Progress) -> Result<(), AccessError> {
        if progress.advance(self.options.listener.as_ref()).is_break() {
            self.cancel().cancel();
        }
        self.engine.check_cancelled()
    }

    /// Tells whether a layer has any record, even a damaged or an incomplete one.
    pub(super) fn is_recorded(&self, layer: &LayerId) -> bool {
        self.records.layers.contains(layer.as_str())
            || self.rebuilt.contains_key(&ItemId::Layer(layer.clone()))
    }

    /// Tells whether an image has any record, even a damaged one.
    pub(super) fn has_image(&self, image: &ImageId) -> bool {
        self.records.images.contains(image.as_str())
            || self.rebuilt.contains_key(&ItemId::Image(image.clone()))
    }

    /// Tells whether an item is in an additional store, which is only read.
    pub(super) fn is_read_only(&self, id: &ItemId) -> bool {
        match id {
            ItemId::Layer(id) => self.records.layers.additional_root(id.as_str()).is_some(),
            ItemId::Image(id) => self.records.images.additional_root(id.as_str()).is_some(),
            ItemId::Container(_) => false,
        }
    }

    /// Makes a finding about an item. Items of additional stores are not repaired: an unusable one
    /// there makes its children here unusable, and what can be repaired is left to the owner of
    /// that store.
    pub(super) fn finding(&self, id: ItemId, damage: Damage, verdict: Verdict) -> Finding {
        if !self.is_read_only(&id) {
            return Finding::new(Subject::Item(id), damage, verdict);
        }
        let verdict = match verdict {
            Verdict::Damaged(Remedy::Remove) => Verdict::Damaged(Remedy::Nothing),
            Verdict::Damaged(_) => Verdict::Note,
            other => other,
        };
        Finding::new(Subject::ReadOnly(id), damage, verdict)
    }

    /// Tells whether the driver holds contents of a layer that cannot be foreign.
    pub(super) fn is_held_and_own(&self, layer: &str) -> bool {
        let is_held = |id: &LayerId| self.held.as_ref().is_some_and(|held| held.contains(id));
        let id: Result<LayerId, _> = layer.parse();
        id.is_ok_and(|id| is_held(&id) && !self.foreign_items.may_include_layer(&id))
    }

    /// The verdict on contents without a record.
    pub(super) fn verdict_without_record(&self, layer: &LayerId) -> Verdict {
        if self.foreign_items.may_include_layer(layer) {
            return Verdict::Unjudged;
        }
        self.damaged_unless_lost(&[ItemKind::Layer, ItemKind::Image, ItemKind::Container])
    }

    /// The verdict on a record without contents. If the driver holds no recorded layer at all, its
    /// home may be on a disk that is not mounted.
    pub(super) fn verdict_without_contents(&self) -> Verdict {
        let has_any = |held: &BTreeSet<LayerId>| held.iter().any(|id| self.layers.contains_key(id));
        if self.held.as_ref().is_none_or(has_any) {
            Verdict::Damaged(Remedy::Remove)
        } else {
            Verdict::Unjudged
        }
    }

    /// Removal is right only if no record of these kinds is lost.
    pub(super) fn damaged_unless_lost(&self, kinds: &[ItemKind]) -> Verdict {
        if kinds
            .iter()
            .any(|kind| self.incomplete_kinds.contains(kind))
        {
            Verdict::Unjudged
        } else {
            Verdict::Damaged(Remedy::Remove)
        }
    }

    /// Tells whether images or containers of this store name layers that have no record.
    pub(super) fn names_lost_layers(&self) -> bool {
        let own = |image: &&Arc<Image>| self.records.images.is_own(image.id().as_str());
        let of_images = self
            .images
            .values()
            .filter(own)
            .filter_map(|image| image.top_layer());
        let of_containers = self.containers.values().map(|container| container.layer());
        let mut named = of_images.chain(of_containers);
        named.any(|layer| !self.is_recorded(layer))
    }

    /// A layer and its ancestors as far as they have usable records, the layer first.
    pub(super) fn chain(&self, layer: &LayerId) -> Vec<&Arc<Layer>> {
        let mut chain: Vec<&Arc<Layer>> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(layer);
        while let Some(layer) = next.and_then(|id| self.layers.get(id)) {
            if !seen.insert(layer.id()) {
                break;
            }
            chain.push(layer);
            next = layer.parent();
        }
        chain
    }

    /// Begins walks from layers to their ancestors that have usable records.
    pub(super) fn ancestors<'s>(
        &'s self,
    ) -> FirstVisits<'s, impl Fn(&LayerId) -> Option<(&'s LayerId, Option<&'s LayerId>)>> {
        let layers = &self.layers;
        FirstVisits::new(move |id: &LayerId| {
            let layer = layers.get(id)?;
            Some((layer.id(), layer.parent()))
        })
    }

    /// The layers that images and containers use, with their ancestors.
    pub(super) fn used(&self) -> BTreeSet<&LayerId> {
        let of_images = self
            .images
            .values()
            .flat_map(|image| image.top_layer().into_iter().chain(image.mapped_layers()));
        let of_containers = self.containers.values().map(|container| container.layer());
        let mut walks = self.ancestors();
        let mut used = BTreeSet::new();
        for top in of_images.chain(of_containers) {
            used.extend(walks.up_from(top));
        }
        used
    }

    /// The JSON of an item's record, if it is in this store.
    pub(super) fn json(&self, id: &ItemId) -> Option<Vec<u8>> {
        match id {
            ItemId::Layer(id) => record_json(&self.records.layers, id.as_str()),
            ItemId::Image(id) => record_json(&self.records.images, id.as_str()),
            ItemId::Container(id) => record_json(&self.records.containers, id.as_str()),
        }
    }
}

/// The JSON of a record in this store.
pub(crate) fn record_json<R: ItemRecord>(records: &impl Records<R>, id: &str) -> Option<Vec<u8>> {
    let mut own = records.own();
    own.find_map(|(_, part)| part.json(id).map(<[u8]>::to_vec))
}

fn usable<R: ItemRecord, K: Ord>(
    records: &MergedRecords<R>,
    key: impl Fn(&R) -> K,
) -> BTreeMap<K, Arc<R>> {
    all(records).map(|record| (key(&record), record)).collect()
}

/// Tells whether there are signs of further stores that this one does not name: tar-split files of
/// layers that have neither record nor contents here, or an additional store that does not exist.
pub(super) fn has_unseen_stores(
    engine: &Engine,
    is_here: &dyn Fn(&LayerId) -> bool,
) -> Result<bool, PathError> {
    for store in engine.catalog.layers.additional() {
        if stat_ambient(&store.dir)?.is_none() {
            return Ok(true);
        }
    }
    for entry in engine.catalog.layout.layers.entries()? {
        let name = entry?.name;
        let id = name
            .to_str()
            .and_then(|name| name.strip_suffix(TAR_SPLIT_SUFFIX));
        let id: Option<LayerId> = id.and_then(|id| id.parse().ok());
        if id.is_some_and(|id| !is_here(&id)) {
            return Ok(true);
        }
    }
    Ok(false)
}
