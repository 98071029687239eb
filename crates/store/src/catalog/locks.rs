//! Taking the locks of the records, always in one order: layers, images, containers.
//!
//! [`Locks`] holds all three for writing. It is the only way to hold more than one, its fields are
//! released in the reverse order, and what needs a lock taken before takes a borrow of it. The lock
//! of the mount counts ([`MountCounts::write`](crate::catalog::mount_counts::MountCounts::write)) is taken inside
//! and given back first.
//!
//! With a split-off image store, layers are locked in the graph root and then in the image store,
//! and images the other way round, as in Go. Locks of additional stores are only taken while no
//! other lock is held: their owner may have this store as an additional one, and two that wait for
//! each other would wait forever. What is read of them may be out of date a moment later either
//! way.

use layerhold_json_store::{ChangeError, SaveError};

use crate::catalog::intent::INTENT_FILE;
use crate::catalog::locked::Locked;
use crate::catalog::lookup::Item;
use crate::catalog::record_stores::Part;
use crate::catalog::snapshot::incomplete_layers;
use crate::engine::Engine;
use crate::errors::AccessError;
use crate::records::{Container, Image, Layer};

/// All records, while nobody else reads or writes them.
#[derive(Debug)]
pub(crate) struct Locks {
    // Dropped, and so released, in this order.
    pub(crate) containers: Locked<Container>,
    pub(crate) images: Locked<Image>,
    pub(crate) layers: Locked<Layer>,
}

impl Engine {
    /// Takes all three locks, and undoes what a dead process left unfinished. Its files are only
    /// moved out of the way: [`erase_leftovers`](Self::erase_leftovers) erases them.
    pub(crate) fn lock_all(&self) -> Result<Locks, AccessError> {
        let mut locks = self.lock_all_as_they_are()?;
        // Out of the way now. Erasing it takes long, and is done by a writer when no lock is held.
        self.undo_remains(&mut locks).abandon();
        Ok(locks)
    }

    pub(crate) fn lock_all_as_they_are(&self) -> Result<Locks, AccessError> {
        let (layers, images) = self.read_additional()?;
        self.lock_the_others(self.layers.lock(layers)?, images)
    }

    /// Takes all three locks if the first is free.
    pub(crate) fn try_lock_all(&self) -> Result<Option<Locks>, AccessError> {
        let (layers, images) = self.read_additional()?;
        let layers = self.layers.try_lock(layers)?;
        layers
            .map(|layers| self.lock_the_others(layers, images))
            .transpose()
    }

    fn lock_the_others(
        &self,
        layers: Locked<Layer>,
        additional: Vec<Part<Image>>,
    ) -> Result<Locks, AccessError> {
        let images = self.images.lock(additional)?;
        let containers = self.lock_containers()?;
        Ok(Locks {
            containers,
            images,
            layers,
        })
    }

    /// Takes the lock of the layers alone.
    pub(crate) fn lock_layers(&self) -> Result<Locked<Layer>, AccessError> {
        let layers = self.lock_layers_as_they_are()?;
        if !self.has_remains(&layers)? {
            return Ok(layers);
        }
        // Undoing them needs the other two locks, and so all three from the beginning.
        drop(layers);
        drop(self.lock_all()?);
        // What could not be undone stays as it is.
        self.layers.lock(self.layers.additional_parts()?)
    }

    /// As [`lock_layers`](Self::lock_layers), and leaves alone what dead processes left unfinished:
    /// for what neither meets it nor should wait for it.
    pub(crate) fn lock_layers_as_they_are(&self) -> Result<Locked<Layer>, AccessError> {
        self.layers.lock(self.layers.additional_parts()?)
    }

    /// Takes the lock of the images alone.
    pub(crate) fn lock_images(&self) -> Result<Locked<Image>, AccessError> {
        self.images.lock(self.images.additional_parts()?)
    }

    /// Takes the lock of the containers alone.
    pub(crate) fn lock_containers(&self) -> Result<Locked<Container>, AccessError> {
        self.containers.lock(Vec::new())
    }

    /// Tells whether a dead process left something unfinished. Nobody else can be at it while the
    /// guard is held.
    pub(crate) fn has_remains(&self, layers: &Locked<Layer>) -> Result<bool, AccessError> {
        Ok(!incomplete_layers(layers).is_empty() || self.layout.layers.exists(INTENT_FILE)?)
    }
}

/// Turns the errors of a guard into ours.
pub(crate) trait InContext<T> {
    fn of<R: Item>(self) -> Result<T, AccessError>;
}

impl<T> InContext<T> for Result<T, ChangeError> {
    fn of<R: Item>(self) -> Result<T, AccessError> {
        self.map_err(|source| AccessError::Change {
            kind: R::ITEM,
            source: Box::new(source),
        })
    }
}

impl<T> InContext<T> for Result<T, SaveError> {
    fn of<R: Item>(self) -> Result<T, AccessError> {
        self.map_err(|source| AccessError::Save {
            kind: R::ITEM,
            source: Box::new(source),
        })
    }
}
