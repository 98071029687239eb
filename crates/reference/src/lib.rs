//! Names of container images: registry, repository, tag and digest.
//!
//! A [`Reference`] is a complete name, such as `docker.io/library/busybox:latest`. It is parsed
//! from the texts that docker, podman and skopeo take, by the same rules: without a registry a name
//! belongs to `docker.io`, and without a folder there to `library`. [`Reference::local`] completes
//! names as podman does for images of this machine. [`is_short_name`] tells whether a name needs a
//! registry from the configuration.
//!
//! ```
//! use layerhold_reference::Reference;
//!
//! let image: Reference = "busybox".parse()?;
//! assert_eq!(image.to_string(), "docker.io/library/busybox");
//! assert_eq!(image.clone().or_latest().to_string(), "docker.io/library/busybox:latest");
//! assert_eq!(image.familiar(), "busybox");
//!
//! let image: Reference = "quay.io:443/app/web:1.0".parse()?;
//! assert_eq!(image.registry(), "quay.io:443");
//! assert_eq!(image.repository(), "app/web");
//! assert_eq!(image.tag(), Some("1.0"));
//! # Ok::<(), layerhold_reference::ReferenceError>(())
//! ```
//!
//! # Limitations
//!
//! - A registry is a host name or an IPv4 address. IPv6 addresses are refused, as in podman.
//! - Digests are SHA-256, SHA-384 or SHA-512.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod short;
mod reference;
mod grammar;
mod error;

pub use error::ReferenceError;
pub use grammar::{is_registry, is_repository, is_tag};
pub use layerhold_ids;
pub use reference::Reference;
pub use short::is_short_name;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
