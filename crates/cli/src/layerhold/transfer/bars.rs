//! A bar for each layer on the terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use layerhold_oci::Event;

use super::Direction;
use super::layers::Layer;
use crate::streams::escape;

/// The bars on standard error, by the position of their layers. They go with it.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    layers: Mutex<BTreeMap<usize, ProgressBar>>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            layers: Mutex::default(),
        }
    }

    /// Shows an event, which has been counted for its layer.
    pub(super) fn show(&self, direction: Direction, event: &Event<'_>, layer: Option<&Layer>) {
        if let Event::LayerWanted { index, size, .. } = event {
            self.add(*index, *size, layer);
            return;
        }
        match (event, direction) {
            (Event::LayerReused { index, .. }, Direction::Pull) => {
                self.done(*index, layer, "already in the store");
            }
            (Event::LayerReused { index, .. }, Direction::Push) => {
                self.done(*index, layer, "already in the registry");
            }
            (Event::LayerStarted { index, size, .. }, Direction::Pull) => {
                self.begin(*index, *size, "unpacking");
            }
            (Event::LayerStarted { index, size, .. }, Direction::Push) => {
                self.begin(*index, *size, "compressing");
            }
            (Event::LayerSending { index, size, .. }, _) => self.begin(*index, *size, "sending"),
            (Event::LayerFinished { index }, _) => self.done(*index, layer, "done"),
            (Event::LayerFetched { index, .. }, _) => self.fetched(*index, layer),
            (Event::LayerAdvanced { index, bytes } | Event::LayerSent { index, bytes }, _) => {
                self.with(*index, |bar| bar.inc(*bytes));
            }
            _ => {}
        }
    }

    fn with(&self, index: usize, change: impl FnOnce(&ProgressBar)) {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = layers.get(&index) {
            change(bar);
        }
    }

    /// Adds a bar. One at its place was that of an image before.
    fn add(&self, index: usize, size: u64, layer: Option<&Layer>) {
        let bar = self.all.add(ProgressBar::new(size));
        let template = "{prefix} {msg:11} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let name = layer.map(|layer| layer.name.as_str()).unwrap_or_default();
        bar.set_prefix(escape(name).into_owned());
        bar.set_message("waiting");
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = layers.insert(index, bar) {
            old.finish_and_clear();
        }
    }

    /// Bytes that came before they can be unpacked.
    fn fetched(&self, index: usize, layer: Option<&Layer>) {
        let Some(layer) = layer.filter(|layer| layer.processed == 0) else {
            return;
        };
        self.with(index, |bar| {
            bar.set_message("fetching");
            bar.set_position(layer.fetched);
        });
    }

    fn begin(&self, index: usize, size: u64, doing: &'static str) {
        self.with(index, |bar| {
            bar.set_length(size);
            bar.set_position(0);
            bar.reset_eta();
            bar.set_message(doing);
        });
    }

    /// Turns a bar into a line that stays.
    fn done(&self, index: usize, layer: Option<&Layer>, what: &str) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = layers.remove(&index) {
            bar.finish_and_clear();
        }
        let name = layer.map(|layer| layer.name.as_str()).unwrap_or_default();
        let line = format!("{name}: {what}");
        // A terminal that is gone ends the program elsewhere.
        layerhold_sys::best_effort(self.all.println(escape(&line)));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let layers = self.layers.get_mut();
        for bar in layers.unwrap_or_else(PoisonError::into_inner).values() {
            bar.finish_and_clear();
        }
    }
}
