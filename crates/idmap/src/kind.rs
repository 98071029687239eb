//! Users or groups.

use std::fmt;

/// Whether IDs are those of users or of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// User IDs.
    Uid,
    /// Group IDs.
    Gid,
}

impl fmt::Display for IdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uid => "UID",
            Self::Gid => "GID",
        })
    }
}
