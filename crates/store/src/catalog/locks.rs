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

use crate::catalog::error::AccessError;
use crate::catalog::locked::Locked;
use crate::catalog::lookup::ItemRecord;
use crate::records::{Container, Image, Layer};

/// All records, while nobody else reads or writes them.
#[derive(Debug)]
pub(crate) struct Locks {
    // Dropped, and so released, in this order.
    pub(crate) containers: Locked<Container>,
    pub(crate) images: Locked<Image>,
    pub(crate) layers: Locked<Layer>,
}

/// Turns the errors of a guard into ours.
pub(crate) trait InContext<T> {
    fn of<R: ItemRecord>(self) -> Result<T, AccessError>;
}

impl<T> InContext<T> for Result<T, ChangeError> {
    fn of<R: ItemRecord>(self) -> Result<T, AccessError> {
        self.map_err(|source| AccessError::Change {
            kind: R::ITEM,
            source: Box::new(source),
        })
    }
}

impl<T> InContext<T> for Result<T, SaveError> {
    fn of<R: ItemRecord>(self) -> Result<T, AccessError> {
        self.map_err(|source| AccessError::Save {
            kind: R::ITEM,
            source: Box::new(source),
        })
    }
}
