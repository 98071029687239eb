//! The record locks, always taken in one order: layers, images, containers.
//!
//! [`Locks`] holds all three for writing, and is the only way to hold more than one. Its fields are
//! released in reverse order. An operation that needs an earlier lock borrows its guard. The lock
//! of the mount counts ([`MountCounts::write`](crate::catalog::mount_counts::MountCounts::write))
//! is innermost: it is taken last and released first.
//!
//! With a separate image store, layers are locked in the graph root and then in the image store,
//! and images in the opposite order, as in Go. Locks of additional stores are taken only while no
//! other lock is held. Another process may use that store as its own and this one as an additional
//! store, and the two would wait for each other forever. What was read from an additional store may
//! therefore be out of date a moment later, as it would be without the lock.

use layerhold_json_store::{ChangeError, SaveError};

use crate::catalog::error::AccessError;
use crate::catalog::locked::Locked;
use crate::catalog::lookup::ItemRecord;
use crate::records::{Container, Image, Layer};

/// All records, under their write locks.
#[derive(Debug)]
pub(crate) struct Locks {
    // Fields drop in this order, so locks are released from the innermost to the outermost.
    pub(crate) containers: Locked<Container>,
    pub(crate) images: Locked<Image>,
    pub(crate) layers: Locked<Layer>,
}

/// Adds the kind of record to the errors of a guard.
pub(crate) trait WithKind<T> {
    fn for_kind<R: ItemRecord>(self) -> Result<T, AccessError>;
}

impl<T> WithKind<T> for Result<T, ChangeError> {
    fn for_kind<R: ItemRecord>(self) -> Result<T, AccessError> {
        self.map_err(|source| AccessError::Change {
            kind: R::ITEM,
            source: Box::new(source),
        })
    }
}

impl<T> WithKind<T> for Result<T, SaveError> {
    fn for_kind<R: ItemRecord>(self) -> Result<T, AccessError> {
        self.map_err(|source| AccessError::Save {
            kind: R::ITEM,
            source: Box::new(source),
        })
    }
}
