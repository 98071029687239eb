//! Why a difference cannot be made, measured or applied.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, Conflict, LookupError, file_errors_are_access};
use crate::contents::directories::DirectoryError;
use crate::records::error_kind::{ErrorKind, error_kind};

/// A difference cannot be made, measured or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Something in the store stands against it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The size is recorded nowhere.
    #[error("the size of {what} is not known")]
    SizeUnknown {
        /// The item.
        what: String,
    },
    /// How the tar was made cannot be written down.
    #[error("cannot record how the layer's tar was made")]
    Record(#[source] std::io::Error),
    /// The flag is the library's own.
    #[error("the flag {flag:?} is not for callers")]
    ReservedFlag {
        /// The flag.
        flag: String,
    },
    /// The system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A directory of a container cannot be measured.
    #[error("cannot measure a directory")]
    Directory(#[source] Box<DirectoryError>),
    /// The archive that another program has of the layer cannot be read.
    #[error("cannot read the archive of an additional layer")]
    Blob(#[source] std::io::Error),
    /// The tar cannot be compressed this way.
    #[error("cannot compress")]
    Compress(#[source] layerhold_archive::CodecError),
    /// The stream is no tar that can be unpacked.
    #[error("cannot apply to layer {layer}")]
    Apply {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<layerhold_archive::ImportError>,
    },
    /// The driver refuses.
    #[error("cannot read or write layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// What is staged could not be flushed.
    #[error("cannot flush the staged contents")]
    Sync(#[source] LayerError),
    /// A temporary area cannot be used.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A data item cannot be measured.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

file_errors_are_access!(DiffError);
error_kind!(DiffError, |error| match error {
    Self::Lookup(error) => error.kind(),
    Self::Conflict(error) => error.kind(),
    Self::Data(error) => error.kind(),
    Self::Access(error) => error.kind(),
    Self::SizeUnknown { .. } => Some(ErrorKind::SizeUnknown),
    _ => None,
});
