//! Container layers, images and containers on disk, in the format podman, buildah, skopeo and CRI-O
//! share.
//!
//! A [`Store`] is a pair of directories, which Go tools may use at the same time. New items are
//! added in a [`Transaction`]: layers are unpacked into temporary areas, without any lock, and all
//! records become visible at once. Records are read from a [`Snapshot`], which is consistent and
//! holds no lock. A [`Key`] names an item: a typed ID, or a text that may be an ID, a name or a
//! unique prefix of an ID. [`check`] finds damage and [`repair`] repairs it.
//!
//! ```
//! use layerhold::{ImageSpec, LayerSpec, Store, StoreOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
//! # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
//! # let reader = std::io::Cursor::new(vec![0u8; 1024]);
//! let store = Store::open(options)?;
//! let mut tx = store.begin()?;                                 // nothing is visible yet
//! let base = tx.import_layer(LayerSpec::new(), reader)?;       // any compression; digests computed here
//! tx.create_image(ImageSpec::new().without_manifest().name("example").top_layer(&base))?;
//! tx.commit()?;                                                // durable, then visible, all at once
//! let view = store.snapshot()?;                                // consistent, holds no lock
//! let image = view.image("example")?;                          // ID, name or unique prefix
//! # assert_eq!(image.top_layer(), Some(base.id()));
//! # Ok(())
//! # }
//! ```
//!
//! # Promises
//!
//! - *Durable, then visible*: contents reach the disk before the record that names them. This costs
//!   one flush of the filesystem per commit, which [`SyncMode::None`] turns off.
//! - *No lock during long work*: unpacking, hashing, copying and erasing never block another
//!   process.
//! - *A damaged record never blocks the store*: it is set aside and listed by
//!   [`Snapshot::damaged`].
//! - *No global state*: two openings of one store behave like two processes.
//!
//! # Signals and limits of the process
//!
//! The library handles no signals and sets no limits. A program can pass a
//! [`Cancel`](layerhold_sys::Cancel) to [`StoreOptions::with_cancel`], or to [`Store::with_cancel`]
//! for single operations, and cancel work that has begun; staged contents are erased then. Under a
//! file size limit (`RLIMIT_FSIZE`) the kernel kills the program with `SIGXFSZ`, unless the program
//! ignores or handles that signal, as
//! [`let_large_writes_fail`](layerhold_sys::let_large_writes_fail) does. Then the write fails with
//! an error, and everything is undone.
//!
//! # Lock order
//!
//! `storage.lock`, then `userns.lock`, then the layers, the images and the containers lock, and
//! innermost the lock of the mount counts. `catalog/locks.rs` holds several of them at once, and an
//! operation that needs an earlier lock borrows its guard.
//!
//! # Limitations
//!
//! - User namespaces are chosen from the text of `/etc/subuid`; other sources of ranges (libsubid)
//!   are not used.
//! - SELinux labels come from the policy's defaults and the caller's options. They are not
//!   validated against the policy, and files are not relabelled. Contents of layers get no labels
//!   of their own.
//! - A diff returned by [`Store::diff`] fails if the layer is deleted while it is read.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod error;
mod store;
pub mod repair;
pub mod check;
mod edit;
mod transaction;
mod delete;
mod staged_tree;
mod contents;
mod dedup;
mod usage;
mod mount;
mod spec;
mod engine;
mod catalog;
mod records;
mod spans;

pub use catalog::big_data::DataError;
pub use catalog::error::{AccessError, Conflict, LookupError};
pub use catalog::key::Key;
pub use catalog::mount_counts::Mounted;
pub use catalog::snapshot::{DamagedRecord, Item, Snapshot};
pub use catalog::transient::Persistence;
pub use contents::additional_layer::{AdditionalLayer, AdditionalLayerError};
pub use contents::diff::{Diff, DiffCompression};
pub use contents::directories::DirectoryError;
pub use contents::error::DiffError;
pub use contents::import::LayerDigests;
pub use contents::progress::ProgressAnswer;
pub use contents::sizes::ImageSizes;
pub use dedup::{DedupOptions, DedupReport, DedupSupport, HashMethod, UnknownHashMethod};
pub use delete::error::DeleteError;
pub use delete::garbage::{CollectError, CollectReport};
pub use delete::item::DeleteMode;
pub use edit::update::UpdateError;
pub use engine::error::OpenError;
pub use engine::notices::{Notice, Notices};
pub use engine::options::{Recovery, StoreOptions, VolatileMounts};
pub use engine::userns::{AutoUserNs, AutoUserNsPolicy, UserNsError};
pub use error::Error;
pub use mount::error::MountError;
pub use mount::guard::MountGuard;
pub use mount::ignored::Ignored;
pub use mount::layer::{MountRequest, StillMounted, Unmounting};
pub use mount::owners::ParentOwners;
pub use mount::shutdown::{Shutdown, ShutdownError};
pub use records::big_data_item::BigDataItem;
pub use records::error_kind::ErrorKind;
pub use records::kinds::{ItemId, ItemKind};
pub use records::{Container, Image, InvalidRecord, Layer};
pub use spec::error::StageError;
pub use spec::layer_id::{NewLayerId, layer_id_of_contents};
pub use spec::{
    ContainerSpec, IfPresent, ImageIfPresent, ImageSpec, LayerSpec, ManifestRule, NameConflict,
};
pub use staged_tree::{FilledTree, TreeFacts, TreeSpec, TreeToFill};
pub use store::Store;
pub use transaction::{CommitError, TransactionError};
pub use transaction::{Committed, StagedContainer, StagedLayer, Transaction};
pub use usage::{
    ContainerUsage, DiskUsage, ImageUsage, ItemUsage, LayerUsage, TotalUsage, UsageError,
    UsageOrigin, UsageReport, WrongCounter,
};

// Types of these crates are part of the API.
pub use layerhold_archive::{Change, ChangeKind, Codec};
#[cfg(feature = "config")]
pub use layerhold_config;
pub use layerhold_driver::{LayerAccess, Privilege, Shifting, SyncMode, TreeRoot};
pub use layerhold_selinux::{LabelError, Labels};
pub use {
    layerhold_archive, layerhold_driver, layerhold_idmap, layerhold_ids, layerhold_json_store,
    layerhold_lockfile, layerhold_schema, layerhold_selinux, layerhold_sys,
};

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
