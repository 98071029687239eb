//! The overlay graph driver: each layer holds what it changes, and the kernel's overlay filesystem
//! merges the layers.
//!
//! ```text
//! <graph root>/overlay/
//!     l/<link>                 symbolic link to ../<layer id>/diff
//!     <layer id>/diff/         what the layer changes
//!               /diff1/ …      older contents, below diff, where owners had to be rewritten
//!               /link, lower   its short name; those of all its parents
//!               /work/, merged/   for the kernel; where the layer is mounted
//!               /empty/        of layers without parents only
//!               /additionallayer   the path of a layer that another program has; `diff` is a symbolic link then
//!     tempdirs/                layers being made, and layers being erased
//!     staging/<name>/dir       a tree that is filled to become the diff of a layer; beside it its lock
//!     .has-mount-program       whether contents were made through a mount program
//! <run root>/overlay/          features of the kernel, as empty files
//! ```
//!
//! Layers are stacked by reference: the cost of a new layer does not depend on the size of its
//! parents, and the layers of an image can be filled at the same time, before any of them has its
//! ID ([`Stacking::References`]).
//!
//! # Modules
//!
//! The modules are floors: each uses only those that are listed after it.
//!
//! | module | what it does |
//! |---|---|
//! | `open` | opens the driver: how to mount, and whether the filesystem can be used |
//! | `driver` | [`OverlayDriver`]: every method of the traits, each delegating to a module below |
//! | `repair` | finds and repairs damage, quarantines layers, puts them back after a crash |
//! | `removal`, `shutdown` | removes layers; unmounts the home |
//! | `facts` | what the commands `status` and `metadata` show, and the space of a layer |
//! | `diff` | reads what a layer changes from its `diff` |
//! | `stage` | makes layers: staged layers, trees, copies with other owners |
//! | `mount` | plans the mount of a layer, mounts it, shows it, unmounts it |
//! | `layers` | a layer's directory and the files in it, and the way from a layer to its parents |
//! | `context` | what all operations share: homes, options, features of the kernel |
//! | `kernel` | probes features, performs mounts, sets quotas; knows no layer |
//! | `options` | the driver options |
//! | `disk` | homes, names and staging directories; knows no layer |
//!
//! An index of short names that rebuilds lost ones is in `layers` and not in `repair`, because
//! every mount that misses a short name uses it. `removal`, `facts` and `diff` are files of
//! their own: they work on layers that are in their place and need `mount`, and `stage` does not
//! need them.
//!
//! # What a crash leaves
//!
//! 1. While a layer is staged: a temporary area, recovered by the next writer.
//! 2. Between the rename of a layer to its place and the making of its symbolic link: a layer whose
//!    short name is in `link` only. The store's record decides whether it counts.
//! 3. After the symbolic link of a removed layer is gone: the same. After the layer was renamed
//!    away: a temporary area again.
//! 4. While a tree is filled, or after it was exchanged with a layer's `diff`: its directory in
//!    `staging` with a free lock, in the second case with the old contents in it. The next writer
//!    removes it when it is ten seconds old.
//! 5. A layer that is mounted and has no mount count: the next user takes the mount over.
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
//! - A layer whose owners were rewritten, or whose parent is a copy that Go's library made, is
//!   compared with its parent file by file.
//!
//! [`Stacking::References`]: layerhold_driver::Stacking::References

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod open;
mod driver;
mod repair;
mod removal;
mod shutdown;
mod facts;
mod diff;
mod stage;
mod mount;
mod layers;
mod context;
mod kernel;
mod options;
mod disk;

pub use disk::NAME;
pub use driver::OverlayDriver;
pub use open::OverlayFactory;

/// Keeps the example of the README right.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
