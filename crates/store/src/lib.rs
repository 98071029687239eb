//! Container layers, images and containers on disk, in the format podman, buildah, skopeo and CRI-O
//! share.
//!
//! A [`Store`] is a pair of directories that may be used by the Go tools at the same moment.
//! Changes that bring something new go through a [`Transaction`]: layers are unpacked where nobody
//! sees them, without any lock, and all records become visible at once. Reading goes through a
//! [`Snapshot`], which is consistent and holds no lock.
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
//! tx.create_image(ImageSpec::new().name("example").top_layer(&base))?;
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
//! - *Durable, then visible*: contents reach the disk before the record that names them. One flush
//!   of the filesystem per commit, which [`SyncMode::None`] turns off.
//! - *No lock during long work*: unpacking, hashing, copying and erasing never stop another
//!   process.
//! - *One damaged record never stops the store*: it is set aside and listed by
//!   [`Snapshot::damaged`].
//! - *No global state*: two stores opened on one directory behave like two processes.
//!
//! # Signals and limits of the process
//!
//! The library handles no signals and sets no limits. A program that embeds it hands a
//! [`Cancel`](layerhold_sys::Cancel) in ([`StoreOptions::with_cancel`]) to stop work that has
//! begun; what was staged is erased then. Under a limit of file sizes (`RLIMIT_FSIZE`) the kernel
//! kills the program with `SIGXFSZ`, unless it ignores or handles that signal
//! ([`let_large_writes_fail`](layerhold_sys::let_large_writes_fail) does); then the write is an
//! error, after which everything is undone.
//!
//! # Lock order
//!
//! `storage.lock`, then `userns.lock`, then the layers, the images and the containers lock, and
//! innermost the lock of the mount counts. One function takes them, and the guard of a later one
//! borrows the guard of the one before.
//!
//! # Limitations
//!
//! - User namespaces are chosen from the text of `/etc/subuid`; other sources of such ranges
//!   (libsubid) are not asked.
//! - SELinux labels are made of what the policy says and what is asked for, and nobody asks whether
//!   the policy knows the result, nor relabels files. Contents of layers get no labels of their
//!   own.
//! - A difference taken with [`Store::diff`] fails when the layer is deleted while it is read.

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

pub use catalog::big_data::DataError;
pub use catalog::error::{AccessError, Conflict, LookupError};
pub use catalog::key::Key;
pub use catalog::mount_counts::Mounted;
pub use catalog::snapshot::{DamagedRecord, Item, Snapshot};
pub use catalog::transient::Persistence;
pub use contents::additional_layer::AdditionalLayer;
pub use contents::additional_layer::AdditionalLayerError;
pub use contents::diff::{Diff, DiffCompression};
pub use contents::directories::DirectoryError;
pub use contents::error::DiffError;
pub use contents::import::LayerDigests;
pub use dedup::{DedupOptions, DedupReport, DedupSupport, HashMethod, UnknownHashMethod};
pub use delete::error::DeleteError;
pub use delete::garbage::CollectError;
pub use delete::garbage::CollectReport;
pub use delete::item::DeleteMode;
pub use edit::update::UpdateError;
pub use engine::error::OpenError;
pub use engine::notices::{Notice, Notices};
pub use engine::options::{Recovery, StoreOptions, VolatileMounts};
pub use engine::userns::{AutoUserNs, AutoUserNsPolicy, UserNsError};
pub use error::Error;
pub use mount::error::MountError;
pub use mount::ignored::Ignored;
pub use mount::layer::{MountRequest, StillMounted, Unmounting};
pub use mount::owners::ParentOwners;
pub use mount::shutdown::Shutdown;
pub use mount::shutdown::ShutdownError;
pub use records::big_data_item::BigDataItem;
pub use records::error_kind::ErrorKind;
pub use records::kinds::{ItemId, ItemKind};
pub use records::{Container, Image, InvalidRecord, Layer};
pub use spec::error::StageError;
pub use spec::{ContainerSpec, IfPresent, ImageIfPresent, ImageSpec, LayerSpec, NameConflict};
pub use staged_tree::{FilledTree, TreeFacts, TreeSpec, TreeToFill};
pub use store::Store;
pub use transaction::{CommitError, TransactionError};
pub use transaction::{Committed, StagedContainer, StagedLayer, Transaction};
pub use usage::{
    ContainerUsage, DiskUsage, ImageUsage, LayerUsage, TotalUsage, UsageError, UsageOrigin,
    UsageReport, WrongCounter,
};

// Their types are in the signatures above.
pub use layerhold_archive::{Change, ChangeKind, Codec};
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
