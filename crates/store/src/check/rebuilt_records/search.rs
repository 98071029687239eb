//! Finds the items whose records are lost, and rebuilds these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use layerhold_ids::{ContainerId, ImageId, LayerId, is_canonical_id};

use super::partial::PartialRecords;
use super::replay::Replay;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{MergedRecords, Placement, Records};
use crate::check::error::CheckError;
use crate::check::inspection::Inspection;
use crate::check::rebuilt::RebuiltRecord;
use crate::records::Container;
use crate::records::kinds::{ItemId, ItemKind};

/// Why a record cannot be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CannotRebuild {
    /// The record states that the layer is incomplete: it is removed as such.
    Incomplete,
    /// The remains of the record are not usable.
    Nothing,
    /// The parent of the layer is unknown.
    Parent,
    /// The owners of the layer's files were shifted by unknown ID maps.
    IdMaps,
    /// The layers of the image are unknown.
    TopLayer,
    /// The layer of the container is unknown.
    OwnLayer,
    /// The image of the container is unknown, and the record of its layer is lost too.
    Image,
}

impl CannotRebuild {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Incomplete | Self::Nothing => "nothing of it can be used",
            Self::Parent => "its parent cannot be found out",
            Self::IdMaps => "its ID maps are not known",
            Self::TopLayer => "which layers it has is not known",
            Self::OwnLayer => "which layer is its own is not known",
            Self::Image => "the parent of its layer cannot be found out",
        }
    }
}

/// A record that was rebuilt.
pub(super) struct FoundRecord<R> {
    pub(super) record: Arc<R>,
    pub(super) rebuilt: RebuiltRecord,
    /// The parts of it that are unknown.
    pub(super) unknown: Vec<&'static str>,
}

/// The search. Rebuilt records are added to the inspection, where they help to rebuild others.
pub(super) struct Search<'a, 'l> {
    pub(super) inspection: &'a mut Inspection<'l>,
    pub(super) layers: PartialRecords,
    pub(super) images: PartialRecords,
    pub(super) containers: PartialRecords,
    /// The rebuilt items, and what is unknown of each.
    pub(super) unknown_members: BTreeMap<ItemId, Vec<&'static str>>,
    replays: BTreeMap<LayerId, Option<Replay>>,
    unknown: Vec<&'static str>,
}

impl<'a, 'l> Search<'a, 'l> {
    pub(super) fn new(inspection: &'a mut Inspection<'l>) -> Result<Self, CheckError> {
        Ok(Self {
            layers: PartialRecords::gather(&inspection.records.layers)?,
            images: PartialRecords::gather(&inspection.records.images)?,
            containers: PartialRecords::gather(&inspection.records.containers)?,
            inspection,
            unknown_members: BTreeMap::new(),
            replays: BTreeMap::new(),
            unknown: Vec::new(),
        })
    }

    /// Rebuilds records as long as one helps to rebuild another. Returns those that cannot be
    /// rebuilt.
    pub(super) fn run(&mut self) -> Result<BTreeMap<ItemId, CannotRebuild>, CheckError> {
        loop {
            let known = self.unknown_members.len();
            let mut not_rebuilt = BTreeMap::new();
            for id in self.wanted_layers()? {
                self.inspection.engine.check_cancelled()?;
                let found = self.layer(&id);
                let (id, layers) = (ItemId::Layer(id), &mut self.inspection.layers);
                take(
                    &mut self.unknown_members,
                    &mut self.inspection.rebuilt,
                    &mut not_rebuilt,
                    id,
                    found,
                )
                .map(|layer| layers.insert(layer.id().clone(), layer));
            }
            for id in self.wanted_images()? {
                self.inspection.engine.check_cancelled()?;
                let found = self.image(&id);
                let (id, images) = (ItemId::Image(id), &mut self.inspection.images);
                take(
                    &mut self.unknown_members,
                    &mut self.inspection.rebuilt,
                    &mut not_rebuilt,
                    id,
                    found,
                )
                .map(|image| images.insert(image.id().clone(), image));
            }
            for id in self.wanted_containers()? {
                self.inspection.engine.check_cancelled()?;
                let found = self.container(&id);
                let (id, containers) = (ItemId::Container(id), &mut self.inspection.containers);
                take(
                    &mut self.unknown_members,
                    &mut self.inspection.rebuilt,
                    &mut not_rebuilt,
                    id,
                    found,
                )
                .map(|container| containers.insert(container.id().clone(), container));
            }
            self.unknown.clear();
            if self.unknown_members.len() == known {
                return Ok(not_rebuilt);
            }
        }
    }

    /// Contents without a usable record that are needed or may be: records are lost, a record names
    /// the layer, or a part of its own record is left. Other contents are garbage.
    fn wanted_layers(&self) -> Result<Vec<LayerId>, CheckError> {
        let inspection = &*self.inspection;
        let is_lost = inspection.incomplete_kinds.contains(&ItemKind::Layer);
        let referenced = referenced(inspection);
        let other_layers = inspection.other_records.layers.iter();
        let other_layers: BTreeSet<&str> = other_layers.map(|layer| layer.id.as_str()).collect();
        let is_usable = |id: &LayerId| {
            inspection.layers.contains_key(id)
                || other_layers.contains(id.as_str())
                || is_readable(&inspection.records.layers, id.as_str())
        };
        // This includes parents of layers of the other persistence, which the inspection leaves
        // out.
        let held = inspection.driver.list().map_err(CheckError::Driver)?;
        let mut wanted = held.unwrap_or_default();
        wanted.retain(|id| {
            let is_wanted =
                is_lost || referenced.contains(id) || self.layers.get(id.as_str()).is_some();
            is_wanted && !is_usable(id)
        });
        Ok(wanted)
    }

