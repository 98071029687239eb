//! Why an image could not be pushed.

use std::path::PathBuf;

use layerhold::{AccessError, LookupError};
use layerhold_ids::{Digest, ImageId};
use layerhold_image_policy::SignatureError;
use layerhold_reference::{Reference, ReferenceError};
use layerhold_registry::{Problem, RegistryError};
use layerhold_sys::Cancelled;

use crate::config::ConfigError;
use crate::registries::ConnectError;
use crate::save::SaveError;
use crate::signatures::SignaturesError;
use crate::store_errors::store_errors;
use crate::stored::ImageError;

/// An image that could not be pushed. The registry may have got parts of it, but no tag that names
/// them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The image is not in the store, or not whole.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The destination is not an image name.
    #[error(transparent)]
    Destination(#[from] ReferenceError),
    /// The destination has a digest.
    #[error("cannot push to {reference}: give a tag, because the digest depends on what is pushed")]
    DigestAsDestination {
        /// The destination.
        reference: Box<Reference>,
    },
    /// The configuration blocks the destination.
    #[error("cannot push to {reference}: {prefix} is blocked in {}", origin.display())]
    Blocked {
        /// The destination.
        reference: Box<Reference>,
        /// The blocked prefix.
        prefix: String,
        /// The file that blocks it.
        origin: PathBuf,
    },
    /// The registry cannot be reached as it is configured.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The registry refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A layer cannot be read.
    #[error(transparent)]
    Layer(#[from] SaveError),
    /// The manifest would have to change.
    #[error("cannot push image {image} with its digest {before}: {why}")]
    WouldChange {
        /// The image.
        image: ImageId,
        /// The digest of its manifest.
        before: Digest,
        /// Why.
        why: Change,
    },
    /// The image is signed, and the signatures hold for its manifest only.
    #[error("cannot push image {image} with its signatures: {why}")]
    Signed {
        /// The image.
        image: ImageId,
        /// Why.
        why: Change,
    },
    /// The signatures cannot be written.
    #[error(transparent)]
    Signatures(#[from] SignaturesError),
    /// A signature in the store is damaged.
    #[error("cannot use the signatures of image {image}")]
    Signature {
        /// The image.
        image: ImageId,
        /// What is wrong.
        source: SignatureError,
    },
    /// Docker's manifests cannot have layers with zstd.
    #[error(
        "cannot push image {image} with a docker manifest: layer {layer} is compressed with zstd, which only OCI manifests can say"
    )]
    Format {
        /// The image.
        image: ImageId,
        /// The position of the layer, from 0.
        layer: usize,
    },
    /// Two images of an index are for the same platform.
    #[error("cannot push {first} and {second} as one image: both are for {platform}")]
    SamePlatform {
        /// An image.
        first: ImageId,
        /// Another image.
        second: ImageId,
        /// Their platform.
        platform: String,
    },
    /// The configuration of an image cannot be read.
    #[error("cannot use the configuration of image {image}")]
    Config {
        /// The image.
        image: ImageId,
        /// Why.
        source: ConfigError,
    },
    /// No image was named.
    #[error("cannot push without an image")]
    Nothing,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] layerhold::Error),
    /// Pushing was cancelled.
    #[error("cannot finish the push")]
    Cancelled(#[from] Cancelled),
}

/// Why a manifest would have to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Change {
    /// The registry lacks layers as they were compressed, which the store does not keep.
    #[error(
        "the registry does not have layer {layer} as it was compressed, and another compression has another digest"
    )]
    Layer {
        /// The position of the first such layer, from 0.
        layer: usize,
    },
    /// Another format was asked for.
    #[error("another format has another digest")]
    Format,
    /// Media types do not fit the layers.
    #[error("the media types in its manifest do not fit its layers")]
    MediaTypes,
}

impl PushError {
    /// Whether the image is not in the store.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Image(error) => error.is_not_found(),
            Self::Store(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// What the registry did, if that is the cause.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        let mut causes = layerhold_sys::causes(self);
        causes.find_map(|cause| cause.downcast_ref())
    }

    /// Whether something else is in the way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::SamePlatform { .. } => true,
            Self::Store(error) => error.is_conflict(),
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

store_errors!(PushError: AccessError, LookupError);
