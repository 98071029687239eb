//! Taking the locks of the records, always in one order: layers, images, containers.
//!
//! [`Locks`] holds all three for writing. It is the only way to hold more than one, its fields are released in the
//! reverse order, and what needs a lock taken before takes a borrow of it. The lock of the mount counts
//! ([`MountCounts::write`](crate::mounts::MountCounts::write)) is taken inside and given back first.

use layerhold_json_store::{ChangeError, SaveError, WriteGuard};

use crate::error::AccessError;
use crate::inner::Inner;
use crate::intent::INTENT_FILE;
use crate::item::ItemKind;
use crate::lookup::Item;
use crate::records::{Container, Image, Layer};
use crate::snapshot::INCOMPLETE_MARK;

/// All records, while nobody else reads or writes them.
#[derive(Debug)]
pub(crate) struct Locks {
    // Dropped, and so released, in this order.
    pub(crate) containers: WriteGuard<Container>,
    pub(crate) images: WriteGuard<Image>,
    pub(crate) layers: WriteGuard<Layer>,
}

impl Inner {
    /// Takes all three locks, after whatever a dead process left unfinished has been undone.
    pub(crate) fn lock_all(&self) -> Result<Locks, AccessError> {
        let mut locks = self.lock_all_as_they_are()?;
        let remains = self.undo_remains(&mut locks);
        drop(remains);
        Ok(locks)
    }

    pub(crate) fn lock_all_as_they_are(&self) -> Result<Locks, AccessError> {
        let layers = self.layers.write().map_err(read(ItemKind::Layer))?;
        self.lock_the_others(layers)
    }

    /// Takes all three locks if the first is free.
    pub(crate) fn try_lock_all(&self) -> Result<Option<Locks>, AccessError> {
        let layers = self.layers.try_write().map_err(read(ItemKind::Layer))?;
        layers
            .map(|layers| self.lock_the_others(layers))
            .transpose()
    }

    fn lock_the_others(&self, layers: WriteGuard<Layer>) -> Result<Locks, AccessError> {
        let images = self.lock_images()?;
        let containers = self.lock_containers()?;
        Ok(Locks {
            containers,
            images,
            layers,
        })
    }

    /// Takes the lock of the layers alone.
    pub(crate) fn lock_layers(&self) -> Result<WriteGuard<Layer>, AccessError> {
        let layers = self.layers.write().map_err(read(ItemKind::Layer))?;
        if !self.has_remains(&layers)? {
            return Ok(layers);
        }
        // Undoing them needs the other two locks, and so all three from the beginning.
        drop(layers);
        Ok(self.lock_all()?.layers)
    }

    /// Takes the lock of the images alone.
    pub(crate) fn lock_images(&self) -> Result<WriteGuard<Image>, AccessError> {
        self.images.write().map_err(read(ItemKind::Image))
    }

    /// Takes the lock of the containers alone.
    pub(crate) fn lock_containers(&self) -> Result<WriteGuard<Container>, AccessError> {
        self.containers.write().map_err(read(ItemKind::Container))
    }

    /// Tells whether a dead process left something unfinished. Nobody else can be at it while the guard is held.
    pub(crate) fn has_remains(&self, layers: &WriteGuard<Layer>) -> Result<bool, AccessError> {
        Ok(!layers.mentioning(INCOMPLETE_MARK).is_empty()
            || self.layout.layers.exists(INTENT_FILE)?)
    }
}

fn read(kind: ItemKind) -> impl FnOnce(layerhold_json_store::ReadError) -> AccessError {
    move |source| AccessError::Read {
        kind,
        source: Box::new(source),
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
