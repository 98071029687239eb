//! Why an image could not be loaded.

use layerhold_ids::{DiffId, Digest, LayerId};

use crate::reference::ParseNameError;
use crate::source::SourceError;

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
    Name(#[from] ParseNameError),
    /// A name has the digest of another image.
    #[error("the image cannot be called {name:?}: {}", has_digests(digests))]
    NameDigest {
        /// The name.
        name: String,
        /// The digests that the image has.
        digests: Vec<String>,
    },
    /// Names were given for several images at once.
    #[error("the source holds {count} images, and the names given are for one: choose one")]
    NamesForSeveral {
        /// How many images there are.
        count: usize,
    },
    /// A layer has not the size that the manifest gives it.
    #[error("layer {index} has {actual} bytes, not {expected} as the manifest says")]
    LayerSize {
        /// The position of the layer, from 0.
        index: usize,
        /// The size in the manifest, in bytes.
        expected: u64,
        /// The size in the source, in bytes.
        actual: u64,
    },
    /// A layer is not what the manifest says it is.
    #[error("layer {index} has the digest {actual}, not {expected} as the manifest says")]
    LayerDigest {
        /// The position of the layer, from 0.
        index: usize,
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of what was read.
        actual: Digest,
    },
    /// A layer unpacks to something else than the configuration says.
    #[error("layer {index} unpacks to {actual}, not to {expected} as the configuration says")]
    DiffIdMismatch {
        /// The position of the layer, from 0.
        index: usize,
        /// The diff ID in the configuration.
        expected: DiffId,
        /// The digest of what was unpacked.
        actual: DiffId,
    },
    /// The store has a layer of the wanted ID that is not the wanted one. Only somebody who
    /// chose the ID by hand makes such a layer.
    #[error("layer {index} should become {id}, but the store has another layer of that ID")]
    OtherLayer {
        /// The position of the layer, from 0.
        index: usize,
        /// The ID.
        id: LayerId,
    },
    /// A layer of a docker archive is compressed in a way that cannot be undone.
    #[error("layer {index} cannot be decompressed")]
    Codec {
        /// The position of the layer, from 0.
        index: usize,
        /// Why.
        #[source]
        source: layerhold_archive::CodecError,
    },
    /// Reading a layer failed.
    #[error("layer {index} cannot be read")]
    Read {
        /// The position of the layer, from 0.
        index: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The digest of the configuration cannot be an image ID.
    #[error("the digest of the configuration cannot be an image ID")]
    ImageId,
}

/// Which digests a name may have.
fn has_digests(digests: &[String]) -> String {
    match digests {
        [] => "it has no digest before it is in a store".to_owned(),
        digests => format!("its digest is {}", digests.join(" or ")),
    }
}
