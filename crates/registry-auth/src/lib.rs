//! Credentials for container registries, kept as podman, buildah and skopeo keep them.
//!
//! A [`CredentialStore`] looks credentials up in `auth.json` and docker's files, by repository,
//! namespace or registry, and asks credential helpers; and it stores and removes them:
//!
//! ```no_run
//! use layerhold_registry_auth::{CredentialStore, Credentials, Environment};
//!
//! let store = CredentialStore::new(Environment::of_process());
//! if let Some(login) = store.get(&"quay.io/team/app".parse()?)? {
//!     println!("{} (from {})", login.credentials.username(), login.place);
//! }
//! store.set(&"quay.io".parse()?, &Credentials::password("ann", "secret"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`AuthFile`] is one such file, from bytes and to bytes: it touches no files. [`Helper`] is one
//! credential helper.
//!
//! # Promises
//!
//! - A [`Secret`] is never printed, in no error and no `Debug` form, and is overwritten in memory
//!   when it is dropped. Parsers may leave a copy of a text with escapes.
//! - A change of a file leaves every byte of other entries and of unknown members as it is. The
//!   file is replaced durably and at once, and has mode 0600.
//! - A helper is run without a shell, from an absolute directory of `PATH`, with bounded time and
//!   output. Secrets go through its standard input, never through its arguments.
//! - Only [`Environment::of_process`] reads the environment of the process.
//!
//! # Limitations
//!
//! - User names and passwords are UTF-8.
//! - Plain `username` and `password` members of docker's entries, and `registrytoken`, are not
//!   read, as in podman.
//! - A helper's own children are not killed with it. Its standard error is dropped.
//! - An authentication file is a regular file, not a pipe.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod changes;
mod store;
mod paths;
mod disk;
mod error;
mod helper;
mod child;
mod edit;
mod auth_file;
mod entry;
mod members;
mod helper_name;
mod key;
mod credentials;
mod secret;

pub use auth_file::{AuthFile, FileFormat, Found};
pub use child::HelperFailure;
pub use credentials::Credentials;
pub use edit::EditError;
pub use entry::EntryError;
pub use error::AuthError;
pub use helper::{Helper, HelperError};
pub use helper_name::{HelperName, HelperNameError};
pub use key::{KeyError, RegistryKey};
pub use layerhold_environment::{self, Environment};
pub use members::ParseError;
pub use paths::AuthPath;
pub use secret::Secret;
pub use store::{CredentialStore, Login, Place, Source};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
