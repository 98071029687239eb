use std::io;
use std::path::PathBuf;

use layerhold_sys::PathError;
use layerhold_tar_format::WriteError;

/// Why a tree could not be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Something in the tree cannot be read.
    #[error("pack {}", entry.display())]
    Entry {
        /// The path in the archive.
        entry: PathBuf,
        /// What the filesystem refused.
        source: PathError,
    },
    /// A file or directory of an overlay refers to one of another layer, so its
    /// content is only seen in the mounted tree.
    #[error("{} refers to another layer, whose content only the mounted tree shows", entry.display())]
    Reference {
        /// The path in the archive.
        entry: PathBuf,
    },
    /// The content of a file cannot be read.
    #[error("read the content of {}", entry.display())]
    Read {
        /// The path in the archive.
        entry: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file became shorter while it was packed.
    #[error("{} lost {missing} bytes while it was packed", entry.display())]
    Shrunk {
        /// The path in the archive.
        entry: PathBuf,
        /// Bytes that were announced and are gone.
        missing: u64,
    },
    /// Owner or group of a file is outside the ID mappings.
    #[error("owner {uid}:{gid} of {} has no mapping", entry.display())]
    UnmappedOwner {
        /// The path in the archive.
        entry: PathBuf,
        /// User ID on disk.
        uid: u32,
        /// Group ID on disk.
        gid: u32,
    },
    /// The archive cannot be written, or cannot hold an entry.
    #[error("write the archive entry {}", entry.display())]
    Write {
        /// The path in the archive; empty for its end.
        entry: PathBuf,
        /// The cause.
        source: WriteError,
    },
}
