//! Counts what layers take on the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use layerhold_driver::{Driver, LayerError, default_threads, run_tasks};
use layerhold_ids::LayerId;
use layerhold_sys::{Cancel, Dir, tree_usage_unless};

use super::counters::{Counter, Counters, Counts};
use super::error::UsageError;
use super::report::UsageOrigin;
use crate::catalog::layout::tar_split_name;
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::records::{BY_LAYER, Layer};
use crate::spans::phase;

/// Counts the tree of a staged layer.
pub(crate) fn count_tree(
    tree: &Dir,
    tar_split: u64,
    cancel: &Cancel,
) -> layerhold_sys::Result<Counts> {
    let usage = tree_usage_unless(tree, cancel)?;
    Ok(Counts {
        bytes: usage.bytes,
        inodes: usage.inodes,
        allocated: usage.allocated,
        tar_split,
    })
}

/// Layers with their counts, and where these come from.
pub(super) type MeasuredLayers<'l> = Vec<(&'l Layer, Counts, UsageOrigin)>;

/// Layers that were counted now.
pub(super) type CountedLayers<'l> = Vec<(&'l Layer, Counts)>;

/// Tells whether a layer belongs to a container, which may write to it.
pub(super) fn has_writer(view: &Snapshot, layer: &Layer) -> bool {
    let containers = view.containers.ids_by_key(BY_LAYER, layer.id().as_str());
    !containers.is_empty()
}

/// Takes the recorded counts of layers, and counts those without any. Returns all, and those that
/// were counted.
pub(super) fn measure<'l>(
    engine: &Engine,
    view: &Snapshot,
    counters: &Counters,
    layers: &'l [Arc<Layer>],
) -> Result<(MeasuredLayers<'l>, CountedLayers<'l>), UsageError> {
    let mut measured = Vec::with_capacity(layers.len());
    let mut unknown = Vec::new();
    for layer in layers {
        let is_always_counted = has_writer(view, layer);
        match counters.get(layer).filter(|_| !is_always_counted) {
            Some(counts) => measured.push((&**layer, counts, UsageOrigin::Recorded)),
            None => unknown.push(&**layer),
        }
    }
    let counted = count_layers(engine, &unknown)?;
    let now = counted.iter().copied();
    measured.extend(now.map(|(layer, counts)| (layer, counts, UsageOrigin::Counted)));
    Ok((measured, counted))
}

/// Makes counters of layers that do not change, unless they are recorded already.
pub(super) fn new_counters(
    view: &Snapshot,
    counters: &Counters,
    counted: &[(&Layer, Counts)],
) -> Vec<Counter> {
    counted
        .iter()
        .filter(|(layer, counts)| counters.get(layer) != Some(*counts) && !has_writer(view, layer))
        .filter_map(|(layer, counts)| Counter::new(layer, *counts))
        .collect()
}

/// Counts layers, several at a time. Layers that no longer exist are left out.
pub(super) fn count_layers<'l>(
    engine: &Engine,
    layers: &[&'l Layer],
) -> Result<Vec<(&'l Layer, Counts)>, UsageError> {
    if layers.is_empty() {
        return Ok(Vec::new());
    }
    let driver = engine.driver();
    let operation = tracing::Span::current();
    let counted = Mutex::new(Vec::with_capacity(layers.len()));
    // The first task adds all others.
    run_tasks(default_threads(), None, |layer: Option<&Layer>, tasks| {
        let Some(layer) = layer else {
            tasks.add_all(layers.iter().copied().map(Some));
            return Ok(());
        };
        engine.check_cancelled()?;
        match operation.in_scope(|| count_layer(engine, &*driver, layer.id())) {
            Ok(counts) => {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                counted.push((layer.id().clone(), counts));
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(source) => Err(UsageError::Driver {
                layer: layer.id().clone(),
                source: Box::new(source),
            }),
        }
    })?;
    let counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counted: HashMap<LayerId, Counts> = counted.into_iter().collect();
    let of = |layer: &&'l Layer| Some((*layer, *counted.get(layer.id())?));
    Ok(layers.iter().filter_map(of).collect())
}

fn count_layer(engine: &Engine, driver: &dyn Driver, id: &LayerId) -> Result<Counts, LayerError> {
    let _span = phase!("count", id = %id);
    let tar_split = tar_split_size(engine, id)?;
    if let Some(tree) = driver.diff_dir(id)? {
        return Ok(count_tree(&tree, tar_split, &engine.options.cancel)?);
    }
    // Its blocks are unknown; its bytes are the best estimate.
    let usage = driver.usage(id)?;
    Ok(Counts {
        bytes: usage.bytes,
        inodes: usage.inodes,
        allocated: usage.bytes,
        tar_split,
    })
}

fn tar_split_size(engine: &Engine, id: &LayerId) -> Result<u64, LayerError> {
    for dir in engine.catalog.layout.layer_dirs() {
        if let Some(stat) = dir.stat(tar_split_name(id))? {
            return Ok(stat.size);
        }
    }
    Ok(0)
}
