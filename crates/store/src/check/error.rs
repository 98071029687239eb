//! Why a store could not be checked.

use layerhold_driver::LayerError;

use crate::catalog::error::AccessError;
use crate::records::error_kind::ErrorKind;

/// A store cannot be checked. Damage is no reason for that.
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
    /// A directory cannot be read.
    #[error(transparent)]
    Os(#[from] layerhold_sys::PathError),
}

impl CheckError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}
