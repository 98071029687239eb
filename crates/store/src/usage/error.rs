//! Why disk usage cannot be found out.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, file_errors_are_access};
use crate::records::error_kind::error_kind;

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
}

file_errors_are_access!(UsageError);
error_kind!(UsageError, |error| match error {
    Self::Access(error) => error.kind(),
    Self::Data(error) => error.kind(),
    _ => None,
});
