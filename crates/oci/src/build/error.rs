//! Why an image could not be built.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use layerhold::{AccessError, CommitError, DeleteError, DiffError, LookupError, StageError};
use layerhold_ids::{ImageId, LayerId};
use layerhold_reference::ReferenceError;
use layerhold_sys::PathError;

use super::change::InvalidSetting;
use crate::names::NameError;
use crate::save::SaveError;
use crate::store_errors::store_errors;
use crate::stored::ImageError;

/// An image that could not be built. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The base image is unknown or not whole.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The configuration of the base image is not an object.
    #[error("cannot build on image {image}: its configuration is not a JSON object")]
    Configuration {
        /// The base image.
        image: ImageId,
    },
    /// A layer of the base image cannot be measured.
    #[error("cannot build on layer {layer}: its size is not recorded, and it cannot be read")]
    BaseLayer {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<SaveError>,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] layerhold::Error),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A setting has a value that an image cannot have.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// A file or directory for a layer cannot be opened.
    #[error("cannot read layer {index}")]
    Source {
        /// The position among the new layers, from 0.
        index: usize,
        /// Why.
        #[source]
        source: PathError,
    },
    /// A file for a layer is not a regular file.
    #[error("cannot read layer {index}: {} is not a regular file", path.display())]
    NotAFile {
        /// The position among the new layers, from 0.
        index: usize,
        /// The path.
        path: PathBuf,
    },
    /// The function that fills the tree of a layer failed.
    #[error("cannot fill layer {index}")]
    Fill {
        /// The position among the new layers, from 0.
        index: usize,
        /// Its error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A layer cannot be stored.
    #[error("cannot store layer {index}")]
    Layer {
        /// The position among the new layers, from 0.
        index: usize,
        /// Why.
        #[source]
        source: Box<StageError>,
    },
    /// The configuration or the manifest is larger than what tools read.
    #[error("cannot build an image with a {document} of {size} bytes: tools read up to {limit}")]
    TooLarge {
        /// Which of the two.
        document: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The store has the layer, without a digest to list it by.
    #[error("cannot use layer {layer}: the store has no digest of it")]
    Unidentified {
        /// The layer.
        layer: LayerId,
    },
    /// The directory for temporary files cannot be used.
    #[error("cannot make a directory in {}; another one can be chosen", path.display())]
    Scratch {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An image cannot be squashed inside a transaction.
    #[error("cannot squash an image in a transaction: it takes two")]
    SquashInTransaction,
    /// The image has no layers to squash.
    #[error("cannot squash an image without layers")]
    NothingToSquash,
}

impl BuildError {
    /// Whether something that was named is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Image(error) => error.is_not_found(),
            Self::Store(error) => error.is_not_found(),
            Self::Layer { source, .. } => source.is_not_found(),
            Self::Source { source, .. } => source.is_not_found(),
            Self::Scratch { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether something else in the store is in the way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Store(error) => error.is_conflict(),
            Self::Layer { source, .. } => source.is_conflict(),
            _ => false,
        }
    }

    /// Whether the disk is full, or a quota used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }

    /// Whether the build was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}

impl From<NameError> for BuildError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Name(error) => Self::Name(error),
            NameError::NameDigest { name, .. } => Self::Name(ReferenceError::new(
                name,
                "an image that is being built has no digest yet",
            )),
        }
    }
}

store_errors!(BuildError: AccessError, CommitError, DeleteError, DiffError, LookupError, StageError);
