//! What layers, images and containers take, from counters that are kept, without walking the store.
//!
//! A layer is counted once: when it is imported, while the flush is waited for, or else when
//! somebody asks for the first time. The counters are kept in a file of our own, see [`counters`].
//! Layers that containers write to, and others whose contents may change without their record
//! telling, are counted each time.

pub(crate) mod counters;
mod measure;
mod report;
mod sum;

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_sys::PathError;

use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::errors::{AccessError, DataError};
use crate::records::error_kind::ErrorKind;
use crate::records::{BY_LAYER, Layer};
use crate::store::Store;

use counters::{Counter, Counters, Counts};
pub(crate) use measure::count_tree;
pub use report::{
    Amount, ContainerUsage, ImageUsage, LayerUsage, TotalUsage, UsageOrigin, UsageReport,
    WrongCounter,
};
use sum::Measured;

/// What things take cannot be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A data item cannot be measured.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A layer cannot be counted.
    #[error("cannot count layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl UsageError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Access(error) => error.kind(),
            Self::Data(error) => error.kind(),
            _ => None,
        }
    }
}

impl Store {
    /// Returns what everything in this store takes, all at one moment.
    ///
    /// Takes no longer than reading the records and one small file, except for layers that were
    /// never counted before and those that containers write to: their files are looked at one by
    /// one. No lock is held meanwhile.
    ///
    /// # Errors
    ///
    /// When records, or the files of such a layer, cannot be read.
    pub fn usage(&self) -> Result<UsageReport, UsageError> {
        let view = self.snapshot()?;
        let layers = own_layers(&view);
        let io = &*self.inner.options.metadata_io;
        let counters = Counters::read(io, &self.inner.layout.layers);
        let recorded = |layer: &Layer| {
            let is_counted_anew = has_writer(&view, layer);
            (!is_counted_anew).then(|| counters.get(layer)).flatten()
        };
        let mut measured = Vec::with_capacity(layers.len());
        let mut unknown = Vec::new();
        for layer in &layers {
            match recorded(layer) {
                Some(counts) => measured.push((&**layer, counts, UsageOrigin::Recorded)),
                None => unknown.push(&**layer),
            }
        }
        let counted = self.inner.count_layers(&unknown)?;
        self.inner.note_counts(&view, &counters, &layers, &counted);
        let counted = counted.into_iter();
        measured.extend(counted.map(|(layer, counts)| (layer, counts, UsageOrigin::Counted)));
        self.inner.sum_up(&view, &Measured::new(measured))
    }

    /// Counts everything anew, and puts the counters right that turn out to be wrong. Returns them
    /// too.
    ///
    /// Blocks that were allocated are not compared: filesystems change them on their own.
    ///
    /// # Errors
    ///
    /// As [`usage`](Self::usage).
    pub fn verify_usage(&self) -> Result<(UsageReport, Vec<WrongCounter>), UsageError> {
        let view = self.snapshot()?;
        let layers = own_layers(&view);
        let io = &*self.inner.options.metadata_io;
        let counters = Counters::read(io, &self.inner.layout.layers);
        let all: Vec<&Layer> = layers.iter().map(|layer| &**layer).collect();
        let counted = self.inner.count_layers(&all)?;
        let is_noted = |layer: &Layer| !has_writer(&view, layer);
        let wrong = counted
            .iter()
            .filter(|(layer, _)| is_noted(layer))
            .filter_map(|(layer, found)| wrong_counter(&counters, layer, *found))
            .collect();
        self.inner.note_counts(&view, &counters, &layers, &counted);
        let measured = counted
            .into_iter()
            .map(|(layer, counts)| (layer, counts, UsageOrigin::Counted));
        let report = self
            .inner
            .sum_up(&view, &Measured::new(measured.collect()))?;
        Ok((report, wrong))
    }
}

/// The layers that are kept in this store, in its order.
fn own_layers(view: &Snapshot) -> Vec<std::sync::Arc<Layer>> {
    view.layers()
        .filter(|layer| view.layers.is_own(layer.id().as_str()))
        .collect()
}

/// Tells whether a layer belongs to a container, which may be writing to it.
fn has_writer(view: &Snapshot, layer: &Layer) -> bool {
    let containers = view.containers.ids_by_key(BY_LAYER, layer.id().as_str());
    !containers.is_empty()
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

impl Engine {
    /// Counts those of some layers that have counters, and returns those that are wrong.
    pub(crate) fn wrong_counters(
        &self,
        view: &Snapshot,
        layers: &[&Layer],
    ) -> Result<Vec<WrongCounter>, UsageError> {
        let counters = Counters::read(&*self.options.metadata_io, &self.layout.layers);
        let noted: Vec<&Layer> = layers
            .iter()
            .copied()
            .filter(|layer| counters.get(layer).is_some() && !has_writer(view, layer))
            .collect();
        let counted = self.count_layers(&noted)?.into_iter();
        let wrong = counted.filter_map(|(layer, found)| wrong_counter(&counters, layer, found));
        Ok(wrong.collect())
    }

    /// Counts a layer anew, and notes that.
    pub(crate) fn count_again(&self, id: &LayerId) -> Result<(), UsageError> {
        let view = self.snapshot()?;
        let layers = own_layers(&view);
        let layer = layers.iter().find(|layer| layer.id() == id);
        let layer: Vec<&Layer> = layer.into_iter().map(|layer| &**layer).collect();
        let counted = self.count_layers(&layer)?;
        let counters = Counters::read(&*self.options.metadata_io, &self.layout.layers);
        self.note_counts(&view, &counters, &layers, &counted);
        Ok(())
    }

    /// Notes what was counted of those layers that do not change, unless it is noted already.
    fn note_counts(
        &self,
        view: &Snapshot,
        counters: &Counters,
        layers: &[std::sync::Arc<Layer>],
        counted: &[(&Layer, Counts)],
    ) {
        let new: Vec<Counter> = counted
            .iter()
            .filter(|(layer, counts)| {
                counters.get(layer) != Some(*counts) && !has_writer(view, layer)
            })
            .filter_map(|(layer, counts)| Counter::new(layer, *counts))
            .collect();
        let io = &*self.options.metadata_io;
        let all = layers.iter().map(|layer| &**layer);
        counters.note(io, &self.layout.layers, all, &new);
    }

    /// Notes what was counted while layers were imported. Without space or permission it goes
    /// without.
    pub(crate) fn note_imported_counts(&self, new: &[Counter]) {
        let directory = &self.layout.layers;
        let Ok(counters::Length::Enough { layers: enough }) = counters::append(directory, new)
        else {
            return;
        };
        let Ok(view) = self.snapshot() else { return };
        let layers = own_layers(&view);
        if u64::try_from(layers.len()).is_ok_and(|count| count < enough) {
            let io = &*self.options.metadata_io;
            let all = layers.iter().map(|layer| &**layer);
            Counters::read(io, directory).note(io, directory, all, &[]);
        }
    }
}
