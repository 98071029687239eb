//! Plans what a repair would remove, and what that frees.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::{Dir, tree_usage};

use super::damage::Damage;
use super::effects::to_remove;
use super::inspection::Inspection;
use super::report::{Disposal, Finding, Removable, Removal};
use super::verdict::Remedy;
use crate::catalog::layout::tar_split_name;
use crate::records::kinds::ItemId;
use crate::records::{Container, Image};

/// Lists what is removed: containers, images, layers with children before parents, contents without
/// a record, files.
pub(super) fn plan(inspection: &Inspection<'_>, found: &[Finding]) -> Vec<Removal> {
    let removed = to_remove(found);
    let mut plan = Plan {
        inspection,
        of_images: containers_of_images(inspection),
        removals: Vec::new(),
    };
    for id in &removed.containers {
        let what = Removable::Container(id.clone());
        plan.add(what, plan.container_bytes(id), Some(id.clone()));
    }
    for id in &removed.images {
        let bytes = inspection
            .engine
            .catalog
            .layout
            .image_dirs()
            .map(|dir| dir_bytes(dir, id.as_ref()))
            .sum();
        plan.add(Removable::Image(id.clone()), bytes, plan.container_of(id));
    }
    let layers = layers_to_remove(
        inspection,
        &removed.layers,
        &removed.images,
        &removed.containers,
    );
    let holders = plan.containers_above(&removed.images);
    for id in children_first(inspection, layers) {
        let held_by = holders.get(&id).map(|id| (*id).clone());
        let what = Removable::Layer(id.clone());
        if removed.has_contents_to_keep(&id) {
            plan.removals.push(Removal {
                what,
                bytes: 0,
                disposal: Disposal::Quarantine,
                held_by,
            });
        } else {
            plan.add(what, plan.layer_bytes(&id), held_by);
        }
    }
    for id in removed.contents.clone() {
        let bytes = inspection.driver.usage(&id).map_or(0, |usage| usage.bytes);
        plan.add(Removable::Contents(id), bytes, None);
    }
    for finding in found.iter().filter(|f| f.remedy() == Remedy::Remove) {
        if let Damage::Orphan { path, .. }
        | Damage::AbandonedArea { path }
        | Damage::TemporaryFile { path } = &finding.damage
        {
            plan.add(Removable::Path(path.clone()), path_bytes(path), None);
        }
    }
    plan.removals
}

/// Returns the layers to be removed: the damaged ones, and those that nothing needs once the given
/// images and containers are removed.
fn layers_to_remove(
    inspection: &Inspection<'_>,
    damaged: &BTreeSet<LayerId>,
    images: &BTreeSet<ImageId>,
    containers: &BTreeSet<ContainerId>,
) -> BTreeSet<LayerId> {
    let tops = |image: &Image| -> Vec<LayerId> {
        let tops = image.top_layer().into_iter().chain(image.mapped_layers());
        tops.cloned().collect()
    };
    let mut layers = damaged.clone();
    let leaving = inspection
        .images
        .values()
        .filter(|image| images.contains(image.id()));
    let mut walks = inspection.ancestors();
    for top in leaving.flat_map(|image| tops(image)) {
        layers.extend(walks.up_from(&top).cloned());
    }
    let stays = |container: &Container| !containers.contains(container.id());
    let staying_images = inspection
        .images
        .values()
        .filter(|image| !images.contains(image.id()));
    let needed = staying_images.flat_map(|image| tops(image)).chain(
        inspection
            .containers
            .values()
            .filter(|container| stays(container))
            .map(|container| container.layer().clone()),
    );
    // Damaged layers are always removed: what needs them is removed too, or has another copy.
    let mut walks = inspection.ancestors();
    for top in needed {
        for id in walks.up_from(&top).filter(|id| !damaged.contains(*id)) {
            layers.remove(id);
        }
    }
    // Layers of removed containers are removed with these.
    let own: BTreeSet<&LayerId> = inspection
        .containers
        .values()
        .filter(|container| !stays(container))
        .map(|container| container.layer())
        .collect();
    layers.retain(|id| !inspection.is_read_only(&ItemId::Layer(id.clone())));
    keep_parents(inspection, &mut layers, damaged, &own);
    layers.retain(|id| !own.contains(id));
    layers
}

