//! Errors of making, measuring and applying diffs.

use layerhold_driver::LayerError;
use layerhold_ids::{ImageId, LayerId};

use crate::catalog::big_data::DataError;
use crate::catalog::error::{AccessError, Conflict, LookupError, file_errors_are_access};
use crate::contents::directories::DirectoryError;
use crate::records::error_kind::{ErrorKind, error_kind};

/// A diff cannot be made, measured or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The image has no layers.
    #[error("image {image} has no layers")]
    NoLayers {
        /// The image.
        image: ImageId,
    },
    /// The change conflicts with what is in the store.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The size is not recorded.
    #[error("cannot tell the size of {what}: it is not recorded")]
    SizeUnknown {
        /// The item.
        what: String,
    },
    /// The tar-split file cannot be written.
    #[error("cannot write the tar-split file of the layer")]
    Record(#[source] std::io::Error),
    /// The flag is reserved for the library.
    #[error("cannot set the flag {flag:?}: it is reserved")]
    ReservedFlag {
        /// The flag.
        flag: String,
    },
    /// No thread can be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A directory of a container cannot be measured.
    #[error("cannot measure a directory of the container")]
    Directory(#[source] Box<DirectoryError>),
    /// The archive of a layer in an additional layer store cannot be read.
    #[error("cannot read the archive of an additional layer")]
    Blob(#[source] std::io::Error),
    /// The tar cannot be compressed in the wanted format.
    #[error("cannot compress the diff")]
    Compress(#[source] layerhold_archive::CodecError),
    /// The stream is not a tar that can be unpacked.
    #[error("cannot apply the diff to layer {layer}")]
    Apply {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<layerhold_archive::ImportError>,
    },
    /// The driver cannot read or write the layer.
    #[error("cannot read or write layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// The staged contents cannot be flushed.
    #[error("cannot flush the staged contents")]
    Sync(#[source] LayerError),
    /// A temporary area cannot be used.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A big data item cannot be read or written.
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
