//! Layer, image and container IDs, names and digests of a containers-storage store: parsing,
//! printing, generating.
//!
//! An ID names a record, and also a file or directory below the store. So the three ID types accept
//! only text that is a safe path component, and they are distinct types that cannot be mixed up. A
//! [`Digest`] knows its algorithm, and digests of compressed and of uncompressed bytes are distinct
//! types.
//!
//! ```
//! use layerhold_ids::{Digest, LayerId};
//!
//! let id: LayerId = "3b5c0d1c5c4d1f2e6e8a1c0f3b5c0d1c5c4d1f2e6e8a1c0f3b5c0d1c5c4d1f2e".parse()?;
//! assert_eq!(id.short(), "3b5c0d1c5c4d");
//! assert!(id.is_canonical());
//! assert!("../etc".parse::<LayerId>().is_err());
//!
//! let digest: Digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?;
//! assert_eq!(digest.algorithm().name(), "sha256");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! - This crate does not hash: a digest is made of a hasher's output.
//! - It does not read randomness: [`LayerId::generate`] takes a function that fills a buffer.
//! - Names are plain strings, because the on-disk format sets no rules for them; see
//!   [`dedupe_names`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod id;
mod generate;
mod name;
mod digest;

pub use digest::{
    Algorithm, CompressedDigest, DiffId, Digest, DigestError, ManifestDigest, TocDigest,
};
pub use id::{ContainerId, IdError, ImageId, LayerId, is_canonical_id, is_short_id, truncate_id};
pub use name::{CheckedName, NameError, dedupe_names};
