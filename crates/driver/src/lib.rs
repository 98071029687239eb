//! The graph-driver trait: a driver keeps the contents of layers on disk.
//!
//! A [`Driver`] stages and commits layers ([`Driver::stage`], [`StagedLayer`]), removes them
//! ([`Driver::remove`], [`Trash`]), mounts them ([`Driver::mount`]) and compares them
//! ([`Driver::diff`]). [`detect`] chooses one from a [`Registry`]. What drivers share is here too:
//! options ([`DriverOption`]), mount counts ([`MountCounter`]), rewriting owners ([`remap_tree`]),
//! and differences for those that keep none ([`fallback`]). Checks and repairs have a trait of
//! their own ([`Maintenance`]).
//!
//! Two rules shape the trait. Long work holds no lock: a layer is filled where no reader sees it
//! and appears by a rename; it disappears by a rename and is erased later. And a layer may be
//! staged on a parent that is not committed yet, so that an image appears as a whole.
//!
//! ```
//! use layerhold_driver::{DriverConfig, OpenError, Registry, detect};
//!
//! // A program registers the factories of the drivers that it is built with.
//! let registry = Registry::new();
//! let config = DriverConfig::new("/var/lib/example", "/run/example");
//! assert!(matches!(detect(None, &config, &registry), Err(OpenError::NoneUsable)));
//! ```
//!
//! # Limitations
//!
//! - The fallback compares whole trees; its cost is that of the layers, not of the difference.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// From the highest to the lowest: each module uses only those listed after it. Two groups use each
// other, and are one subject each: the trait, its fallback and its view; staged layers and staged
// trees.
mod detect;
mod registry;
mod driver;
pub mod fallback;
mod view;
mod additional;
mod layer_dirs;
mod maintenance;
mod staged_dir;
mod stage;
mod tree;
mod apply;
mod trash;
mod quarantine;
mod contents;
mod diff;
mod remap;
mod copy;
mod work;
mod counter;
mod capabilities;
mod config;
mod option;
mod mount;
mod size;
mod sync;
mod usage;
mod error;

pub use additional::AdditionalLayer;
pub use apply::{ApplyRequest, ApplySummary, LayerTarget};
pub use capabilities::{Capabilities, Stacking};
pub use config::{Access, DriverConfig, Privilege};
pub use contents::{DirContents, LayerContents};
pub use copy::{
    COPY_TARGET_MODE, CopiedAttributes, CopyPath, CopyRules, EntryCopier, copy_tree, is_refusal,
};
pub use counter::{AnyMount, FsMount, MountChecker, MountCounter, UserAdded};
pub use detect::{PRIORITY, detect, prior_drivers, refuse_other_drivers};
pub use diff::{DiffRequest, TreeOwners};
pub use driver::Driver;
pub use error::LayerError;
pub use layer_dirs::LayerDirs;
pub use maintenance::{DriverDamage, Maintenance, Repairable};
pub use mount::{MountDurability, MountOptions, OwnFiles, Shifting};
pub use option::{DriverOption, OptionError};
pub use quarantine::{QUARANTINE, quarantine};
pub use registry::{AlreadyRegistered, DriverFactory, OpenError, Registry};
pub use remap::{HardLinks, RemapRequest, remap_tree};
pub use size::{InvalidSize, parse_size};
pub use stage::{CommitFailed, LayerAccess, LayerRef, StageRequest, StagedLayer};
pub use staged_dir::{DirTarget, StagedDir, remap_dir};
pub use sync::{InvalidSyncMode, SyncMode};
pub use trash::Trash;
pub use tree::{StagedTree, TreeFor, TreeRequest, TreeRoot};
pub use usage::Usage;
pub use view::{LayerView, OwnTree};
pub use work::{Tasks, default_threads, run_tasks};

// Their types are in the signatures above, and drivers are written with them.
pub use {layerhold_archive, layerhold_idmap, layerhold_ids, layerhold_staging, layerhold_sys};

/// Keeps the example of the README right.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
