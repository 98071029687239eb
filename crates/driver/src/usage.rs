//! The space that a tree takes.

/// The space that a tree takes on disk (Go: pkg/directory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The sizes of all entries but directories, each inode once.
    pub bytes: u64,
    /// Distinct inodes, directories included.
    pub inodes: u64,
}
