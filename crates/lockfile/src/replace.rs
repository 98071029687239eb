//! Replacing a file of the protected data.

use std::path::{Path, PathBuf};

use layerhold_sys::{Dir, Durability, PathError, publish};

use crate::acquire::LockError;
use crate::guard::WriteGuard;
use crate::lock_file::LockFile;
use crate::token::{Token, TokenError};

/// Why a file was not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The lock could not be taken. Nothing was changed.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The write could not be recorded. The file was not changed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The file could not be written. It is unchanged, and other processes read it once more than
    /// necessary. If only the sync of its directory failed, it is replaced, but a power cut may
    /// undo that.
    #[error("cannot replace {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The path names no file.
    #[error("cannot replace {}: it names no file", path.display())]
    InvalidPath {
        /// What was given.
        path: PathBuf,
    },
}

impl ReplaceError {
    /// Whether the directory of the file does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.is_not_found())
    }

    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Lock(error) => error.is_out_of_space(),
            Self::Token(error) => error.is_out_of_space(),
            Self::Write { source, .. } => source.is_out_of_space(),
            Self::InvalidPath { .. } => false,
        }
    }

    /// Whether the wait for the lock was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Lock(error) if error.is_cancelled())
    }

    /// Whether the lock did not become free in time.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self, Self::Lock(error) if error.is_timed_out())
    }
}

/// Permissions of a file that did not exist.
const NEW_MODE: u32 = 0o600;

impl LockFile {
    /// Takes the write lock, records the write and replaces a file with `contents`, durably and all
    /// at once: a reader under a read lock finds the old file with the old token, or the new file
    /// with the new one, which is returned.
    ///
    /// To derive the new contents from the old ones, take [`write`](Self::write), read the file, and
    /// use [`WriteGuard::replace_file`].
    ///
    /// # Errors
    ///
    /// See [`ReplaceError`].
    pub fn replace_file(
        &self,
        path: impl AsRef<Path>,
        contents: &[u8],
    ) -> Result<Token, ReplaceError> {
        self.write()?.replace_file(path, contents)
    }
}

impl WriteGuard {
    /// Records a write, then replaces a file of the protected data with `contents`, durably and all
    /// at once; a process that does not lock sees the old or the new contents. Returns the token of
    /// the write.
    ///
    /// The file keeps its permissions; a new one gets 0600. It belongs to the user of this process.
    /// A symbolic link at `path` is replaced, not followed.
    ///
    /// # Errors
    ///
    /// See [`ReplaceError`].
    pub fn replace_file(
        &self,
        path: impl AsRef<Path>,
        contents: &[u8],
    ) -> Result<Token, ReplaceError> {
        let path = path.as_ref();
        let Some(name) = path.file_name() else {
            return Err(ReplaceError::InvalidPath {
                path: path.to_owned(),
            });
        };
        let failed = |source| ReplaceError::Write {
            path: path.to_owned(),
            source,
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let dir = Dir::open_ambient(parent).map_err(failed)?;
        let before = dir.stat(name).map_err(failed)?;
        let mode = before
            .filter(|stat| stat.is_file())
            .map_or(NEW_MODE, |stat| stat.permissions());
        let token = self.record_write()?;
        publish(&dir, name, mode, &[contents], Durability::Durable).map_err(failed)?;
        Ok(token)
    }
}
