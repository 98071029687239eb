//! Why what things take cannot be found out.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_sys::PathError;

use crate::catalog::big_data::DataError;
use crate::catalog::error::AccessError;
use crate::records::error_kind::ErrorKind;

/// What things take cannot be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A data item cannot be measured.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A layer cannot be counted.
    #[error("cannot count layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl UsageError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Access(error) => error.kind(),
            Self::Data(error) => error.kind(),
            _ => None,
        }
    }
}
