//! The crate of layerhold that talks to the kernel: directory handles, lookups that cannot leave a
//! root, files replaced durably, record locks, extended attributes, mounts, overlays, quotas and
//! fast copies.
//!
//! Operations are relative to a [`Dir`], an open directory. Every error is a [`PathError`], which
//! names operation and path. This crate does not know containers and runs no programs. Its only
//! global state is the list of [held locks](HeldLock) and the signal handlers that a program asks
//! for ([`EndingSignals`], [`PassedSignals`]). Only [`UserNamespace::new`] starts a child process,
//! briefly and without a signal at its end.
//!
//! ```
//! use layerhold_sys::{Dir, Durability, publish};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scratch = tempfile::tempdir()?;
//! let dir = Dir::open_ambient(scratch.path())?;
//! publish(&dir, "state.json", 0o600, &[b"[]"], Durability::Durable)?;
//! assert_eq!(dir.read_file("state.json", 1 << 20)?, Some(b"[]".to_vec()));
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//!
//! - Linux only. procfs must be mounted for setting modes by name, for mounts and, before Linux
//!   6.13, for extended attributes by name.
//! - If the kernel has no `openat2`, lookups below a root refuse every symbolic link on procfs, not
//!   only those that lead elsewhere.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "layerhold runs on Linux only: it uses the mounts, user namespaces, file handles and locks of that kernel"
);

mod namespace;
mod filesystem;
mod trees;
mod locks;
mod mounts;
mod files;
mod directory;
mod process;
mod random;
mod best_effort;
mod error;
mod causes;
#[cfg(test)]
mod fixture;

pub use best_effort::best_effort;
pub use causes::{Cancelled, causes, is_cancelled, is_out_of_space};
pub use directory::acl::{Inherited, has_default_acl, remove_acl_at, remove_acls};
pub use directory::ambient::{canonical_ambient, lstat_ambient, open_ambient_file, stat_ambient};
pub use directory::attributes::{SetTime, Times, set_file_mode, set_file_owner, set_file_times};
pub use directory::dir::{Dir, directories_opened};
pub use directory::entries::{DirEntry, Entries};
pub use directory::links::{NodeKind, RenameHow};
pub use directory::options::{Create, OpenOptions};
pub use directory::stat::{FileType, Stat, Timestamp, make_device, split_device, stat_file};
pub use directory::xattr;
pub use error::{PathError, Result};
pub use files::metadata_io::{HostIo, MetadataIo};
pub use files::output_file::OutputFile;
pub use files::publish::{Durability, Staged, publish, random_suffix};
pub use filesystem::d_type::supports_d_type;
pub use filesystem::fs_magic::{FsMagic, fs_magic, is_read_only};
pub use filesystem::project_quota::{
    Project, ProjectQuota, QuotaLimits, QuotaUsage, project, set_project,
};
pub use locks::held::{
    HeldFor, HeldLock, is_held_by_this_thread, no_brief_lock, under_lock_on_purpose,
};
pub use locks::holders::{LockHolder, lock_holders};
pub use locks::record_lock::{LockKind, RecordLock};
pub use mounts::detached::DetachedMount;
pub use mounts::mount_namespaces::{Coverage, visit_mounts_everywhere};
pub use mounts::mount_of::{MountSummary, mount_at, mount_of, unique_mount_id};
pub use mounts::mount_users::{Hold, Holder, mount_users};
pub use mounts::overlay_mount::{OverlayApi, OverlayMount, OverlayMountError};
pub use mounts::{mount, mountinfo};
pub use namespace::enter::NewUserNamespace;
pub use namespace::idmapped::{IdMapping, UserNamespace, clone_idmapped};
pub use process::cancel::{CANCEL_INTERVAL, Cancel, CancellableReader};
pub use process::passed_signals::{PassedSignal, PassedSignals, SignalTarget};
pub use process::properties::{
    Capability, boot_time, effective_group, effective_user, has_capability, in_user_namespace,
    raise_open_files, set_open_files,
};
pub use process::signals::{Ending, EndingSignals, let_large_writes_fail};
pub use process::terminal::HiddenTyping;
pub use random::random_bytes;
pub use trees::copy::{Copier, CopyMethod, copy_contents};
pub use trees::dedupe::{DedupeEnd, Deduped, dedupe_file, may_dedupe, shares_all_blocks};
pub use trees::descent::Descent;
pub use trees::remove_tree::{remove_contents, remove_tree, remove_tree_unless};
pub use trees::usage::{TreeUsage, tree_usage, tree_usage_unless};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
