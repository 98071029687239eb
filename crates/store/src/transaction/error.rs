//! Errors of committing.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_selinux::LabelError;
use layerhold_sys::{Cancelled, PathError};

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, Conflict, file_errors_are_access};
use crate::records::error_kind::error_kind;
use crate::records::kinds::ItemId;
use crate::spec::error::StageError;

/// A transaction cannot be committed. The store is as it was before, unless `rollback` says
/// otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The store changed since the transaction began.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The caller cancelled it before anything was changed.
    #[error("cannot commit the transaction")]
    Cancelled(#[from] Cancelled),
    /// The contents could not be flushed.
    #[error("cannot flush the staged contents")]
    Sync(#[source] LayerError),
    /// A layer could not be moved into place.
    #[error("cannot put layer {id} in place")]
    Layer {
        /// The layer.
        id: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// A big data item could not be moved into place.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The level drawn for SELinux labels is in use by now, and no other can be drawn.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// Staged files could not be moved into place.
    #[error("cannot move the files of {id} into place")]
    Move {
        /// The item.
        id: ItemId,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A step failed, and undoing the steps before it failed too. The next writer removes the
    /// incomplete layers.
    #[error("the commit failed, and could not be undone completely: {rollback}")]
    Rollback {
        /// The error of undoing.
        rollback: Box<CommitError>,
        /// The first error.
        #[source]
        source: Box<CommitError>,
    },
}

file_errors_are_access!(CommitError);
error_kind!(CommitError, |error| match error {
    Self::Conflict(error) => error.kind(),
    Self::Data(error) => error.kind(),
    Self::Access(error) => error.kind(),
    Self::Rollback { source, .. } => source.kind(),
    _ => None,
});

/// A change that needs a transaction of its own failed. The store is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The change cannot be staged.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The change cannot be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

error_kind!(TransactionError, |error| match error {
    Self::Stage(error) => error.kind(),
    Self::Commit(error) => error.kind(),
});
