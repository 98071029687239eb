//! Adds up the disk usage of layers to that of images, containers and the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use layerhold_ids::LayerId;
use layerhold_sys::tree_usage_unless;

use super::counters::Counts;
use super::error::UsageError;
use super::report::{
    ContainerUsage, DiskUsage, ImageUsage, LayerUsage, TotalUsage, UsageOrigin, UsageReport,
};
use crate::catalog::big_data::{self, DataError};
use crate::catalog::lookup::by_id;
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::records::{Container, Image, Layer};

/// The counts of each layer.
pub(super) struct Measured(HashMap<LayerId, (Counts, UsageOrigin)>);

impl Measured {
    pub(super) fn new(measured: Vec<(&Layer, Counts, UsageOrigin)>) -> Self {
        let entry = |(layer, counts, origin): (&Layer, Counts, UsageOrigin)| {
            (layer.id().clone(), (counts, origin))
        };
        Self(measured.into_iter().map(entry).collect())
    }

    fn of(&self, id: &LayerId) -> (Counts, UsageOrigin) {
        let missing = (Counts::default(), UsageOrigin::Missing);
        self.0.get(id).copied().unwrap_or(missing)
    }

    fn usage_of(&self, id: &LayerId) -> DiskUsage {
        self.of(id).0.into()
    }
}

/// How many images and containers use a layer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UserCounts {
    pub(super) images: usize,
    pub(super) containers: usize,
    /// Whether a container writes to it.
    pub(super) is_written: bool,
}

pub(super) fn sum_up(
    engine: &Engine,
    view: &Snapshot,
    measured: &Measured,
) -> Result<UsageReport, UsageError> {
    let images: Vec<Arc<Image>> = view
        .images()
        .filter(|image| view.images.is_own(image.id().as_str()))
        .collect();
    let containers: Vec<Arc<Container>> = view.containers().collect();
    let users = users(view, &images, &containers);
    let layers = own_layers(view)
        .iter()
        .map(|layer| layer_usage(view, layer, measured, &users))
        .collect::<Result<Vec<_>, _>>()?;
    let images = images
        .iter()
        .map(|image| image_usage(view, image, measured, &users))
        .collect::<Result<Vec<_>, _>>()?;
    let containers = containers
        .iter()
        .map(|container| container_usage(engine, view, container, measured))
        .collect::<Result<Vec<_>, _>>()?;
    let mut report = UsageReport {
        layers,
        images,
        containers,
        total: TotalUsage::default(),
    };
    report.total = total(&report, &users);
    Ok(report)
}

