//! Events that a caller can show while an image is loaded, saved or built.

use layerhold_ids::Digest;

use crate::manifest::ManifestError;

/// A step of loading, saving or building an image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The source has an entry that is not an image, and is not loaded.
    Skipped {
        /// The digest that names it.
        digest: &'a Digest,
        /// Why it is not an image.
        reason: &'a ManifestError,
    },
    /// A layer is about to be read or written. Layers are announced in order, bottom first.
    LayerStarted {
        /// The position of the layer, from 0.
        index: usize,
        /// How many layers the image has.
        of: usize,
        /// The digest that names the blob in the source, or the diff ID when saving.
        digest: &'a Digest,
        /// The bytes to expect, as the source declares them.
        size: u64,
    },
    /// A layer of an image that is built is about to be read. Only new layers are counted.
    LayerBuilding {
        /// The position among the new layers, from 0.
        index: usize,
        /// How many new layers there are.
        of: usize,
    },
    /// More bytes of the layer were read or written. The sum reaches `size` of
    /// [`Event::LayerStarted`], if that was known.
    LayerAdvanced {
        /// The position of the layer, from 0.
        index: usize,
        /// Bytes since the last event.
        bytes: u64,
    },
    /// The layer is complete.
    LayerFinished {
        /// The position of the layer, from 0.
        index: usize,
    },
    /// The store had the layer already, so nothing was read.
    LayerReused {
        /// The position of the layer, from 0.
        index: usize,
        /// How many layers the image has.
        of: usize,
        /// The digest that names the blob in the source.
        digest: &'a Digest,
    },
    /// All layers are staged; content is being made durable and visible.
    Committing,
}

/// Receives [`Event`]s. Closures that take an event are receivers.
pub trait Progress: Send + Sync {
    /// Called from the working threads, one event at a time; should return quickly.
    fn event(&self, event: Event<'_>);
}

impl<F: Fn(Event<'_>) + Send + Sync> Progress for F {
    fn event(&self, event: Event<'_>) {
        self(event);
    }
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _event: Event<'_>) {}
}
