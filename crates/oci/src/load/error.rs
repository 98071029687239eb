//! Why an image could not be loaded.

use layerhold::{AccessError, CommitError, LookupError, StageError};
use layerhold_ids::{DiffId, Digest, LayerId};
use layerhold_reference::ReferenceError;
use layerhold_sys::Cancelled;

use crate::names::NameError;
use crate::source::SourceError;
use crate::store_errors::store_errors;

/// An image that could not be loaded. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The source is unusable.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] layerhold::Error),
    /// A name is malformed.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A name has the digest of another image.
    #[error("cannot call the image {name:?}: {}", has_digests(digests))]
    NameDigest {
        /// The name.
        name: String,
        /// The digests that the image has.
        digests: Vec<String>,
    },
    /// Names were given for several images at once.
    #[error("cannot give names to {count} images at once: choose one image of the source")]
    NamesForSeveral {
        /// How many images there are.
        count: usize,
    },
    /// A layer's size is not the one in the manifest.
    #[error(
        "cannot load layer {index}: it has {actual} bytes, not {expected} as the manifest says"
    )]
    LayerSize {
        /// The position of the layer, from 0.
        index: usize,
        /// The size in the manifest, in bytes.
        expected: u64,
        /// The size in the source, in bytes.
        actual: u64,
    },
    /// A layer is not what the manifest says it is.
    #[error(
        "cannot load layer {index}: it has the digest {actual}, not {expected} as the manifest says"
    )]
    LayerDigest {
        /// The position of the layer, from 0.
        index: usize,
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of what was read.
        actual: Digest,
    },
    /// A layer unpacks to something else than the configuration says.
    #[error(
        "cannot load layer {index}: it unpacks to {actual}, not to {expected} as the configuration says"
    )]
    DiffIdMismatch {
        /// The position of the layer, from 0.
        index: usize,
        /// The diff ID in the configuration.
        expected: DiffId,
        /// The digest of what was unpacked.
        actual: DiffId,
    },
    /// The store has another layer with the ID that this one gets. Such a layer was created with an
    /// ID chosen by hand.
    #[error("cannot load layer {index} as {id}: the store has another layer of that ID")]
    OtherLayer {
        /// The position of the layer, from 0.
        index: usize,
        /// The ID.
        id: LayerId,
    },
    /// A layer of a docker archive is compressed in a way that cannot be undone.
    #[error("cannot decompress layer {index}")]
    Codec {
        /// The position of the layer, from 0.
        index: usize,
        /// Why.
        #[source]
        source: layerhold_archive::CodecError,
    },
    /// Reading a layer failed.
    #[error("cannot read layer {index}")]
    Read {
        /// The position of the layer, from 0.
        index: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A layer cannot be unpacked, or the store refuses it.
    #[error("cannot load layer {index}, {digest}")]
    Layer {
        /// The position of the layer, from 0.
        index: usize,
        /// The digest in the manifest.
        digest: Digest,
        /// Why.
        source: layerhold::Error,
    },
    /// Loading was cancelled.
    #[error("cannot finish loading")]
    Cancelled(#[from] Cancelled),
    /// The digest of the configuration cannot be an image ID.
    #[error("cannot use the digest of the configuration as an image ID")]
    ImageId,
}

impl LoadError {
    /// Whether the source, or something that was named, is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Source(error) => error.is_not_found(),
            Self::Store(error) | Self::Layer { source: error, .. } => error.is_not_found(),
            _ => false,
        }
    }

    /// Whether something else in the store is in the way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::OtherLayer { .. } => true,
            Self::Source(error) => error.is_conflict(),
            Self::Store(error) | Self::Layer { source: error, .. } => error.is_conflict(),
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

impl From<NameError> for LoadError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Name(error) => Self::Name(error),
            NameError::NameDigest { name, digests } => Self::NameDigest { name, digests },
        }
    }
}

/// Which digests a name may have.
fn has_digests(digests: &[String]) -> String {
    match digests {
        [] => "it has no digest before it is in a store".to_owned(),
        digests => format!("its digest is {}", digests.join(" or ")),
    }
}

store_errors!(LoadError: AccessError, CommitError, LookupError, StageError);
