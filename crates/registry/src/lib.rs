//! A blocking client of the OCI distribution API, which registries of container images speak.
//!
//! A [`Client`] makes a [`Registry`] of an [`Endpoint`], and that a [`Repository`] of a path:
//!
//! ```no_run
//! use std::io::Read;
//!
//! use layerhold_registry::{Client, Endpoint, TagOrDigest};
//! use layerhold_registry::layerhold_reference::Reference;
//!
//! let image: Reference = "quay.io/podman/hello".parse()?;
//! let registry = Client::default().registry(Endpoint::of(&image), None)?;
//! let repository = registry.repository(image.repository())?;
//! let accept = ["application/vnd.oci.image.manifest.v1+json"];
//! let manifest = repository.manifest(&TagOrDigest::of(&image), &accept)?;
//! println!("{}", manifest.digest);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Promises
//!
//! - A [`Blob`] goes on after a cut connection where it stopped. It ends with an error if the size
//!   is not the expected one. Its digest is checked by [`Blob::verified`] alone.
//! - Credentials go to the registry's own origin and to its token server, never to where it
//!   redirects, and never to the address of a foreign layer. No error and no `Debug` form has one.
//! - What a server sends is bounded: headers, manifests, tokens, errors, pages, redirects.
//! - Each wait ends within about 50 milliseconds once the client's `Cancel` is used, and when the
//!   server is silent for longer than the idle limit.
//! - Nothing is printed, and neither the environment nor any configuration is read, except that the
//!   system's certificates are looked for where `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
//!
//! # Limitations
//!
//! - HTTP/1.1, one request at a time on each connection.
//! - A redirect of a request that changes something is followed within the registry only.
//! - `ureq` writes to the crate `log`. At the level `trace`, which is meant for its own authors, it
//!   shows addresses with their queries.
//! - A name lookup that is cancelled goes on in a thread until the system gives up.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod file;
mod client;
mod registry;
mod repository;
mod tags;
mod referrers;
mod pages;
mod upload;
mod source;
mod presence;
mod manifest;
mod verified;
mod blob;
mod location;
mod session;
mod token;
mod manner;
mod redirect;
mod http;
mod retry;
mod deadline;
mod wire;
mod endpoint;
mod options;
mod login;
mod error;
mod names;
pub mod parse;

pub use blob::Blob;
pub use client::{Client, ClientError};
pub use endpoint::{Endpoint, Security};
pub use error::{Answer, Problem, RedirectError, RegistryError, Task};
pub use layerhold_ids;
pub use layerhold_reference;
pub use layerhold_sys;
pub use login::Login;
pub use manifest::{Described, Manifest};
pub use names::{NameError, TagOrDigest};
pub use options::{ClientOptions, Retries};
pub use parse::{ServerError, UrlError};
pub use registry::Registry;
pub use repository::Repository;
pub use source::{BlobSource, FileSource};
pub use tags::Tags;
pub use verified::VerifiedBlob;
pub use wire::CertificateError;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
