//! Temporary areas that survive crashes: content is erased and prepared in private directories, and
//! the next process finds and removes what a dead one left.
//!
//! ```
//! use layerhold_staging::TempRoot;
//! use layerhold_sys::Dir;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scratch = tempfile::tempdir()?;
//! let store = Dir::open_ambient(scratch.path())?;
//! store.create_dir("old", 0o700)?;
//!
//! let root = TempRoot::new(scratch.path().join("tmp"));
//! for failure in root.recover_stale()?.failed {
//!     eprintln!("{failure}");
//! }
//! let area = root.begin()?;
//!
//! let addition = area.stage_addition();
//! drop(addition.create_dir(0o700)?); // fill it, without any lock
//! area.stage_deletion(&store, "old")?; // quick, under the lock of the store
//! addition.commit(&store, "new")?; // quick too
//! area.close()?; // erases what was moved in, after the lock is released
//! assert!(store.exists("new")? && !store.exists("old")?);
//! # Ok(())
//! # }
//! ```
//!
//! # What is on the disk
//!
//! ```text
//! ROOT/                  0700, created when the first area begins
//!     lock-NUMBER        exclusively locked for as long as the owner lives
//!     temp-dir-NUMBER/   0700
//!         0-NAME         something to be erased, moved here
//!         1-addition     something prepared here
//! ```
//!
//! Layout and protocol are those of the Go library (Go: internal/tempdir,
//! internal/staging_lockfile), so each side removes what the other leaves.
//!
//! Beginning: (1) the lock file is created, (2) locked, (3) the directory is created.
//! A crash after (1) or (2) leaves a lock file, after (3) both. Ending: (1) the
//! directory is erased, (2) the lock file is deleted, (3) the lock is released.
//! A crash after any step leaves something whose lock is free. A search for
//! abandoned areas takes their locks and ends them likewise.
//!
//! After taking a lock we check that the file still has its name, which Go
//! does not: another process may have taken the file for abandoned and deleted
//! it before it was locked.
//!
//! # Limitations
//!
//! - An area of a process of the Go library can lose its lock file to a search for
//!   abandoned areas in the instant between creating and locking the file.
//! - Nothing is synced. The caller that commits content syncs what has to last.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod root;
mod area;
mod addition;
mod lock;
mod layout;

pub use addition::{CommitError, StagedAddition};
pub use area::{BeginError, CloseError, StageError, StagedDeletion, TempArea, name_elsewhere};
pub use lock::StagingLock;
pub use root::{RecoverError, RecoverFailure, Recovery, TempRoot};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
