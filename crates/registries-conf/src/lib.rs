//! Reads `registries.conf`, its drop-ins, the aliases of short names, `certs.d` and `registries.d`,
//! and says where an image is pulled from and where its signatures are.
//!
//! [`RegistriesConf::of_process`] finds and merges the files that podman, buildah and skopeo read:
//!
//! ```no_run
//! use layerhold_registries_conf::RegistriesConf;
//!
//! let conf = RegistriesConf::of_process()?;
//! let resolved = conf.resolve("busybox")?;
//! for source in conf.pull_sources(&resolved.candidates[0])? {
//!     println!("{} {}", source.reference, source.insecure);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RegistriesConf::add`] takes the text of a file instead, so that nothing is read:
//!
//! ```
//! use layerhold_registries_conf::{FileKind, RegistriesConf};
//!
//! let mut conf = RegistriesConf::default();
//! conf.add("registries.conf", FileKind::Main, r#"
//!     unqualified-search-registries = ["quay.io"]
//!     [[registry]]
//!     location = "quay.io"
//!     [[registry.mirror]]
//!     location = "mirror.example:5000/quay"
//!     insecure = true
//! "#)?;
//! let resolved = conf.resolve("app/web:1")?;
//! let sources = conf.pull_sources(&resolved.candidates[0])?;
//! assert_eq!(sources[0].reference.to_string(), "mirror.example:5000/quay/app/web:1");
//! assert!(sources[0].insecure);
//! assert_eq!(sources[1].reference.to_string(), "quay.io/app/web:1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Certificates`] are the files of a registry in `certs.d`, and [`RegistriesD`] says where
//! signatures of an image are.
//!
//! # Promises
//!
//! - What podman's library accepts is accepted, and answers are the same, down to its oddities:
//!   the prefix `example.com` also matches `example.com:5000/app`, and a wildcard wins against a
//!   prefix of the same length.
//! - A mistake in a file is an error with its line, and none of the settings in it are used. Keys
//!   without effect are [`Warning`]s.
//! - No registry is asked. Only [`ShortNames::keep`], [`ShortNames::forget`] and
//!   [`RegistriesConf::keep_choice`] write: the file of aliases that people chose.
//!
//! # Limitations
//!
//! - `auth.json` and `policy.json` are not read.
//! - The file of aliases is read without its lock, so what another tool writes at that moment may
//!   be missed. Changes take the lock.
//! - Merge keys and tags of YAML are refused in `registries.d`.
//! - Aliases whose name has a first component with a period that is no host name (`a_b.c/x`) are
//!   refused.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod signatures;
mod record;
mod load;
mod resolve;
mod conf;
mod file;
mod v1;
mod check;
mod aliases;
mod section;
mod registry;
mod prefix;
mod certificates;
mod warning;
mod error;

pub use aliases::ShortNames;
pub use certificates::{CertificateData, Certificates, CertificatesError, ClientCertificate, Pem};
pub use conf::{CredentialHelper, FileKind, RegistriesConf, ShortNameMode};
pub use error::{Problem, RegistriesError};
pub use layerhold_environment::{self, ConfigFiles, Environment, HostFiles};
pub use layerhold_reference;
pub use layerhold_toml_table::{self, TomlError};
pub use load::load;
pub use record::RecordError;
pub use registry::{Mirror, MirrorUse, PullSource, PullSourceError, Registry};
pub use resolve::{Origin, ResolveError, Resolved, Selection};
pub use signatures::error::{RegistriesDError, YamlProblem};
pub use signatures::lookaside::{
    Lookaside, LookasideProblem, LookasideUrl, MAX_LOOKASIDE_SIGNATURES,
};
pub use signatures::registries_d::{LookasideError, RegistriesD};
pub use warning::Warning;

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
