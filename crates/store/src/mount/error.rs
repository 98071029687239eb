//! Errors of mounting and unmounting.

use std::path::PathBuf;

use layerhold_driver::LayerError;
use layerhold_ids::{ImageId, LayerId};

use crate::catalog::error::{AccessError, LookupError, file_errors_are_access};
use crate::records::error_kind::{ErrorKind, error_kind};

/// A layer cannot be mounted or unmounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The layer is not mounted.
    #[error("layer {layer} is not mounted")]
    NotMounted {
        /// The layer.
        layer: LayerId,
    },
    /// No layer is mounted at the path.
    #[error("no layer is mounted at {path}")]
    NotMountedAt {
        /// The path.
        path: PathBuf,
    },
    /// The image has no layers, so there is nothing to mount.
    #[error("image {image} has no layers")]
    NoLayers {
        /// The image.
        image: ImageId,
    },
    /// The image's top layer has ID maps, and the copy without them that is mounted instead cannot
    /// be made.
    #[error("cannot copy the top layer of image {image} without its ID maps")]
    Copy {
        /// The image.
        image: ImageId,
        /// The kind of the failure, if callers tell it apart.
        kind: Option<ErrorKind>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Images can only be mounted for reading.
    #[error("image {image} can only be mounted read-only")]
    Writable {
        /// The image.
        image: ImageId,
    },
    /// The container has ID maps but its layer has none, and the driver cannot shift owners in the
    /// mount.
    #[error(
        "cannot mount layer {layer}: shifting not enabled; a container that is created with these ID maps now gets files with \
         the right owners"
    )]
    ShiftingNotEnabled {
        /// The layer.
        layer: LayerId,
    },
    /// The driver cannot mount or unmount it.
    #[error("cannot mount or unmount layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

file_errors_are_access!(MountError);
error_kind!(MountError, |error| match error {
    Self::Lookup(error) => error.kind(),
    Self::Copy { kind, .. } => *kind,
    Self::Access(error) => error.kind(),
    Self::NotMounted { .. } | Self::NotMountedAt { .. } => Some(ErrorKind::LayerNotMounted),
    _ => None,
});
