use std::io;
use std::path::PathBuf;

use layerhold_sys::{Cancelled, PathError};
use layerhold_tar_format::WriteError;

use crate::entry_path::shown;

/// Why a tree could not be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Something in the tree cannot be read.
    #[error("cannot pack {}", entry.display())]
    Entry {
        /// The path in the archive.
        entry: PathBuf,
        /// The error of the filesystem.
        source: PathError,
    },
    /// An overlay's file or directory refers to another layer, so only the mounted tree shows its
    /// content.
    #[error("cannot pack {}: its content is in another layer, which only the mounted tree shows", entry.display())]
    Reference {
        /// The path in the archive.
        entry: PathBuf,
    },
    /// The lower directories of an overlay cannot be opened, to see whether an opaque directory
    /// hides anything.
    #[error("cannot find out what {} hides in the lower layers", entry.display())]
    Lower {
        /// The path in the archive.
        entry: PathBuf,
        /// The error of whatever opens them.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The content of a file cannot be read.
    #[error("cannot read the content of {}", entry.display())]
    Read {
        /// The path in the archive.
        entry: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file became shorter while it was packed.
    #[error("cannot pack {}: it lost {missing} bytes in the meantime", entry.display())]
    Shrunk {
        /// The path in the archive.
        entry: PathBuf,
        /// The number of missing bytes.
        missing: u64,
    },
    /// Owner or group of a file is outside the ID mappings.
    #[error("cannot pack {}: its owner {uid}:{gid} has no mapping", entry.display())]
    UnmappedOwner {
        /// The path in the archive.
        entry: PathBuf,
        /// User ID on disk.
        uid: u32,
        /// Group ID on disk.
        gid: u32,
    },
    /// The archive cannot be written, or cannot hold an entry.
    #[error("cannot write the archive entry {}", entry.display())]
    Write {
        /// The path in the archive; empty for its end.
        entry: PathBuf,
        /// The cause.
        source: WriteError,
    },
    /// It was cancelled.
    #[error("cannot pack the tree")]
    Cancelled(#[from] Cancelled),
}

impl PackError {
    /// Whether the filesystem that the archive is written to is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }

    /// Whether it was cancelled, by the options or by the writer.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}

/// The error of a path in the archive that cannot be read.
pub(super) fn refused(path: &[u8], source: PathError) -> PackError {
    PackError::Entry {
        entry: shown(path),
        source,
    }
}
