//! What is known of the layers of a transfer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use layerhold_oci::Event;

use super::super::units::short;

/// The shortest time between two reports of the bytes of a layer.
const PAUSE: Duration = Duration::from_millis(250);

/// A layer of an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// `layer 1/3 0123456789ab`.
    pub(super) name: String,
    /// Bytes that were fetched before they were unpacked.
    pub(super) fetched: u64,
    /// Bytes that were unpacked or compressed.
    pub(super) processed: u64,
    /// Bytes that were sent.
    pub(super) sent: u64,
    reported: Option<Instant>,
}

impl Layer {
    /// Whether it is time to report its bytes again.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self
            .reported
            .is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_due {
            self.reported = Some(now);
        }
        is_due
    }
}

/// The layers of an image, by position.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<usize, Layer>);

impl Layers {
    /// Counts what an event says, and returns the layer that it is about.
    pub(super) fn count(&mut self, event: &Event<'_>) -> Option<&mut Layer> {
        match event {
            Event::LayerWanted {
                index, of, digest, ..
            }
            | Event::LayerReused { index, of, digest } => {
                let name = format!("layer {}/{of} {}", index + 1, short(digest.hex()));
                let fresh = Layer {
                    name,
                    ..Layer::default()
                };
                self.0.insert(*index, fresh);
                self.0.get_mut(index)
            }
            Event::LayerStarted {
                index, of, digest, ..
            } => {
                let layer = self.0.entry(*index).or_default();
                if layer.name.is_empty() {
                    layer.name = format!("layer {}/{of} {}", index + 1, short(digest.hex()));
                }
                Some(layer)
            }
            Event::LayerFetched { index, bytes } => {
                self.advance(*index, |layer| layer.fetched += bytes)
            }
            Event::LayerAdvanced { index, bytes } => {
                self.advance(*index, |layer| layer.processed += bytes)
            }
            Event::LayerSent { index, bytes } => self.advance(*index, |layer| layer.sent += bytes),
            Event::LayerSending { index, .. } | Event::LayerFinished { index } => {
                self.0.get_mut(index)
            }
            _ => None,
        }
    }

    fn advance(&mut self, index: usize, by: impl FnOnce(&mut Layer)) -> Option<&mut Layer> {
        let layer = self.0.get_mut(&index)?;
        by(layer);
        Some(layer)
    }
}
