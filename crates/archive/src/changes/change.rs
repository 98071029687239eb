//! One difference between two trees, and the errors of finding them.

use std::fmt;
use std::path::PathBuf;

use layerhold_sys::{Cancelled, PathError};

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It exists in both trees and differs, or something below it does.
    Modify,
    /// Only the new tree has it.
    Add,
    /// Only the old tree has it.
    Delete,
}

impl ChangeKind {
    /// The letter Go prints (`pkg/archive/changes.go`).
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Modify => 'C',
            Self::Add => 'A',
            Self::Delete => 'D',
        }
    }
}

/// One difference between two trees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The path, absolute as seen from the trees' root.
    pub path: PathBuf,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// Writes the letter and the path (Go: `Change.String`).
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.letter(), self.path.display())
    }
}

/// Why two trees could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// Something in the new tree cannot be read.
    #[error("cannot read the new tree")]
    New(#[source] PathError),
    /// Something in the old tree cannot be read.
    #[error("cannot read the old tree")]
    Old(#[source] PathError),
    /// A directory of an overlay was renamed, and what it holds is still below
    /// its old name.
    #[error("cannot list {}: it continues a directory of another name, which only the mounted tree shows", path.display())]
    Redirected {
        /// The directory, relative to the root.
        path: PathBuf,
    },
    /// It was cancelled.
    #[error("cannot compare the trees")]
    Cancelled(#[from] Cancelled),
}

impl ChangesError {
    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}