/// Keeps the ancestors of layers that stay.
fn keep_parents(
    inspection: &Inspection<'_>,
    layers: &mut BTreeSet<LayerId>,
    damaged: &BTreeSet<LayerId>,
    own: &BTreeSet<&LayerId>,
) {
    let mut walks = inspection.ancestors();
    for layer in inspection.layers.values() {
        if layers.contains(layer.id()) || own.contains(layer.id()) {
            continue;
        }
        let Some(parent) = layer.parent() else {
            continue;
        };
        for id in walks.up_from(parent).filter(|id| !damaged.contains(*id)) {
            layers.remove(id);
        }
    }
}

/// Sorts layers so that children come before their parents.
fn children_first(inspection: &Inspection<'_>, layers: BTreeSet<LayerId>) -> Vec<LayerId> {
    let depths = inspection
        .ancestors()
        .values(inspection.layers.keys(), |_, below: Option<&usize>| {
            below.map_or(1, |below| below + 1)
        });
    let mut sorted: Vec<LayerId> = layers.into_iter().collect();
    sorted.sort_by_key(|id| std::cmp::Reverse(depths.get(id).copied()));
    sorted
}

/// The first container of each image that has any.
fn containers_of_images<'a>(
    inspection: &'a Inspection<'_>,
) -> BTreeMap<&'a ImageId, &'a ContainerId> {
    let mut found = BTreeMap::new();
    for container in inspection.containers.values() {
        if let Some(image) = container.image() {
            found.entry(image).or_insert(container.id());
        }
    }
    found
}

struct Plan<'a, 'l> {
    inspection: &'a Inspection<'l>,
    of_images: BTreeMap<&'a ImageId, &'a ContainerId>,
    removals: Vec<Removal>,
}

impl<'a> Plan<'a, '_> {
    fn add(&mut self, what: Removable, bytes: u64, held_by: Option<ContainerId>) {
        self.removals.push(Removal {
            what,
            bytes,
            disposal: Disposal::Erase,
            held_by,
        });
    }

    fn container_of(&self, image: &ImageId) -> Option<ContainerId> {
        self.of_images.get(image).map(|id| (*id).clone())
    }

    /// For each layer a container that uses it, by itself or through one of these images. The
    /// first one counts.
    fn containers_above(
        &self,
        images: &BTreeSet<ImageId>,
    ) -> BTreeMap<&'a LayerId, &'a ContainerId> {
        let inspection = self.inspection;
        let containers = inspection.containers.values();
        let by_layer = containers.map(|container| (container.layer(), container.id()));
        let images = images.iter().filter_map(|id| inspection.images.get(id));
        let by_image = images.flat_map(|image| {
            let tops = image.top_layer().into_iter().chain(image.mapped_layers());
            let holder = self.of_images.get(image.id()).copied();
            tops.filter_map(move |top| Some((top, holder?)))
        });
        let mut walks = inspection.ancestors();
        let mut found = BTreeMap::new();
        for (top, holder) in by_layer.chain(by_image) {
            found.extend(walks.up_from(top).map(|layer| (layer, holder)));
        }
        found
    }

    fn layer_bytes(&self, id: &LayerId) -> u64 {
        let contents = self
            .inspection
            .driver
            .usage(id)
            .map_or(0, |usage| usage.bytes);
        let dirs = self.inspection.engine.catalog.layout.layer_dirs();
        let files = dirs.map(|dir| {
            let tar_split = dir.stat(tar_split_name(id)).ok().flatten();
            dir_bytes(dir, id.as_ref()).saturating_add(tar_split.map_or(0, |stat| stat.size))
        });
        files.fold(contents, u64::saturating_add)
    }

    fn container_bytes(&self, id: &ContainerId) -> u64 {
        let container = self.inspection.containers.get(id);
        let layer = container.map_or(0, |container| self.layer_bytes(container.layer()));
        layer.saturating_add(dir_bytes(
            &self.inspection.engine.catalog.layout.containers,
            id.as_ref(),
        ))
    }
}

fn dir_bytes(dir: &Dir, name: &OsStr) -> u64 {
    let usage = dir.open_dir(name).and_then(|dir| tree_usage(&dir));
    usage.map_or(0, |usage| usage.bytes)
}

fn path_bytes(path: &Path) -> u64 {
    match Dir::open_ambient(path) {
        Ok(dir) => tree_usage(&dir).map_or(0, |usage| usage.bytes),
        Err(_) => layerhold_sys::stat_ambient(path)
            .ok()
            .flatten()
            .map_or(0, |stat| stat.size),
    }
}
