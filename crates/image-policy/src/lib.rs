//! Reads `policy.json` as podman, buildah and skopeo do, and says whether an image may be used.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use layerhold_image_policy::{Context, ImageLocation, Policy, UnverifiedImage};
//!
//! let policy = Policy::parse(br#"{
//!     "default": [{"type": "reject"}],
//!     "transports": {"docker": {"quay.io/app": [{"type": "insecureAcceptAnything"}]}}
//! }"#)?;
//! let files = BTreeMap::new();
//! let context = Context::new(&files);
//!
//! let image = ImageLocation::docker(&"quay.io/app/web:1".parse()?)?;
//! assert!(policy.check(&UnverifiedImage::new(&image, b"{}"), &context).is_ok());
//!
//! let image = ImageLocation::docker(&"quay.io/other:1".parse()?)?;
//! let refused = policy.check(&UnverifiedImage::new(&image, b"{}"), &context).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "the policy refuses docker://quay.io/other:1: its default requires reject"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Policy::of_process`] reads the file that podman reads. [`Policy::requirements`] says what is
//! required of an image, so that signatures are fetched only where they are needed.
//! [`Signature::parse`] reads signatures as stores and lookaside servers keep them.
//!
//! # Promises
//!
//! - What podman's library refuses is refused. Every refusal has a reason.
//! - A mistake in a policy is an error with its place, and nothing of that policy is used.
//! - Nothing is asked of a registry or a store. Files with keys are read through [`KeyFiles`].
//!
//! # Limitations
//!
//! - Signatures are not verified yet: requirements that ask for one refuse every image.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod load;
mod policy;
mod verdict;
mod parse;
mod parse_sigstore;
mod parse_identity;
mod parse_values;
mod scope;
mod context;
mod requirement;
mod identity;
mod location;
mod signature;
mod error;
mod gojson;
mod json;
mod base64;

pub use context::{Context, KeyFiles};
pub use error::{LoadError, PolicyError, Problem};
pub use identity::SignedIdentity;
pub use json::{FormatError, ShapeProblem};
pub use layerhold_environment;
pub use layerhold_reference;
pub use load::load;
pub use location::{ImageLocation, LocationError};
pub use policy::{Acceptance, Policy, Refused, Rules};
pub use requirement::{
    Fulcio, KeyType, Material, Pki, PkiSubject, Requirement, SignedBy, Signers, SigstoreSigned,
};
pub use signature::{Signature, SignatureError, SigstoreSignature};
pub use verdict::{AcceptedSignature, Refusal, UnverifiedImage};

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
