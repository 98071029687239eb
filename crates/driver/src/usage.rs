//! What a tree takes on disk.

/// What a tree takes on disk (Go: pkg/directory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Sizes of everything but directories, each inode once.
    pub bytes: u64,
    /// Distinct inodes, directories included.
    pub inodes: u64,
}
