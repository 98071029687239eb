//! Looking for what lost records said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use layerhold_ids::{ContainerId, ImageId, LayerId, is_canonical_id};

use super::partial::PartialRecords;
use super::replay::Replay;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{Placement, Records, View};
use crate::check::error::CheckError;
use crate::check::inspection::Inspection;
use crate::check::rebuilt::RebuiltRecord;
use crate::records::Container;
use crate::records::kinds::{ItemId, ItemKind};

/// Why no record can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CannotRebuild {
    /// The record says that the layer is not complete: it is removed as such.
    Incomplete,
    /// What is left of the record makes none.
    Nothing,
    /// What the layer stands on is not known.
    Parent,
    /// The owners of the layer's files were shifted, and how is not known.
    IdMaps,
    /// Which layers the image has is not known.
    TopLayer,
    /// Which layer the container writes to is not known.
    OwnLayer,
    /// Which image the container was made of is not known, and the record of its layer is lost too.
    Image,
}

impl CannotRebuild {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Incomplete | Self::Nothing => "nothing of it can be used",
            Self::Parent => "what it stands on is not known",
            Self::IdMaps => "its ID maps are not known",
            Self::TopLayer => "which layers it has is not known",
            Self::OwnLayer => "which layer is its own is not known",
            Self::Image => "what its layer stands on is not known",
        }
    }
}

/// A record that was made.
pub(super) struct FoundRecord<R> {
    pub(super) record: Arc<R>,
    pub(super) rebuilt: RebuiltRecord,
    /// What of it is not known.
    pub(super) unknown: Vec<&'static str>,
}

/// The search. Records that were found are put into the look, where they help to find others.
pub(super) struct Search<'a, 'l> {
    pub(super) inspection: &'a mut Inspection<'l>,
    pub(super) layers: PartialRecords,
    pub(super) images: PartialRecords,
    pub(super) containers: PartialRecords,
    /// What was found, and what of it is not known.
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

    /// Makes records as long as one helps to make another. Returns for which that cannot be done.
    pub(super) fn run(&mut self) -> Result<BTreeMap<ItemId, CannotRebuild>, CheckError> {
        loop {
            let known = self.unknown_members.len();
            let mut not_rebuilt = BTreeMap::new();
            for id in self.wanted_layers()? {
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

    /// Contents without a usable record that something needs, or may need: records are lost, or a
    /// part of this one is left. Others are garbage.
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
        // Those that layers recorded elsewhere stand on are among these, and not among those of the
        // look.
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

    /// What the tar-split file of a layer says. It is read once.
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

    /// Notes something that is not known of the record that is being made.
    pub(super) fn unknown(&mut self, what: &'static str) {
        self.unknown.push(what);
    }

    pub(super) fn unknown_unless(&mut self, is_known: bool, what: &'static str) {
        if !is_known {
            self.unknown(what);
        }
    }

    /// Begins a record: nothing is unknown of it yet.
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

/// Notes what came of looking for a record.
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

/// The layers that records of others name.
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

/// Tells whether there is a record that can be read, be it of something that is not complete.
fn is_readable<R: ItemRecord>(records: &View<R>, id: &str) -> bool {
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

/// The IDs whose records are to be made: those of which something is left in a record file; and
/// those with a directory, if a part of the record was set aside, or if records are lost and the
/// directory has the name of a generated ID.
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
