//! What can be wrong with a configuration.

use std::io;
use std::path::PathBuf;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file or directory is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A variable names a file that does not exist.
    #[error("{variable} names {}, which does not exist", path.display())]
    Missing {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file is not UTF-8.
    #[error("{}:{line}: not UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A value has a type that its key does not take.
    #[error("{}:{line}: {key} is {found}, which should be {expected}{}", path.display(), hint(expected, found))]
    Type {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables, such as `storage.driver`.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A number is negative or too large.
    #[error("{}:{line}: {key} is not between 0 and {}", path.display(), u32::MAX)]
    Range {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
    },
    /// A list has an attribute that is not `append`.
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
    /// A root is empty once its variables are put in.
    #[error("{key} must be set: {value:?} is empty here")]
    EmptyRoot {
        /// The key: `graphroot` or `runroot`.
        key: &'static str,
        /// What the file says.
        value: String,
    },
    /// The image store is the graph root (Go's words).
    #[error("imagestore {} must either be not set or be different than graphroot", path.display())]
    SameRoots {
        /// Both of them.
        path: PathBuf,
    },
    /// An ordinary user has no home directory, so there is no place for a store.
    #[error(
        "user {user} has no home directory: set HOME, XDG_DATA_HOME, or graphroot in storage.conf"
    )]
    NoHome {
        /// The user.
        user: u32,
    },
    /// `XDG_RUNTIME_DIR` is of no use.
    #[error("XDG_RUNTIME_DIR is {}", path.display())]
    RuntimeDirectory {
        /// What it says.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// An ordinary user has no directory for what may be lost at a reboot.
    #[error("{} is not a directory that only user {user} can write to: set XDG_RUNTIME_DIR, or runroot in storage.conf", path.display())]
    NoRuntimeDirectory {
        /// The last directory that was tried.
        path: PathBuf,
        /// The user.
        user: u32,
    },
}

/// What to do about the commonest mistake: options that are truth values in quotes.
fn hint(expected: &str, found: &str) -> &'static str {
    if expected == "a string" && found == "a boolean" {
        ": put it in quotes"
    } else {
        ""
    }
}
