//! Guards: proof that a lock is held, and access to the last-write token.

use std::fmt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use layerhold_sys::{HeldLock, RecordLock, random_bytes};

use crate::shared::Shared;
use crate::token::{TOKEN_LENGTH, Token, TokenError};

/// Whether a guard of a read-only lock file holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// A lock is held; no process writes.
    Locked,
    /// There is no lock file and none can be created, as on read-only media. A process that can
    /// write there is not kept from it.
    None,
}

/// Proof that no process or thread writes: any number of readers may hold one.
///
/// Owns all it needs, so it can be stored and sent to another thread. Dropping
/// it releases the lock.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct ReadGuard {
    shared: Arc<Shared>,
    lock: Option<RecordLock>,
    _held: Option<HeldLock>,
}

/// Proof that no other process or thread reads or writes.
///
/// Owns all it needs, so it can be stored and sent to another thread. Dropping
/// it releases the lock.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct WriteGuard {
    shared: Arc<Shared>,
    lock: RecordLock,
    _held: HeldLock,
}

impl ReadGuard {
    pub(crate) fn new(shared: Arc<Shared>, lock: Option<RecordLock>) -> Self {
        Self {
            _held: lock.as_ref().map(|_| shared.note_held()),
            shared,
            lock,
        }
    }

    /// The token of the last write. Where there is no lock file it is empty,
    /// and says nothing.
    pub fn token(&self) -> Result<Token, TokenError> {
        match &self.lock {
            Some(lock) => read_token(&self.shared.path, lock),
            None => Ok(Token::empty()),
        }
    }

    /// Whether the lock file was written to after a moment, by its modification time: a write was
    /// recorded, or something touched it. Where there is no lock file, nothing did. Unlike the
    /// token this depends on clocks.
    ///
    /// Go: `LockFile.TouchedSince`.
    pub fn touched_since(&self, when: SystemTime) -> Result<bool, TokenError> {
        match &self.lock {
            Some(lock) => touched_since(&self.shared.path, lock, when),
            None => Ok(false),
        }
    }

    /// Whether a lock is really held.
    #[must_use]
    pub fn protection(&self) -> Protection {
        match self.lock {
            Some(_) => Protection::Locked,
            None => Protection::None,
        }
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }
}

impl WriteGuard {
    pub(crate) fn new(shared: Arc<Shared>, lock: RecordLock) -> Self {
        Self {
            _held: shared.note_held(),
            shared,
            lock,
        }
    }

    /// The token of the last write.
    pub fn token(&self) -> Result<Token, TokenError> {
        read_token(&self.shared.path, &self.lock)
    }

    /// Whether the lock file was written to after a moment; see [`ReadGuard::touched_since`].
    pub fn touched_since(&self, when: SystemTime) -> Result<bool, TokenError> {
        touched_since(&self.shared.path, &self.lock, when)
    }

    /// Announces a change of the protected data, and returns the token that
    /// stands for it.
    ///
    /// Call it *before* the data changes: a crash in between then costs other processes a needless
    /// reload, never a missed change. After a failure the token in the file is undefined; keep the
    /// one from before, so that the next comparison leads to a reload.
    pub fn record_write(&self) -> Result<Token, TokenError> {
        let path = &self.shared.path;
        let token = self.next_token()?;
        // One write at offset 0 and no truncation, so that the file holds a
        // whole token at any time (Go: pkg/lockfile/lockfile_unix.go).
        let written = self
            .lock
            .file()
            .write_at(token.as_bytes(), 0)
            .map_err(|source| TokenError::Write {
                path: path.clone(),
                source,
            })?;
        if written != TOKEN_LENGTH {
            return Err(TokenError::Short {
                path: path.clone(),
                written,
            });
        }
        Ok(token)
    }

    fn next_token(&self) -> Result<Token, TokenError> {
        let mut random = [0; 44];
        random_bytes(&mut random).map_err(|source| TokenError::Random {
            path: self.shared.path.clone(),
            source,
        })?;
        // A clock before 1970 or after 2554 only makes the token less telling.
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|time| u64::try_from(time.as_nanos()).ok())
            .unwrap_or(0);
        let counter = self.shared.writes.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Token::compose(time, counter, std::process::id(), &random))
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }
}

fn touched_since(path: &Path, lock: &RecordLock, when: SystemTime) -> Result<bool, TokenError> {
    let failed = |source| TokenError::Read {
        path: path.to_owned(),
        source,
    };
    let touched = lock.file().metadata().and_then(|file| file.modified());
    Ok(touched.map_err(failed)? > when)
}

fn read_token(path: &Path, lock: &RecordLock) -> Result<Token, TokenError> {
    let mut content = [0; TOKEN_LENGTH];
    let length = loop {
        match lock.file().read_at(&mut content, 0) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(length) => break length,
            Err(source) => {
                return Err(TokenError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    };
    Ok(Token::from_file(content.get(..length).unwrap_or_default()))
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadGuard")
            .field("path", &self.shared.path)
            .field("protection", &self.protection())
            .finish()
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard")
            .field("path", &self.shared.path)
            .finish()
    }
}
