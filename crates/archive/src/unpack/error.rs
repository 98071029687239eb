use std::io;
use std::path::PathBuf;

use layerhold_sys::PathError;

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The filesystem refused what an entry asks for.
    #[error("unpack {}", entry.display())]
    Entry {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// What was refused.
        source: PathError,
    },
    /// The user namespace that this process is in has no such owner.
    #[error(
        "cannot give {} the owner {uid}:{gid}, which this user namespace does not have: \
         the user needs more IDs in /etc/subuid and /etc/subgid, or the driver the option ignore_chown_errors=true",
        entry.display()
    )]
    OwnerNotAvailable {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The user ID on disk.
        uid: u32,
        /// The group ID on disk.
        gid: u32,
        /// What was refused.
        source: PathError,
    },
    /// The content of an entry could not be written.
    #[error("write the content of {}", entry.display())]
    Write {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content of an entry could not be read from the archive.
    #[error("read the content of {}", entry.display())]
    Read {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An entry lies below something that is no directory.
    #[error("{} is below something that is not a directory", entry.display())]
    ParentNotDirectory {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// The target of a hard link is not there.
    #[error("{} is a hard link to {}, which does not exist", entry.display(), target.display())]
    MissingLinkTarget {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The cleaned path it links to.
        target: PathBuf,
    },
    /// A whiteout that deletes nothing that could exist: `.wh.`, `.wh..` or `.wh...`.
    #[error("the whiteout {} names nothing that can be deleted", entry.display())]
    MalformedWhiteout {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// The entry for the root itself is not a directory.
    #[error("the archive replaces the root of the tree by something that is not a directory")]
    RootNotDirectory,
    /// An entry would replace one of another kind, which the options forbid.
    #[error("{} exists and is of another kind", entry.display())]
    KindDiffers {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// An entry is the same file as an earlier one, reached by another path, and would replace its
    /// content.
    #[error("{} would replace a file of the same layer, which could not be exported any more", entry.display())]
    ReplacesOwn {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// A file was put through a link that a later entry of the same layer replaced.
    #[error("{} cannot be found any more after a later entry of the same layer, and so could not be exported", entry.display())]
    LostOnTheWay {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// A kind of entry that has no meaning in a layer.
    #[error("{} has the unsupported entry type {flag:#04x}", entry.display())]
    UnsupportedKind {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The type flag of its header.
        flag: u8,
    },
    /// Owner or group of an entry is outside the ID mappings.
    #[error("owner {uid}:{gid} of {} has no mapping", entry.display())]
    UnmappedOwner {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// User ID in the archive.
        uid: i64,
        /// Group ID in the archive.
        gid: i64,
    },
    /// Owner, group or device number of an entry is no number the kernel can keep.
    #[error("{} has the impossible {what} {value}", entry.display())]
    NumberOutOfRange {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// Which number.
        what: &'static str,
        /// Its value.
        value: i64,
    },
    /// A path is longer than the kernel takes.
    #[error("a path of {length} bytes, more than the kernel takes")]
    PathTooLong {
        /// Bytes of the path as it is in the archive.
        length: usize,
    },
}

impl UnpackError {
    /// Whether the filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Entry { source, .. } => source.is_out_of_space(),
            Self::Write { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }
}
