//! Process-shared read/write lock files with a last-write token, compatible with
//! the lock files of the Go library containers/storage.
//!
//! A [`LockFile`] hands out guards: any number of [`ReadGuard`]s, or one
//! [`WriteGuard`]. They exclude threads, other handles of the same process, and
//! other processes, those of the Go library among them. The file itself holds a
//! [`Token`], 64 bytes that change with every write to the protected data, so
//! that others know when to read it again.
//!
//! ```
//! use layerhold_lockfile::LockFile;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scratch = tempfile::tempdir()?;
//! let file = LockFile::new(scratch.path().join("layers.lock"))?;
//!
//! let seen = file.read()?.token()?;
//! assert!(seen.is_empty());
//!
//! // Locks, records the write, and replaces the file that the lock protects.
//! let recorded = file.replace_file(scratch.path().join("layers.json"), b"[]")?;
//!
//! let now = file.read()?.token()?;
//! assert!(now != seen && now == recorded);
//! # Ok(())
//! # }
//! ```
//!
//! # The file
//!
//! Whole-file record locks (offset 0, length 0) of the open-file-description
//! kind, which conflict with the classic ones the Go library takes. The token,
//! written at offset 0 in one call and never truncated:
//!
//! | bytes | content |
//! |---|---|
//! | 0–7 | nanoseconds since 1970, little-endian |
//! | 8–15 | counter within the writing process, little-endian |
//! | 16–19 | process number, little-endian |
//! | 20–63 | random |
//!
//! An empty file means that no write was ever recorded.
//!
//! # When a process ends
//!
//! The lock belongs to an open file, and the kernel closes that when the process ends, however it
//! ends. So a killed process leaves no lock behind, and the lock file may stay. What the process
//! had changed under the lock stays too: replace files at once ([`WriteGuard::replace_file`]), or
//! mark unfinished work.
//!
//! # Limitations
//!
//! - The kernel wakes waiters in no promised order. Within one handle readers
//!   let waiting writers pass; between processes nothing prevents starvation.
//! - Timed waits try again every few milliseconds, since the kernel has none.
//! - [`LockFile::holders`] needs procfs, and finds only processes that this one may inspect.
//! - Locks on network filesystems are as good as their servers.
//! - A process of the Go library does not notice when a lock file is removed
//!   while it waits for it; we do.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod replace;
mod lock_file;
mod read_only;
mod guard;
mod shared;
mod acquire;
mod queue;
mod token;

pub use acquire::LockError;
pub use guard::{Protection, ReadGuard, WriteGuard};
pub use layerhold_sys::{self, Cancel, LockHolder, LockKind};
pub use lock_file::LockFile;
pub use read_only::ReadOnlyLockFile;
pub use replace::ReplaceError;
pub use token::{Token, TokenError};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
