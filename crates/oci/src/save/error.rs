//! Why an image cannot be written.

use std::io;
use std::path::PathBuf;

use layerhold::{AccessError, DataError, DiffError, LookupError, UpdateError};
use layerhold_ids::{DiffId, ImageId, LayerId};
use layerhold_sys::{Cancelled, PathError};
use layerhold_tar_format::WriteError;

use crate::store_errors::store_errors;
use crate::stored::ImageError;

/// An image that could not be written. The target is removed, or as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] layerhold::Error),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Writing failed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A member of the archive cannot be written.
    #[error("cannot write {}", path.display())]
    Tar {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: WriteError,
    },
    /// The image is not in the store, or not whole.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A layer's contents are damaged.
    #[error(
        "cannot save layer {layer}: it is damaged, its contents have the digest {actual}, not {expected}"
    )]
    Damaged {
        /// The layer.
        layer: LayerId,
        /// The diff ID in the configuration.
        expected: DiffId,
        /// What was read.
        actual: DiffId,
    },
    /// Reading a layer failed.
    #[error("cannot read layer {layer}")]
    Read {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The target exists and is something else.
    #[error("cannot write {}: it exists and is not an OCI layout", path.display())]
    NotALayout {
        /// The target.
        path: PathBuf,
    },
    /// The target exists and has no image of its own, or one of a newer format.
    #[error(
        "cannot write an image to {}: it has files, and no `version` file that is known",
        path.display()
    )]
    NotAnImageDirectory {
        /// The target.
        path: PathBuf,
    },
    /// The target can hold one image only.
    #[error("cannot write several images to {}: such a directory holds one", path.display())]
    SeveralImages {
        /// The target.
        path: PathBuf,
    },
    /// The image is signed, and the signatures hold for its manifest only.
    #[error(
        "cannot save image {image} with its signatures: its layers get other digests, because they are compressed again"
    )]
    Signed {
        /// The image.
        image: ImageId,
    },
    /// An existing layout has an unusable index.
    #[error("cannot use the index of {}", path.display())]
    Index {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Saving was cancelled.
    #[error("cannot finish saving")]
    Cancelled(#[from] Cancelled),
    /// No image was named.
    #[error("cannot save without an image")]
    Nothing,
}

impl SaveError {
    /// Whether an image that was named is not in the store, or the directory of the target is
    /// missing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Store(error) => error.is_not_found(),
            Self::Image(error) => error.is_not_found(),
            Self::Path(error) => error.is_not_found(),
            Self::Write { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether something else has the name of the target.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::NotALayout { .. } | Self::NotAnImageDirectory { .. } => true,
            Self::Path(error) => {
                error.already_exists() || error.kind() == io::ErrorKind::NotADirectory
            }
            _ => false,
        }
    }

    /// Whether the operation was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }

    /// Whether the disk is full, or a quota used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }
}

store_errors!(SaveError: AccessError, DataError, DiffError, LookupError, UpdateError);
