//! Why something could not be repaired.

use std::io;

use layerhold_driver::LayerError;
use layerhold_ids::Digest;

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, file_errors_are_access};
use crate::delete::error::DeleteError;
use crate::records::error_kind::error_kind;

/// A part of a repair failed. The other parts are done nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// Somebody changed the item after it was checked.
    #[error("it changed since the check; check again")]
    Changed,
    /// The tar of the layer, packed anew, is not the one that was imported.
    #[error("the layer does not give the tar with the digest {expected} any more")]
    OtherTar {
        /// The recorded digest.
        expected: Digest,
    },
    /// There is no other copy of a data item.
    #[error("there is no other copy of the data item {key:?}")]
    NoCopy {
        /// The item.
        key: String,
    },
    /// How the tar of a layer is made cannot be recorded.
    #[error("cannot record how the tar of the layer is made")]
    Record(#[source] io::Error),
    /// Records cannot be locked, read or saved.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Something cannot be removed.
    #[error(transparent)]
    Delete(#[from] DeleteError),
    /// A data item cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A layer cannot be counted.
    #[error(transparent)]
    Usage(#[from] crate::usage::UsageError),
    /// The driver failed.
    #[error("the graph driver failed")]
    Driver(#[source] LayerError),
    /// No temporary area could be made.
    #[error("cannot make a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A temporary area could not be removed.
    #[error("cannot remove what a dead process left")]
    Area(#[source] layerhold_staging::RecoverError),
    /// Something could not be put in its place.
    #[error("cannot put what was made anew in its place")]
    Place(#[source] layerhold_sys::PathError),
}

file_errors_are_access!(RepairError);
error_kind!(RepairError, |error| match error {
    Self::Access(error) => error.kind(),
    Self::Delete(error) => error.kind(),
    Self::Data(error) => error.kind(),
    Self::Usage(error) => error.kind(),
    _ => None,
});
