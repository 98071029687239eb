//! PLACEHOLDER

use crate::catalog::error::AccessError;
use crate::catalog::error::LookupError;
use crate::records::error_kind::ErrorKind;
use crate::records::kinds::ItemKind;
use layerhold_sys::PathError;

/// A big data item cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Items may not have this name: it is empty, or its file would lie outside the item's
    /// directory.
    #[error("{key:?} is not a valid name for a big data item")]
    InvalidName {
        /// The name.
        key: String,
        /// Why not.
        #[source]
        source: layerhold_json_store::KeyError,
    },
    /// There is no item of this name.
    #[error("there is no big data item {key:?} for {kind} {id}")]
    NotFound {
        /// Layer, image or container.
        kind: ItemKind,
        /// Whose item.
        id: String,
        /// The item.
        key: String,
    },
    /// No temporary area can be made for data that a caller hands in.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// The item's digest was not given and cannot be computed here.
    #[error("the digest of {key:?} depends on its type and was not given")]
    DigestNeeded {
        /// The item.
        key: String,
    },
    /// The record names a digest that is none.
    #[error("the recorded digest of {key:?} is not a digest: {text:?}")]
    DigestDamaged {
        /// The item.
        key: String,
        /// What the record says.
        text: String,
    },
    /// The item is larger than what is read into memory.
    #[error("big data item {key:?} is larger than {limit} bytes")]
    TooLarge {
        /// The item.
        key: String,
        /// The limit.
        limit: u64,
    },
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
    /// The item cannot be read or written.
    #[error("cannot use a data item of {kind} {id}")]
    Item {
        /// Layer, image or container.
        kind: ItemKind,
        /// Whose item.
        id: String,
        /// Why.
        #[source]
        source: Box<layerhold_json_store::BigDataError>,
    },
    /// The data cannot be read from the caller.
    #[error("cannot read the data to be stored as {key:?}")]
    Input {
        /// The item.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl DataError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::InvalidName { .. } => Some(ErrorKind::InvalidBigDataName),
            Self::DigestNeeded { .. } => Some(ErrorKind::DigestUnknown),
            Self::Lookup(error) => error.kind(),
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}
