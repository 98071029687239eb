use std::io;
use std::path::PathBuf;

use layerhold_sys::PathError;

use crate::entry_path::shown;

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The filesystem refused to create or change an entry.
    #[error("cannot unpack {}", entry.display())]
    Entry {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// What was refused.
        source: PathError,
    },
    /// The process's user namespace has no such owner.
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
    /// The process may not set this owner.
    #[error(
        "cannot give {} the owner {uid}:{gid}, which takes root or the root of a user namespace \
         (`podman unshare`), or the option ignore_chown_errors=true of the driver",
        entry.display()
    )]
    OwnerRefused {
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
    #[error("cannot write the content of {}", entry.display())]
    Write {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The content of an entry could not be read from the archive.
    #[error("cannot read the content of {}", entry.display())]
    Read {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An entry's parent is not a directory.
    #[error("cannot unpack {}: its parent is not a directory", entry.display())]
    ParentNotDirectory {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// The target of a hard link does not exist.
    #[error("cannot unpack {}: it is a hard link to {}, which does not exist", entry.display(), target.display())]
    MissingLinkTarget {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The cleaned path it links to.
        target: PathBuf,
    },
    /// A whiteout with an impossible name: `.wh.`, `.wh..` or `.wh...`.
    #[error("cannot unpack the whiteout {}: it names no entry that can be deleted", entry.display())]
    MalformedWhiteout {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// The entry for the root itself is not a directory.
    #[error("cannot unpack the root of the archive: it is not a directory")]
    RootNotDirectory,
    /// An entry would replace one of another type, which the options forbid.
    #[error("cannot unpack {}: it exists and is of another type", entry.display())]
    KindDiffers {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// An entry would replace the content of an earlier entry that has another path but is the same
    /// file.
    #[error("cannot unpack {}: it would replace a file of the same layer, which could not be exported any more", entry.display())]
    ReplacesOwn {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// A file was created through a link that a later entry of the same layer replaced.
    #[error("cannot unpack {}: a later entry of the same layer makes it unreachable, so it could not be exported", entry.display())]
    Unreachable {
        /// The cleaned path of the entry.
        entry: PathBuf,
    },
    /// An entry of a type that layers do not have.
    #[error("cannot unpack {}: unsupported entry type {flag:#04x}", entry.display())]
    UnsupportedKind {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// The type flag of its header.
        flag: u8,
    },
    /// An owner or group is outside the ID mappings.
    #[error("cannot unpack {}: its owner {uid}:{gid} has no mapping", entry.display())]
    UnmappedOwner {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// User ID in the archive.
        uid: i64,
        /// Group ID in the archive.
        gid: i64,
    },
    /// An owner, group or device number that the kernel cannot store.
    #[error("cannot unpack {}: the {what} {value} is out of range", entry.display())]
    NumberOutOfRange {
        /// The cleaned path of the entry.
        entry: PathBuf,
        /// Which number: "owner", for example.
        what: &'static str,
        /// Its value.
        value: i64,
    },
    /// A path is longer than the kernel accepts.
    #[error("cannot unpack a path of {length} bytes: the kernel accepts 4095")]
    PathTooLong {
        /// Length of the path in the archive, in bytes.
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

pub(crate) type Result<T> = std::result::Result<T, UnpackError>;

/// An error that names the entry.
pub(super) fn refused(path: &[u8], source: PathError) -> UnpackError {
    UnpackError::Entry {
        entry: shown(path),
        source,
    }
}
