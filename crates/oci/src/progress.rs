//! Events that a caller can show while an image is loaded, saved or built.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use layerhold::{ProgressAnswer, Store};
use layerhold_ids::Digest;
use layerhold_reference::Reference;
use layerhold_sys::{Cancel, Cancelled};

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
    /// A registry is about to be asked for the image.
    Asking {
        /// The image there.
        source: &'a Reference,
    },
    /// A layer will be fetched or sent. All such layers are announced before the first one is.
    LayerWanted {
        /// The position of the layer, from 0.
        index: usize,
        /// How many layers the image has.
        of: usize,
        /// The digest that names the blob.
        digest: &'a Digest,
        /// The bytes to expect, as the manifest declares them.
        size: u64,
    },
    /// Bytes of a layer were fetched ahead of their turn to be unpacked. Those that are unpacked as
    /// they come are in [`Event::LayerAdvanced`] only.
    LayerFetched {
        /// The position of the layer, from 0.
        index: usize,
        /// Bytes since the last event.
        bytes: u64,
    },
    /// A compressed layer is about to be sent to a registry.
    LayerSending {
        /// The position of the layer, from 0.
        index: usize,
        /// The digest that names the blob.
        digest: &'a Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// More bytes of a layer were sent to a registry.
    LayerSent {
        /// The position of the layer, from 0.
        index: usize,
        /// Bytes since the last event.
        bytes: u64,
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

/// Receives [`Event`]s. Closures that take an event are receivers; they return nothing, or whether
/// the operation goes on.
///
/// With [`ControlFlow::Break`] the operation stops as if it had been cancelled
/// ([`Store::with_cancel`]): it fails with an error that `is_cancelled`, and the store stays as it
/// was.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use layerhold_oci::{Event, Progress};
///
/// let limited = |event: Event<'_>| match event {
///     Event::LayerStarted { size, .. } if size > 1 << 30 => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// };
/// let progress: &dyn Progress = &limited;
/// # assert_eq!(progress.event(Event::Committing), ControlFlow::Continue(()));
/// ```
pub trait Progress: Send + Sync {
    /// Called from the working threads, one event at a time; should return quickly.
    fn event(&self, event: Event<'_>) -> ControlFlow<()>;
}

impl<F, A> Progress for F
where
    F: Fn(Event<'_>) -> A + Send + Sync,
    A: ProgressAnswer,
{
    fn event(&self, event: Event<'_>) -> ControlFlow<()> {
        self(event).into_flow()
    }
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _event: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Reports the events of one operation, and cancels it when its receiver wants it to stop.
pub(crate) struct Reporter<'a> {
    receiver: &'a dyn Progress,
    /// Held while the receiver has an event.
    turn: Mutex<()>,
    cancel: Cancel,
}

impl<'a> Reporter<'a> {
    /// Begins the reports of an operation. Its work on the store is done through the returned
    /// handle.
    pub(crate) fn new(store: &Store, receiver: &'a dyn Progress) -> (Store, Self) {
        let cancel = store.options().cancel.child();
        let store = store.with_cancel(cancel.clone());
        let turn = Mutex::default();
        let reporter = Reporter {
            receiver,
            turn,
            cancel,
        };
        (store, reporter)
    }

    /// Cancelled as this one, but without events.
    pub(crate) fn quietly(&self) -> Reporter<'static> {
        Reporter {
            receiver: &Quiet,
            turn: Mutex::default(),
            cancel: self.cancel.clone(),
        }
    }

    pub(crate) fn event(&self, event: Event<'_>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.receiver.event(event).is_break() {
            self.cancel.cancel();
        }
    }

    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Fails if the operation is to stop.
    pub(crate) fn check(&self) -> Result<(), Cancelled> {
        self.cancel.check()
    }
}
