//! Warnings about a configuration.

use std::fmt;
use std::path::PathBuf;

/// A likely mistake in a configuration that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The key is unknown.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
    },
    /// A value that should be a table is something else, and has no effect, as in Go.
    NotATable {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A file has two registries with one prefix. The first one counts.
    SamePrefix {
        /// The file.
        path: PathBuf,
        /// The line of the second one, from 1.
        line: usize,
        /// The prefix.
        prefix: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey { path, line, key } => {
                write!(f, "{}:{line}: unknown key {key}", path.display())
            }
            Warning::NotATable { path, line, key } => {
                let path = path.display();
                write!(
                    f,
                    "{path}:{line}: {key} has no effect, because it is not a table"
                )
            }
            Warning::SamePrefix { path, line, prefix } => {
                let path = path.display();
                write!(
                    f,
                    "{path}:{line}: has no effect, because a registry before it has the prefix {prefix}"
                )
            }
        }
    }
}
