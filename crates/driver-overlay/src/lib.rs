//! The overlay graph driver: a layer is what it changes, and the kernel's overlay filesystem puts
//! the layers together.
//!
//! ```text
//! <graph root>/overlay/
//!     l/<link>                 symbolic link to ../<layer id>/diff
//!     <layer id>/diff/         what the layer changes
//!               /diff1/ …      older contents, below diff, where owners had to be rewritten
//!               /link, lower   its short name; those of all layers below
//!               /work/, merged/   for the kernel; where the layer is mounted
//!               /empty/        of layers without parents only
//!               /additionallayer   the path of a layer that another program has; `diff` is a symbolic link then
//!     tempdirs/                layers being made, and layers being erased
//!     staging/<name>/dir       a tree that somebody fills, to become the diff of a layer; beside it its lock
//!     .has-mount-program       whether contents were made through a mount program
//! <run root>/overlay/          what the kernel can do, as empty files
//! ```
//!
//! Layers are stacked by reference: making one costs nothing of the size of those below, and the
//! layers of an image can be filled at the same time, before any of them has its ID
//! ([`Stacking::References`]).
//!
//! # What a crash leaves
//!
//! 1. While a layer is staged: a temporary area, recovered by the next writer.
//! 2. After it was renamed to its place, before its symbolic link was made: a layer whose short
//!    name is in `link`. The store's record decides whether it counts.
//! 3. After the symbolic link of a removed layer is gone: the same. After it was renamed away: a
//!    temporary area again.
//! 4. While a tree is filled, or has taken the place of a layer's `diff`: its directory in
//!    `staging` with the lock free, in the second case with the old contents in it. The next writer
//!    removes it when it is ten seconds old.
//! 5. A layer that is mounted and counted by nobody: the next user takes the mount over.
//!
//! ```no_run
//! use layerhold_driver::{Driver, DriverConfig, LayerRef, LayerTarget, MountOptions, StageRequest};
//! use layerhold_driver_overlay::OverlayDriver;
//!
//! let driver = OverlayDriver::open(&DriverConfig::new("/var/lib/example", "/run/example"))?;
//! let base = driver.stage(&StageRequest::new())?;
//! base.root().create_dir("etc", 0o755)?;
//! // The second layer can be staged and filled before the first one is committed.
//! let top = driver.stage(&StageRequest::new().with_parent(LayerRef::Staged(&*base)))?;
//! base.commit(&"base".parse()?)?;
//! top.commit(&"top".parse()?)?;
//! let path = driver.mount(&"top".parse()?, &MountOptions::new())?;
//! assert!(path.join("etc").is_dir());
//! driver.unmount(&"top".parse()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! - `use_composefs` is refused; layers with a `composefs-data` directory cannot be mounted.
//! - A layer whose owners were rewritten by copying, or on which Go's library put a copy, is
//!   compared file by file.
//!
//! [`Stacking::References`]: layerhold_driver::Stacking::References

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod additional;
mod build;
mod chain;
mod contents;
mod copy_up;
mod core;
mod damage;
mod diff;
mod driver;
mod features;
mod homes;
mod label;
mod layer;
mod link;
mod link_index;
mod mount_options;
mod mount_program;
mod mounting;
mod names;
mod open;
mod options;
mod plan;
mod probe;
mod quota;
mod remap;
mod removal;
mod shift;
mod stack;
mod staged;
mod staging_dirs;
mod tree;
mod unmounting;

pub use driver::OverlayDriver;
pub use open::OverlayFactory;

/// The driver's name.
pub const NAME: &str = "overlay";

/// Keeps the example of the README right.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
