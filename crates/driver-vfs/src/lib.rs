//! The vfs graph driver: every layer is a full directory tree.
//!
//! A child starts as a copy of its parent, and shares file contents where the filesystem supports
//! it. That costs the most space and time of all drivers and needs nothing from the kernel, so it
//! works everywhere: for ordinary users, on any filesystem, inside containers.
//!
//! ```text
//! <graph root>/vfs/            0700
//!     dir/<layer id>/          the layer's tree; a base layer's root is 0555, a child's is as its parent's
//!     tempdirs/lock-<random>   held while the area of the same name is in use
//!     tempdirs/temp-dir-<random>/   layers being made, and layers being erased
//! ```
//!
//! # What a crash leaves
//!
//! 1. While a layer is staged: a temporary area, recovered by the next writer.
//! 2. After it was renamed to `dir/<id>`: the layer. The store's record decides whether it counts.
//! 3. After a removed layer was renamed away: a temporary area again.
//!
//! ```
//! use layerhold_driver::{Driver, DriverConfig, LayerTarget, MountOptions, StageRequest, Trash};
//! use layerhold_driver_vfs::VfsDriver;
//!
//! # let scratch = tempfile::tempdir()?;
//! # let root = scratch.path().join("graph");
//! # let options = vec!["vfs.ignore_chown_errors=true".to_owned()];
//! let driver = VfsDriver::open(&DriverConfig::new(&root, "/run/example").with_options(options))?;
//! let id = "base".parse()?;
//! let staged = driver.stage(&StageRequest::new())?;
//! staged.root().create_dir("etc", 0o755)?;
//! assert!(!driver.exists(&id)?);
//! staged.commit(&id)?;
//! assert_eq!(driver.mount(&id, &MountOptions::read_only())?, root.join("vfs/dir/base"));
//!
//! let mut trash = Trash::new();
//! driver.remove(&id, &mut trash)?; // quick; the ID is free from here on
//! trash.erase()?; // slow, without a lock
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! - Neither per-layer options (quotas) nor mount options other than `ro`.
//! - Directories get no SELinux label of their own (Go gives a layer's root the label `level:s0` of
//!   the policy).
//! - For an ordinary user outside of a user namespace, files of the parent that their owner may not
//!   read cannot be copied, and the root directory of a writable layer is writable for its owner
//!   whatever the parent's is.
//! - Labels and access lists of a parent's files are not copied, as in Go.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod driver;
mod options;
mod homes;

pub use driver::{VfsDriver, VfsFactory};
pub use homes::NAME;

/// Keeps the example of the README right.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
