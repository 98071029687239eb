//! Errors of a configuration.

use std::io;
use std::path::PathBuf;

use layerhold_environment::{HomeError, NotUtf8};
use layerhold_toml_table::TomlError;

/// Why a configuration cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file or directory exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A variable names a file that does not exist.
    #[error("cannot read {} (from {variable}): it does not exist", path.display())]
    Missing {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The home directory of the user is needed, and `/etc/passwd` cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A variable that names a driver or its options is not UTF-8.
    #[error(transparent)]
    NotUtf8(#[from] NotUtf8),
    /// A file is not TOML, or a value has the wrong type.
    #[error(transparent)]
    File(#[from] TomlError),
    /// A list has another attribute than `append`.
    #[error("{}:{line}: {key} has the attribute {attribute:?}; lists only take \"append\"", path.display())]
    Attribute {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
        /// The attribute.
        attribute: String,
    },
    /// A root is empty after expanding its variables.
    #[error("{key} must be set: {value:?} is empty here")]
    EmptyRoot {
        /// The key: `graphroot` or `runroot`.
        key: &'static str,
        /// The value in the file.
        value: String,
    },
    /// The image store is the graph root (Go's message).
    #[error("imagestore {} must either be not set or be different than graphroot", path.display())]
    SameRoots {
        /// The common path.
        path: PathBuf,
    },
    /// An unprivileged user has no home directory for a store.
    #[error(
        "user {user} has no home directory: set HOME, XDG_DATA_HOME, or graphroot in storage.conf"
    )]
    NoHome {
        /// The user.
        user: u32,
    },
    /// `XDG_RUNTIME_DIR` is not usable.
    #[error("cannot use XDG_RUNTIME_DIR={}", path.display())]
    RuntimeDirectory {
        /// Its value.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An unprivileged user has no directory for the run root.
    #[error("{} is not a directory that only user {user} can write to: set XDG_RUNTIME_DIR, or runroot in storage.conf", path.display())]
    NoRuntimeDirectory {
        /// The last candidate.
        path: PathBuf,
        /// The user.
        user: u32,
    },
}