pub(super) fn container_usage(
    engine: &Engine,
    view: &Snapshot,
    container: &Container,
    measured: &Measured,
) -> Result<ContainerUsage, UsageError> {
    let own = container.layer();
    let below = chain(view, [own.clone()])
        .into_iter()
        .filter(|id| id != own)
        .fold(0u64, |sum, id| {
            sum.saturating_add(measured.usage_of(&id).bytes)
        });
    // These are few files, among them the big data items. Files of other programs are recorded
    // nowhere.
    let data = match engine
        .catalog
        .layout
        .containers
        .open_dir(container.id().as_str())
    {
        Ok(dir) => tree_usage_unless(&dir, &engine.options.cancel)?.bytes,
        Err(error) if error.is_not_found() => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(ContainerUsage {
        id: container.id().clone(),
        names: container.names().to_vec(),
        image: container.image().cloned(),
        own: measured.usage_of(own),
        data,
        below,
    })
}

/// Lists layers and all their ancestors, each once. A damaged or missing record ends a chain.
pub(super) fn chain(view: &Snapshot, tops: impl IntoIterator<Item = LayerId>) -> Vec<LayerId> {
    let mut seen = HashSet::new();
    let mut chain = Vec::new();
    let mut waiting: Vec<LayerId> = tops.into_iter().collect();
    while let Some(id) = waiting.pop() {
        let Ok(Some(layer)) = by_id(&view.layers, id.as_str()) else {
            continue;
        };
        if seen.insert(id.clone()) {
            waiting.extend(layer.parent().cloned());
            chain.push(id);
        }
    }
    chain
}

pub(super) fn layers_of(view: &Snapshot, image: &Image) -> Vec<LayerId> {
    let tops = image.top_layer().into_iter().chain(image.mapped_layers());
    chain(view, tops.cloned())
}

fn users(
    view: &Snapshot,
    images: &[Arc<Image>],
    containers: &[Arc<Container>],
) -> HashMap<LayerId, UserCounts> {
    let mut users: HashMap<LayerId, UserCounts> = HashMap::new();
    for image in images {
        for id in layers_of(view, image) {
            users.entry(id).or_default().images += 1;
        }
    }
    for container in containers {
        for id in chain(view, [container.layer().clone()]) {
            users.entry(id).or_default().containers += 1;
        }
        users
            .entry(container.layer().clone())
            .or_default()
            .is_written = true;
    }
    users
}

pub(super) fn layer_usage(
    view: &Snapshot,
    layer: &Arc<Layer>,
    measured: &Measured,
    users: &HashMap<LayerId, UserCounts>,
) -> Result<LayerUsage, UsageError> {
    let (counts, origin) = measured.of(layer.id());
    let users = users.get(layer.id()).copied().unwrap_or_default();
    let mut beside = counts.tar_split;
    for item in layer.big_data_names() {
        beside = beside.saturating_add(size_or_none(big_data::size(
            &view.layers,
            layer,
            item,
            None,
        ))?);
    }
    Ok(LayerUsage {
        id: layer.id().clone(),
        parent: layer.parent().cloned(),
        own: counts.into(),
        beside,
        origin,
        images: users.images,
        containers: users.containers,
    })
}

pub(super) fn image_usage(
    view: &Snapshot,
    image: &Arc<Image>,
    measured: &Measured,
    users: &HashMap<LayerId, UserCounts>,
) -> Result<ImageUsage, UsageError> {
    let (mut unique, mut shared) = (DiskUsage::default(), DiskUsage::default());
    for id in layers_of(view, image) {
        let is_shared = users.get(&id).is_some_and(|users| users.images > 1);
        *(if is_shared { &mut shared } else { &mut unique }) += measured.usage_of(&id);
    }
    let record = image.record();
    let mut data = 0u64;
    for item in &record.big_data_names {
        let recorded = record.big_data_sizes.get(item).copied();
        let size = size_or_none(big_data::size(&view.images, image, item, recorded))?;
        data = data.saturating_add(size);
    }
    Ok(ImageUsage {
        id: image.id().clone(),
        names: image.names().to_vec(),
        unique,
        shared,
        data,
        containers: view.containers_of_image(image.id()).len(),
    })
}

/// The size of an item; 0 if it is missing.
fn size_or_none(size: Result<u64, DataError>) -> Result<u64, DataError> {
    match size {
        Err(DataError::NotFound { .. }) => Ok(0),
        size => size,
    }
}

fn total(report: &UsageReport, users: &HashMap<LayerId, UserCounts>) -> TotalUsage {
    let mut total = TotalUsage::default();
    for layer in &report.layers {
        let is_written = users.get(&layer.id).is_some_and(|users| users.is_written);
        *(if is_written {
            &mut total.containers
        } else if layer.images > 0 || layer.containers > 0 {
            &mut total.images
        } else {
            &mut total.unused
        }) += layer.own;
        total.data = total.data.saturating_add(layer.beside);
        if layer.containers == 0 {
            let bytes = layer.own.bytes.saturating_add(layer.beside);
            total.reclaimable = total.reclaimable.saturating_add(bytes);
        }
    }
    for image in &report.images {
        total.data = total.data.saturating_add(image.data);
        if image.containers == 0 {
            total.reclaimable = total.reclaimable.saturating_add(image.data);
        }
    }
    for container in &report.containers {
        total.data = total.data.saturating_add(container.data);
    }
    total
}

/// Lists the layers of this store itself, in its order.
pub(super) fn own_layers(view: &Snapshot) -> Vec<Arc<Layer>> {
    view.layers()
        .filter(|layer| view.layers.is_own(layer.id().as_str()))
        .collect()
}
