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
    /// The key has no effect any more, or not in this table.
    NoEffect {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
        /// The key to use instead, if there is one.
        instead: Option<&'static str>,
    },
    /// The driver has its old name.
    OldDriverName,
    /// `rootless_storage_path` is overridden by `graphroot`.
    RootlessPathUnused,
    /// A root is that of the system's store, and is ignored for an unprivileged user.
    SystemRoot {
        /// The key of the root.
        key: &'static str,
    },
    /// A root contains a variable that is not set, which counts as empty.
    UnsetVariable {
        /// The key of the root.
        key: &'static str,
        /// The variable.
        variable: String,
    },
    /// A drop-in is a link or no regular file, and is not read, as in Go.
    DropInNotAFile {
        /// The path of the drop-in.
        path: PathBuf,
    },
}

impl Warning {
    /// Whether the Go library prints this warning too; it logs the others for debugging only, or
    /// not at all.
    #[must_use]
    pub fn is_loud(&self) -> bool {
        matches!(self, Warning::OldDriverName | Warning::RootlessPathUnused)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey { path, line, key } => {
                write!(f, "{}:{line}: unknown key {key}", path.display())
            }
            Warning::NoEffect {
                path,
                line,
                key,
                instead,
            } => {
                write!(f, "{}:{line}: {key} has no effect", path.display())?;
                instead.map_or(Ok(()), |instead| write!(f, "; use {instead}"))
            }
            Warning::OldDriverName => f.write_str("the driver overlay2 is called overlay now"),
            Warning::RootlessPathUnused => {
                f.write_str("rootless_storage_path is not used, because graphroot is set as well")
            }
            Warning::SystemRoot { key } => {
                write!(
                    f,
                    "{key} is the place of the system's store, and is not used for this user"
                )
            }
            Warning::UnsetVariable { key, variable } => {
                write!(f, "{key} names the variable {variable}, which is not set")
            }
            Warning::DropInNotAFile { path } => {
                write!(
                    f,
                    "{}: not read, because it is not a regular file",
                    path.display()
                )
            }
        }
    }
}
