use std::path::PathBuf;

use layerhold_lockfile::{LockError, TokenError};
use layerhold_sys::PathError;

use crate::damage::Damaged;
use crate::file_name::KeyError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No location was given.
    #[error("a record store needs a file to keep records in")]
    NoLocation,
    /// The lock file cannot be used.
    #[error("cannot use the lock of a record store")]
    Lock(#[from] LockError),
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The lock could not be taken.
    #[error("cannot lock the {record_kind} store")]
    Lock {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: LockError,
    },
    /// The last-write token could not be read.
    #[error("cannot tell whether the {record_kind} store changed")]
    Token {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: TokenError,
    },
    /// A record file could not be read.
    #[error("cannot read a {record_kind} file")]
    File {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why, and which file.
        source: PathError,
    },
    /// A store that was opened for reading only cannot be locked for writing.
    #[error("the {record_kind} store with the lock {} is read-only", path.display())]
    ReadOnly {
        /// What the store keeps.
        record_kind: &'static str,
        /// The lock file.
        path: PathBuf,
    },
    /// What was found needed a repair, which could not be saved.
    #[error("cannot save a repair of the {record_kind} store")]
    Repair {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: Box<SaveError>,
    },
    /// Each time a repair was saved, another process damaged the store again.
    #[error("the {record_kind} store needs a repair again and again, even after {tries}")]
    KeepsChanging {
        /// What the store keeps.
        record_kind: &'static str,
        /// Repairs that were made.
        tries: u32,
    },
}

/// Why a record could not be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The records could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record is there but damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// Why a change was not made. The records are as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// No record has this identifier.
    #[error("no {record_kind} has the ID {id}")]
    NotFound {
        /// What the store keeps.
        record_kind: &'static str,
        /// The identifier.
        id: String,
    },
    /// A record with this identifier exists.
    #[error("a {record_kind} with the ID {id} already exists")]
    IdInUse {
        /// What the store keeps.
        record_kind: &'static str,
        /// The identifier.
        id: String,
    },
    /// A new record may not take the name of another one.
    #[error("the name {name} is in use by the {record_kind} {id}")]
    NameInUse {
        /// What the store keeps.
        record_kind: &'static str,
        /// The name.
        name: String,
        /// The record that has it.
        id: String,
    },
    /// The identifier is empty, or the change replaced it.
    #[error("the ID of a {record_kind} cannot be changed from {from:?} to {to:?}")]
    IdChanged {
        /// What the store keeps.
        record_kind: &'static str,
        /// The identifier before.
        from: String,
        /// The identifier after.
        to: String,
    },
    /// The store has no such location, or it is read-only.
    #[error("{record_kind} records cannot be written to {}", path.display())]
    ReadOnly {
        /// What the store keeps.
        record_kind: &'static str,
        /// The file, or the lock file if there is no such location.
        path: PathBuf,
    },
    /// The record is damaged.
    #[error("cannot change a damaged {record_kind}")]
    Damaged {
        /// What the store keeps.
        record_kind: &'static str,
        /// What is wrong with it.
        source: Box<Damaged>,
    },
    /// An earlier save failed and the records could not be loaded again.
    #[error("the {record_kind} records are unknown since a save failed")]
    Unknown {
        /// What the store keeps.
        record_kind: &'static str,
    },
}

/// Why records were not saved. What is on the disk was loaded again, so
/// that the changes since the last save are gone from memory too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The write could not be announced to other processes.
    #[error("cannot announce a change of the {record_kind} store")]
    Token {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why.
        source: TokenError,
    },
    /// A file could not be written.
    #[error("cannot write a {record_kind} file")]
    File {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why, and which file.
        source: PathError,
    },
    /// Damaged bytes could not be put into a side file, so they were not replaced.
    #[error("cannot set damaged bytes of a {record_kind} file aside")]
    SetAside {
        /// What the store keeps.
        record_kind: &'static str,
        /// Why, and which file.
        source: PathError,
    },
    /// The records of the file would be larger than the limit of the store.
    #[error("the {record_kind} file {} would hold {size} bytes, more than {limit}", path.display())]
    TooLarge {
        /// What the store keeps.
        record_kind: &'static str,
        /// The file.
        path: PathBuf,
        /// Bytes it would hold.
        size: u64,
        /// Bytes it may hold.
        limit: u64,
    },
    /// An earlier save failed and the records could not be loaded again.
    #[error("the {record_kind} records are unknown since a save failed")]
    Unknown {
        /// What the store keeps.
        record_kind: &'static str,
    },
}

impl SaveError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::File { source, .. } | Self::SetAside { source, .. } => source.is_out_of_space(),
            Self::Token { source, .. } => match source {
                TokenError::Write { source, .. } => matches!(
                    source.kind(),
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                ),
                TokenError::Short { .. } => true,
                _ => false,
            },
            _ => false,
        }
    }
}

/// Why a side file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BigDataError {
    /// The key cannot name a data item.
    #[error("{key:?} cannot name a data item")]
    Key {
        /// The key.
        key: String,
        /// Why not.
        source: KeyError,
    },
    /// The system refused.
    #[error("cannot access data item {key:?} of {id}")]
    Io {
        /// The record.
        id: String,
        /// The key.
        key: String,
        /// Why.
        source: PathError,
    },
    /// The content could not be read from where it comes from.
    #[error("cannot read the content for data item {key:?} of {id}")]
    Source {
        /// The record.
        id: String,
        /// The key.
        key: String,
        /// Why.
        source: std::io::Error,
    },
    /// The record could not be changed.
    #[error("cannot note data item {key:?} in its record")]
    Record {
        /// The key.
        key: String,
        /// Why.
        source: ChangeError,
    },
}
