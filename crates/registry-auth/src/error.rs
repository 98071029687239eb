//! Errors of looking up and changing credentials.

use std::io;
use std::path::PathBuf;

use layerhold_environment::HomeError;

use crate::edit::EditError;
use crate::entry::EntryError;
use crate::helper::HelperError;
use crate::helper_name::HelperName;
use crate::key::RegistryKey;
use crate::members::ParseError;

/// Why credentials cannot be looked up or changed. No message has a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The home directory of the user is needed, and `/etc/passwd` cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file is malformed.
    #[error("cannot use {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The entry or the helper that a file has for a registry is malformed.
    #[error("cannot use what {} has for {key}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// What was looked up.
        key: RegistryKey,
        /// What is wrong with it.
        source: EntryError,
    },
    /// The helpers in a file are malformed.
    #[error("cannot use the helpers in {}", path.display())]
    Helpers {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: EntryError,
    },
    /// A file cannot hold the change.
    #[error("cannot change what {} has for {key}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// What the change is about.
        key: RegistryKey,
        /// Why.
        source: EditError,
    },
    /// A file cannot be emptied.
    #[error("cannot remove the credentials in {}", path.display())]
    Clear {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EditError,
    },
    /// A file cannot be written. It is unchanged.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// `XDG_RUNTIME_DIR` names a directory that does not exist.
    #[error("cannot write credentials: XDG_RUNTIME_DIR is {}, which does not exist; create or unset it", path.display())]
    RuntimeDirectory {
        /// Its value.
        path: PathBuf,
    },
    /// A helper failed.
    #[error("cannot ask a helper about {key}")]
    Helper {
        /// What it was asked about: the name of a registry, as the helper knows it.
        key: String,
        /// The helper, and how it failed.
        source: HelperError,
    },
    /// A helper cannot list what it has.
    #[error("cannot list the registries of a helper")]
    List {
        /// The helper, and how it failed.
        source: HelperError,
    },
    /// Helpers have credentials for registries only.
    #[error(
        "cannot give credentials for {key} to the helper {helper}: helpers know registries, not namespaces or repositories in them"
    )]
    Namespaced {
        /// The key.
        key: RegistryKey,
        /// The helper.
        helper: HelperName,
    },
}
