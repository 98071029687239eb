//! Damage to what a driver keeps beside the files of layers.

use std::path::PathBuf;

/// Something wrong with what a driver itself keeps about a layer, or about its home: a link between
/// layers, a list of parents.
///
/// Files of layers are not its subject: whether they are what was imported is found out by whoever
/// has the record of that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
#[non_exhaustive]
pub struct Flaw {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it, as the end of a sentence that begins with its name, such as `is
    /// empty`.
    pub what: String,
    /// Whether it can be made anew.
    pub mending: Mending,
}

/// Whether a driver can make something anew from what else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mending {
    /// It can.
    Possible,
    /// It cannot: the layer is of no use any more.
    Impossible,
}

impl Flaw {
    /// Describes a flaw that can be mended.
    #[must_use]
    pub fn mendable(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            what: what.into(),
            mending: Mending::Possible,
        }
    }

    /// Describes a flaw that cannot be mended.
    #[must_use]
    pub fn fatal(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            mending: Mending::Impossible,
            ..Self::mendable(path, what)
        }
    }
}
