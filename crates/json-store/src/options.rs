//! How a store is opened.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use layerhold_sys::Durability;
use layerhold_sys::{Cancel, HostIo, MetadataIo};

/// Whether something may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read and written.
    ReadWrite,
    /// It is only read, as an additional store is.
    ReadOnly,
}

/// When a loaded store is considered out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// When the token in the lock file changed.
    Token,
    /// Also when inode, size or modification time of a file changed, so that
    /// hand edits are noticed (Go: layers.go; contract of layers only).
    TokenAndFiles,
}

/// Position of a [`Location`] among those given to [`Options::location`], from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationId(usize);

impl LocationId {
    /// The first location, where records are kept that must last.
    pub const FIRST: Self = Self(0);

    /// Names the location at a position.
    #[must_use]
    pub const fn new(position: usize) -> Self {
        Self(position)
    }

    /// The position.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0
    }
}

/// One file with an array of records.
#[derive(Clone, Debug)]
pub struct Location {
    pub(crate) dir: PathBuf,
    pub(crate) file: OsString,
    pub(crate) durability: Durability,
    pub(crate) access: Access,
}

impl Location {
    /// A file that is synced to the disk by every save.
    pub fn durable(dir: impl Into<PathBuf>, file: impl Into<OsString>) -> Self {
        Self {
            dir: dir.into(),
            file: file.into(),
            durability: Durability::Durable,
            access: Access::ReadWrite,
        }
    }

    /// A file that is replaced atomically but never synced; a power cut may lose it.
    pub fn volatile(dir: impl Into<PathBuf>, file: impl Into<OsString>) -> Self {
        Self {
            durability: Durability::Volatile,
            ..Self::durable(dir, file)
        }
    }

    /// A file that is never written.
    pub fn read_only(dir: impl Into<PathBuf>, file: impl Into<OsString>) -> Self {
        Self {
            access: Access::ReadOnly,
            ..Self::durable(dir, file)
        }
    }

    /// The whole path, for messages.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.file)
    }
}

/// How to open a [`JsonStore`](crate::JsonStore).
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) lock: PathBuf,
    pub(crate) locations: Vec<Location>,
    pub(crate) data_dir: PathBuf,
    pub(crate) access: Access,
    pub(crate) freshness: Freshness,
    pub(crate) limit: u64,
    pub(crate) io: Arc<dyn MetadataIo>,
    pub(crate) cancel: Cancel,
    pub(crate) lock_timeout: Option<Duration>,
}

/// Larger files are refused by default: 1 GiB, a million records and more.
const DEFAULT_LIMIT: u64 = 1 << 30;

/// Positions and lengths are kept in 31 bits.
const LARGEST_LIMIT: u64 = i32::MAX as u64 - 64;

impl Options {
    /// A store with this lock file, without any location yet. Big data items are kept in
    /// `data_dir/ID/`.
    pub fn new(lock: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            lock: lock.into(),
            locations: Vec::new(),
            data_dir: data_dir.into(),
            access: Access::ReadWrite,
            freshness: Freshness::Token,
            limit: DEFAULT_LIMIT,
            io: Arc::new(HostIo),
            cancel: Cancel::new(),
            lock_timeout: None,
        }
    }

    /// Adds a location; the first one added is [`LocationId::FIRST`]. Where a
    /// name is in several locations the later one keeps it.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.locations.push(location);
        self
    }

    /// Opens the store for reading only: nothing is ever written, and the lock file may be missing
    /// where it cannot be created.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.access = Access::ReadOnly;
        self
    }

    /// When loaded records are out of date; the default is [`Freshness::Token`].
    #[must_use]
    pub fn freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// The largest record file that is read, in bytes; never more than 2 GiB.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit.min(LARGEST_LIMIT);
        self
    }

    /// Has waits for the lock end after `timeout`, with an error that names the holders
    /// ([`LockError::TimedOut`](layerhold_lockfile::LockError::TimedOut)). With `None` they have no
    /// bound, which is the default.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.lock_timeout = timeout.into();
        self
    }

    /// Has waits for the lock end when `cancel` is set.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Replaces the file operations, for tests.
    #[must_use]
    pub fn io(mut self, io: Arc<dyn MetadataIo>) -> Self {
        self.io = io;
        self
    }
}
