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
//! # Signatures
//!
//! A requirement of the type `signedBy` is met by an OpenPGP message of the format simple signing,
//! and one of the type `sigstoreSigned` by a sigstore signature: by a key, by a certificate of
//! Fulcio, or by one of another authority, with the record of a transparency log (Rekor) where the
//! policy asks for it. What is verified is the manifest: that the layers have the digests in it is
//! for the caller to check.
//!
//! # Promises
//!
//! - What podman's library refuses is refused. Every refusal has a reason.
//! - A mistake in a policy is an error with its place, and nothing of that policy is used.
//! - Nothing is asked of a registry or a store. Files with keys are read through [`KeyFiles`].
//!
//! # Limitations
//!
//! Some of what podman accepts is refused:
//!
//! - OpenPGP: signatures with SHA-1, RIPEMD-160 or MD5, from the future, or in text form; RSA keys
//!   below 2048 bits; DSA keys of 1024 bits; brainpool curves; messages above 1 MiB, compressed
//!   with bzip2, or with more packets than a text and its signature.
//! - Sigstore: ECDSA on P-521 and P-224; certificates that permit any use of their key instead of
//!   code signing, or that are below an authority with rules about e-mail addresses.
//! - Manifests of docker's schema 1 that have signatures inside.
//! - JSON that is not UTF-8, and bytes that are lists of numbers instead of base64.
//!
//! `signedBaseLayer` refuses every image, as in podman. `registries.d` is not read.
//!
//! Without the feature `openpgp`, requirements of the type `signedBy` refuse every image.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod load;
mod policy;
mod verdict;
#[cfg(feature = "openpgp")]
mod simple;
mod sigstore;
mod claim;
mod accepted;
mod context;
mod reason;
#[cfg(feature = "openpgp")]
mod openpgp;
#[cfg(feature = "openpgp")]
mod keyring;
#[cfg(feature = "openpgp")]
mod openpgp_signature;
mod certificate;
mod rekor;
mod public_key;
mod pem;
mod payload;
mod parse;
mod parse_sigstore;
mod parse_identity;
mod parse_values;
mod scope;
mod requirement;
mod identity;
mod location;
mod signature;
mod error;
mod gojson;
mod json;
mod base64;

pub use accepted::{AcceptedSignature, UnverifiedImage};
pub use certificate::{CertificateError, PathError};
pub use context::{Context, KeyFiles};
pub use error::{LoadError, PolicyError, Problem};
pub use identity::SignedIdentity;
pub use json::{FormatError, ShapeProblem};
#[cfg(feature = "openpgp")]
pub use keyring::KeyFault;
pub use layerhold_environment;
pub use layerhold_reference;
pub use load::load;
pub use location::{ImageLocation, LocationError};
#[cfg(feature = "openpgp")]
pub use openpgp::OpenPgpError;
pub use payload::{Payload, PayloadError};
pub use policy::{Acceptance, Policy, Refused, Rules};
pub use public_key::PublicKeyError;
pub use reason::{KeyError, Reason};
pub use rekor::RekorError;
pub use requirement::{
    Fulcio, KeyType, Material, Pki, PkiSubject, Requirement, SignedBy, Signers, SigstoreSigned,
};
pub use signature::{Signature, SignatureError, SigstoreSignature};
pub use verdict::Refusal;

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
