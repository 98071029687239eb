//! The disk usage of single items. Only layers that these have are measured, and only layers on top
//! of them are looked at.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use layerhold_ids::{ImageId, LayerId};
use layerhold_sys::best_effort;

use super::counters::{Counters, append};
use super::error::UsageError;
use super::measure::{measure, new_counters};
use super::report::{ContainerUsage, ImageUsage, LayerUsage};
use super::sum::{
    Measured, UserCounts, chain, container_usage, image_usage, layer_usage, layers_of,
};
use crate::catalog::lookup::{by_id, by_key, own_by_id};
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::{Item, Snapshot};
use crate::engine::Engine;
use crate::records::kinds::ItemId;
use crate::records::{BY_LAYER, BY_PARENT, BY_TOP_LAYER, Layer};

/// The disk usage of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemUsage {
    /// That of a layer.
    Layer(LayerUsage),
    /// That of an image.
    Image(ImageUsage),
    /// That of a container.
    Container(ContainerUsage),
}

/// So many images make a layer one that is shared.
const SHARED: usize = 2;

/// Reports the disk usage of items; `None` for each that is not in this store itself.
pub(crate) fn usage_of(
    engine: &Engine,
    items: &[ItemId],
) -> Result<Vec<Option<ItemUsage>>, UsageError> {
    let view = engine.snapshot()?;
    let items: Vec<Option<Item>> = items.iter().map(|id| own_item(&view, id)).collect();
    let needed: Vec<Arc<Layer>> = needed(&view, &items);
    let wanted: HashSet<&str> = needed.iter().map(|layer| layer.id().as_str()).collect();
    let (io, directory) = (&*engine.options.metadata_io, &engine.catalog.layout.layers);
    let counters = Counters::read_of(io, directory, &wanted);
    let (measured, counted) = measure(engine, &view, &counters, &needed)?;
    // What is not recorded is counted again.
    best_effort(append(directory, &new_counters(&view, &counters, &counted)));
    let measured = Measured::new(measured);
    let usage = |item: Option<Item>| {
        item.map(|item| item_usage(engine, &view, &item, &measured))
            .transpose()
    };
    items.into_iter().map(usage).collect()
}

/// Finds an item that this store has. Damaged ones count as missing.
fn own_item(view: &Snapshot, id: &ItemId) -> Option<Item> {
    match id {
        ItemId::Layer(id) => {
            own_by_id(&view.layers, id.as_str()).map(|found| found.map(Item::Layer))
        }
        ItemId::Image(id) => {
            own_by_id(&view.images, id.as_str()).map(|found| found.map(Item::Image))
        }
        ItemId::Container(id) => {
            own_by_id(&view.containers, id.as_str()).map(|found| found.map(Item::Container))
        }
    }
    .ok()
    .flatten()
}

/// Lists the layers of this store whose sizes are asked for, each once.
fn needed(view: &Snapshot, items: &[Option<Item>]) -> Vec<Arc<Layer>> {
    let mut ids: Vec<LayerId> = Vec::new();
    for item in items.iter().flatten() {
        match item {
            Item::Layer(layer) => ids.push(layer.id().clone()),
            Item::Image(image) => ids.extend(layers_of(view, image)),
            Item::Container(container) => ids.extend(chain(view, [container.layer().clone()])),
        }
    }
    let mut seen = HashSet::new();
    let own = ids
        .iter()
        .filter(|id| seen.insert(*id) && view.layers.is_own(id.as_str()));
    own.filter_map(|id| own_by_id(&view.layers, id.as_str()).ok().flatten())
        .collect()
}

fn item_usage(
    engine: &Engine,
    view: &Snapshot,
    item: &Item,
    measured: &Measured,
) -> Result<ItemUsage, UsageError> {
    Ok(match item {
        Item::Layer(layer) => {
            let mut above = Above::default();
            above.explore(view, layer.id(), usize::MAX);
            let users = HashMap::from([(layer.id().clone(), above.counts())]);
            ItemUsage::Layer(layer_usage(view, layer, measured, &users)?)
        }
        Item::Image(image) => {
            let mut users = HashMap::new();
            for top in image.top_layer().into_iter().chain(image.mapped_layers()) {
                count_images(view, top, &mut users);
            }
            ItemUsage::Image(image_usage(view, image, measured, &users)?)
        }
        Item::Container(container) => {
            ItemUsage::Container(container_usage(engine, view, container, measured)?)
        }
    })
}

/// Counts the images that have each layer of a chain, up to [`SHARED`]. A layer has at least the
/// images of its children.
fn count_images(view: &Snapshot, top: &LayerId, users: &mut HashMap<LayerId, UserCounts>) {
    let mut above = Above::default();
    for layer in chain(view, [top.clone()]) {
        if users.contains_key(&layer) {
            // The rest of the chain is known too.
            return;
        }
        above.explore(view, &layer, SHARED);
        users.insert(layer, above.counts());
    }
}

/// Layers on top of others, and what was made of them.
#[derive(Debug, Default)]
struct Above {
    seen: HashSet<LayerId>,
    images: HashSet<ImageId>,
    containers: usize,
}

impl Above {
    /// Looks at a layer and those on top of it, until there are `enough` images.
    fn explore(&mut self, view: &Snapshot, layer: &LayerId, enough: usize) {
        let mut waiting = vec![layer.clone()];
        while self.images.len() < enough
            && let Some(id) = waiting.pop()
        {
            // A damaged record ends a chain.
            let is_usable = matches!(by_id(&view.layers, id.as_str()), Ok(Some(_)));
            if !is_usable || !self.seen.insert(id.clone()) {
                continue;
            }
            let images = by_key(&view.images, BY_TOP_LAYER, id.as_str()).into_iter();
            let own = images.filter(|image| view.images.is_own(image.id().as_str()));
            self.images.extend(own.map(|image| image.id().clone()));
            self.containers += by_key(&view.containers, BY_LAYER, id.as_str()).len();
            let children = by_key(&view.layers, BY_PARENT, id.as_str()).into_iter();
            waiting.extend(children.map(|child| child.id().clone()));
        }
    }

    fn counts(&self) -> UserCounts {
        UserCounts {
            images: self.images.len(),
            containers: self.containers,
            is_written: false,
        }
    }
}
