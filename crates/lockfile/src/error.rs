use std::path::PathBuf;

use layerhold_sys::PathError;

/// Why a lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The directory of the lock file was missing and could not be made.
    #[error("cannot make the directory of lock file {}", path.display())]
    CreateParent {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The lock file could not be opened or made.
    #[error("cannot open lock file {}", path.display())]
    Open {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The system refused to lock the file, other than by making us wait.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The locked file could not be compared with the one that has its name.
    #[error("cannot check whether lock file {} was replaced", path.display())]
    Check {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The lock file was removed and made anew again and again while we took it.
    #[error("lock file {} is replaced whenever it is locked", path.display())]
    KeepsChanging {
        /// The lock file.
        path: PathBuf,
    },
    /// The wait was given up because it was asked to.
    #[error("the wait for lock file {} was cancelled", path.display())]
    Cancelled {
        /// The lock file.
        path: PathBuf,
    },
    /// The path names no file.
    #[error("{} is no path of a lock file", path.display())]
    InvalidPath {
        /// What was given.
        path: PathBuf,
    },
}

impl LockError {
    /// Whether the wait was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::CreateParent { source, .. } | Self::Open { source, .. } => {
                source.is_out_of_space()
            }
            _ => false,
        }
    }
}

/// Why a last-write token could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The lock file could not be read.
    #[error("cannot read the last write from lock file {}", path.display())]
    Read {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The lock file could not be written. Whether others see a change is
    /// open; at worst they reload needlessly.
    #[error("cannot record a write in lock file {}", path.display())]
    Write {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not all bytes of the token were written, as on a full disk.
    #[error("only {written} bytes of the last write fit into lock file {}", path.display())]
    Short {
        /// The lock file.
        path: PathBuf,
        /// How many bytes were written.
        written: usize,
    },
    /// The system gave no random bytes.
    #[error("cannot make a token for lock file {}", path.display())]
    Random {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
}

impl TokenError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Write { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            Self::Short { .. } => true,
            _ => false,
        }
    }
}
