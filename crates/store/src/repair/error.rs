//! Why something could not be repaired.

use std::io;

use layerhold_driver::LayerError;
use layerhold_ids::Digest;

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, file_errors_are_access};
use crate::delete::error::DeleteError;
use crate::records::error_kind::error_kind;

/// A part of a repair failed. The other parts are done all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The item changed after it was checked.
    #[error("it changed since the check; check again")]
    Changed,
    /// The tar of the layer, packed again, is not the one that was imported.
    #[error("cannot rebuild the tar with the digest {expected} from the layer")]
    OtherTar {
        /// The recorded digest.
        expected: Digest,
    },
    /// There is no other copy of a big data item.
    #[error("cannot restore big data item {key:?}: there is no other copy of it")]
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
    /// A big data item cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A layer cannot be counted.
    #[error(transparent)]
    Usage(#[from] crate::usage::UsageError),
    /// The graph driver refuses.
    #[error("cannot repair what the graph driver keeps")]
    Driver(#[source] LayerError),
    /// No temporary area could be made.
    #[error("cannot make a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A temporary area could not be removed.
    #[error("cannot remove what a dead process left")]
    Area(#[source] layerhold_staging::RecoverError),
    /// A rebuilt file could not be put in its place.
    #[error("cannot put the rebuilt file in its place")]
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
