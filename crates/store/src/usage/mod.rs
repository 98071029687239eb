//! Disk usage of layers, images and containers, from recorded counters instead of a walk over the
//! store.
//!
//! A layer is counted once: when it is imported, during the flush, or else when its usage is first
//! asked for. The counters are kept in a file of our own ([`counters`]). Layers that containers
//! write to, and others whose contents may change without a change of their record, are counted
//! each time.

mod items;
mod measure;
mod sum;
mod error;
mod report;
pub(crate) mod counters;

use std::sync::Arc;

use layerhold_ids::LayerId;

use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::records::Layer;

use counters::{Counter, Counters, Counts};
pub use error::UsageError;
pub use items::ItemUsage;
pub(crate) use items::usage_of;
pub(crate) use measure::count_tree;
use measure::{count_layers, has_writer, measure, new_counters};
pub use report::{
    ContainerUsage, DiskUsage, ImageUsage, LayerUsage, TotalUsage, UsageOrigin, UsageReport,
    WrongCounter,
};
use sum::{Measured, own_layers, sum_up};

/// Reports disk usage from recorded counters, and counts only layers without one.
pub(crate) fn usage(engine: &Engine) -> Result<UsageReport, UsageError> {
    let view = engine.snapshot()?;
    let layers = own_layers(&view);
    let io = &*engine.options.metadata_io;
    let counters = Counters::read(io, &engine.catalog.layout.layers);
    let (measured, counted) = measure(engine, &view, &counters, &layers)?;
    note_counts(engine, &view, &counters, &layers, &counted);
    sum_up(engine, &view, &Measured::new(measured))
}

/// Counts all layers, reports disk usage, and returns the counters that were wrong.
pub(crate) fn verify_usage(
    engine: &Engine,
) -> Result<(UsageReport, Vec<WrongCounter>), UsageError> {
    let view = engine.snapshot()?;
    let layers = own_layers(&view);
    let io = &*engine.options.metadata_io;
    let counters = Counters::read(io, &engine.catalog.layout.layers);
    let all: Vec<&Layer> = layers.iter().map(|layer| &**layer).collect();
    let counted = count_layers(engine, &all)?;
    let is_noted = |layer: &Layer| !has_writer(&view, layer);
    let wrong = counted
        .iter()
        .filter(|(layer, _)| is_noted(layer))
        .filter_map(|(layer, found)| wrong_counter(&counters, layer, *found))
        .collect();
    note_counts(engine, &view, &counters, &layers, &counted);
    let measured = counted
        .into_iter()
        .map(|(layer, counts)| (layer, counts, UsageOrigin::Counted));
    let report = sum_up(engine, &view, &Measured::new(measured.collect()))?;
    Ok((report, wrong))
}

fn wrong_counter(counters: &Counters, layer: &Layer, found: Counts) -> Option<WrongCounter> {
    let recorded = counters.get(layer)?;
    let compared = |counts: Counts| Counts {
        allocated: 0,
        ..counts
    };
    (compared(recorded) != compared(found)).then(|| WrongCounter {
        layer: layer.id().clone(),
        recorded: recorded.into(),
        found: found.into(),
    })
}

/// Counts those of the given layers that have counters, and returns the wrong counters.
pub(crate) fn wrong_counters(
    engine: &Engine,
    view: &Snapshot,
    layers: &[&Layer],
) -> Result<Vec<WrongCounter>, UsageError> {
    let counters = Counters::read(&*engine.options.metadata_io, &engine.catalog.layout.layers);
    let noted: Vec<&Layer> = layers
        .iter()
        .copied()
        .filter(|layer| counters.get(layer).is_some() && !has_writer(view, layer))
        .collect();
    let counted = count_layers(engine, &noted)?.into_iter();
    let wrong = counted.filter_map(|(layer, found)| wrong_counter(&counters, layer, found));
    Ok(wrong.collect())
}

/// Counts a layer again, and records the result.
pub(crate) fn count_again(engine: &Engine, id: &LayerId) -> Result<(), UsageError> {
    let view = engine.catalog.snapshot()?;
    let layers = own_layers(&view);
    let layer = layers.iter().find(|layer| layer.id() == id);
    let layer: Vec<&Layer> = layer.into_iter().map(|layer| &**layer).collect();
    let counted = count_layers(engine, &layer)?;
    let counters = Counters::read(&*engine.options.metadata_io, &engine.catalog.layout.layers);
    note_counts(engine, &view, &counters, &layers, &counted);
    Ok(())
}

/// Records the counts of layers that do not change, unless they are recorded already.
fn note_counts(
    engine: &Engine,
    view: &Snapshot,
    counters: &Counters,
    layers: &[Arc<Layer>],
    counted: &[(&Layer, Counts)],
) {
    let new = new_counters(view, counters, counted);
    let io = &*engine.options.metadata_io;
    let all = layers.iter().map(|layer| &**layer);
    counters.note(io, &engine.catalog.layout.layers, all, &new);
}

/// Records what was counted while layers were imported. Without space or permission nothing is
/// recorded.
pub(crate) fn note_imported_counts(engine: &Engine, new: &[Counter]) {
    let directory = &engine.catalog.layout.layers;
    let Ok(counters::Length::Enough { layers: enough }) = counters::append(directory, new) else {
        return;
    };
    let Ok(view) = engine.catalog.snapshot() else {
        return;
    };
    let layers = own_layers(&view);
    if u64::try_from(layers.len()).is_ok_and(|count| count < enough) {
        let io = &*engine.options.metadata_io;
        let all = layers.iter().map(|layer| &**layer);
        Counters::read(io, directory).note(io, directory, all, &[]);
    }
}
