//! Sizes of layers, images and containers.

use std::collections::BTreeSet;

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::tree_usage_unless;

use crate::catalog::big_data::total;
use crate::catalog::key::Key;
use crate::catalog::lookup::{by_id, lookup, require};
use crate::contents::diff::{pair_of, pair_size};
use crate::contents::directories::{DirectoryError, UserDataRoot, container_user_data};
use crate::contents::error::DiffError;
use crate::engine::Engine;

pub(crate) fn layer_size(engine: &Engine, key: &Key<'_, LayerId>) -> Result<u64, DiffError> {
    let layer = lookup(&engine.catalog.read_layers()?, key)?;
    layer.diff_size().ok_or_else(|| DiffError::SizeUnknown {
        what: format!("layer {}", layer.id()),
    })
}

pub(crate) fn image_size(engine: &Engine, key: &Key<'_, ImageId>) -> Result<u64, DiffError> {
    let view = engine.snapshot()?;
    let image = view.image(key.clone())?;
    let mut seen: BTreeSet<LayerId> = BTreeSet::new();
    let mut waiting: Vec<LayerId> = image
        .top_layer()
        .into_iter()
        .chain(image.mapped_layers())
        .cloned()
        .collect();
    let mut sum = 0u64;
    while let Some(id) = waiting.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let layer = require(&view.layers, id.as_str())?;
        let size = match (layer.diff_id(), layer.diff_size()) {
            (Some(_), Some(size)) => size,
            _ => {
                let parent = layer
                    .parent()
                    .map(|parent| require(&view.layers, parent.as_str()))
                    .transpose()?;
                pair_size(engine, &pair_of(engine, parent, layer.clone())?)?
            }
        };
        sum = sum.saturating_add(size);
        waiting.extend(layer.parent().cloned());
    }
    let record = image.record();
    let items = total(
        &view.images,
        &image,
        &record.big_data_names,
        &record.big_data_sizes,
    )?;
    Ok(sum.saturating_add(items))
}

pub(crate) fn container_size(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<u64, DiffError> {
    let view = engine.snapshot()?;
    let container = view.container(key.clone())?;
    // The directories come first, as in Go: they are created even if the rest fails.
    let mut sum: u64 = 0;
    for place in [UserDataRoot::Durable, UserDataRoot::Runtime] {
        let files =
            container_user_data(engine, &container.id().into(), place).map_err(of_directory)?;
        sum = sum.saturating_add(tree_usage_unless(&files.dir, &engine.options.cancel)?.bytes);
    }
    let layer = require(&view.layers, container.layer().as_str())?;
    let parent = match layer.parent() {
        Some(parent) => by_id(&view.layers, parent.as_str())?,
        None => None,
    };
    sum = sum.saturating_add(pair_size(engine, &pair_of(engine, parent, layer)?)?);
    let record = container.record();
    let items = total(
        &view.containers,
        &container,
        &record.big_data_names,
        &record.big_data_sizes,
    )?;
    sum = sum.saturating_add(items);
    Ok(sum)
}

fn of_directory(error: DirectoryError) -> DiffError {
    match error {
        DirectoryError::Lookup(error) => error.into(),
        DirectoryError::Access(error) => error.into(),
        error => DiffError::Directory(Box::new(error)),
    }
}
