//! Why a store could not be checked.

use layerhold_driver::LayerError;

use crate::catalog::error::{AccessError, file_errors_are_access};
use crate::records::error_kind::error_kind;

/// A store cannot be checked. Damage does not prevent a check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Records cannot be locked or read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The driver cannot say what it holds.
    #[error("cannot list the layers that the driver holds")]
    Driver(#[source] LayerError),
    /// Temporary areas cannot be listed.
    #[error(transparent)]
    Areas(#[from] layerhold_staging::RecoverError),
}

file_errors_are_access!(CheckError);
error_kind!(CheckError, |error| match error {
    Self::Access(error) => error.kind(),
    _ => None,
});