    fn wanted_images(&self) -> Result<Vec<ImageId>, CheckError> {
        let inspection = &*self.inspection;
        let dirs: Vec<_> = inspection.engine.catalog.layout.image_dirs().collect();
        let is_lost = inspection.incomplete_kinds.contains(&ItemKind::Image);
        let ids = ids_with_directory(&dirs)?;
        let ids = wanted(ids, &self.images, is_lost, |id| {
            is_readable(&inspection.records.images, id)
        });
        let parsed = ids.iter().filter_map(|id| id.parse().ok());
        Ok(parsed
            .filter(|id| !inspection.images.contains_key(id))
            .collect())
    }

    fn wanted_containers(&self) -> Result<Vec<ContainerId>, CheckError> {
        let inspection = &*self.inspection;
        let is_lost = inspection.incomplete_kinds.contains(&ItemKind::Container);
        let ids = ids_with_directory(&[&inspection.engine.catalog.layout.containers])?;
        let other_containers = inspection.other_records.container_ids();
        let ids = wanted(ids, &self.containers, is_lost, |id| {
            other_containers.contains(id) || is_readable(&inspection.records.containers, id)
        });
        let parsed = ids.iter().filter_map(|id| id.parse().ok());
        Ok(parsed
            .filter(|id| !inspection.containers.contains_key(id))
            .collect())
    }

    /// What the tar-split file of a layer states. It is read once.
    pub(super) fn replay(&mut self, id: &LayerId) -> Option<Replay> {
        let inspection = &*self.inspection;
        let replay = self.replays.entry(id.clone());
        replay.or_insert_with(|| Replay::of(inspection, id)).clone()
    }

    /// The container whose own layer this is.
    pub(super) fn container_of(&self, layer: &LayerId) -> Option<Arc<Container>> {
        let mut containers = self.inspection.containers.values();
        containers
            .find(|container| container.layer() == layer)
            .cloned()
    }

    /// Notes an unknown part of the current record.
    pub(super) fn unknown(&mut self, what: &'static str) {
        self.unknown.push(what);
    }

    pub(super) fn unknown_unless(&mut self, is_known: bool, what: &'static str) {
        if !is_known {
            self.unknown(what);
        }
    }

    /// Begins the next record.
    pub(super) fn begin(&mut self) {
        self.unknown.clear();
    }

    pub(super) fn found<R: ItemRecord>(
        &mut self,
        record: R,
        placement: Placement,
    ) -> FoundRecord<R> {
        let mut json = Vec::new();
        record.write(&mut json);
        FoundRecord {
            record: Arc::new(record),
            rebuilt: RebuiltRecord { json, placement },
            unknown: std::mem::take(&mut self.unknown),
        }
    }
}

/// Notes the result for one record.
fn take<R>(
    unknown_members: &mut BTreeMap<ItemId, Vec<&'static str>>,
    rebuilt: &mut BTreeMap<ItemId, RebuiltRecord>,
    not_rebuilt: &mut BTreeMap<ItemId, CannotRebuild>,
    id: ItemId,
    found: Result<FoundRecord<R>, CannotRebuild>,
) -> Option<Arc<R>> {
    match found {
        Ok(found) => {
            drop(unknown_members.insert(id.clone(), found.unknown));
            drop(rebuilt.insert(id, found.rebuilt));
            Some(found.record)
        }
        Err(CannotRebuild::Incomplete) => None,
        Err(why) => {
            let _before = not_rebuilt.insert(id, why);
            None
        }
    }
}

/// The layers that other records name.
fn referenced<'l>(inspection: &'l Inspection<'_>) -> BTreeSet<&'l LayerId> {
    let parents = inspection
        .layers
        .values()
        .filter_map(|layer| layer.parent());
    let of_images = inspection
        .images
        .values()
        .flat_map(|image| image.top_layer().into_iter().chain(image.mapped_layers()));
    let own = inspection
        .containers
        .values()
        .map(|container| container.layer());
    parents.chain(of_images).chain(own).collect()
}

/// Tells whether there is a readable record, even of an incomplete layer.
fn is_readable<R: ItemRecord>(records: &MergedRecords<R>, id: &str) -> bool {
    let mut own = records.own();
    own.any(|(_, part)| matches!(part.get(id), Ok(Some(_))))
}

/// The IDs that have a directory.
fn ids_with_directory(dirs: &[&layerhold_sys::Dir]) -> Result<BTreeSet<String>, CheckError> {
    let mut ids = BTreeSet::new();
    for dir in dirs {
        for entry in dir.entries()? {
            ids.extend(entry?.name.into_string());
        }
    }
    Ok(ids)
}

/// The IDs whose records are to be rebuilt: those with remains in a record file; and those with a
/// directory, if a part of the record was set aside, or if records are lost and the directory has
/// the name of a generated ID.
fn wanted(
    directories: BTreeSet<String>,
    partials: &PartialRecords,
    is_lost: bool,
    is_readable: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let mut wanted = directories;
    wanted.retain(|id| partials.get(id).is_some() || is_lost && is_canonical_id(id));
    wanted.extend(partials.in_record_files().map(str::to_owned));
    wanted.retain(|id| !is_readable(id));
    wanted
}
