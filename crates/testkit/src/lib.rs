//! Fixtures, faults, peers and child processes for tests of programs that keep container storage.
//!
//! This crate is for dev-dependencies. Unlike the library crates, it reads the environment, prints,
//! panics, and uses `std::fs` directly, so that tests do not check the code with itself.
//!
//! ```
//! use layerhold_testkit::{TarBuilder, TarEntry, Tree};
//!
//! let layer = TarBuilder::new()
//!     .dir("etc", 0o755)
//!     .file("etc/hostname", 0o644, b"box\n")
//!     .entry(TarEntry::symlink("run", "/var/run").owner(1000, 1000))
//!     .finish();
//! assert_eq!(layer.len() % 512, 0);
//!
//! let place = layerhold_testkit::scratch();
//! let before = Tree::of(place.path());
//! std::fs::File::create(place.path().join("new")).unwrap();
//! assert_eq!(Tree::of(place.path()).differences(&before).len(), 2); // the file, and the directory's mtime
//! ```
//!
//! # Requirements of a test
//! A test that needs root, a peer or a filesystem asks for it first and returns if the answer is
//! `None`:
//!
//! ```
//! # fn body() {
//! let Some(()) = layerhold_testkit::require_root() else { return };
//! let Some(()) = layerhold_testkit::require_peer("containers-storage") else { return };
//! # }
//! ```
//!
//! The skip is printed as `SKIP name: why`. With `CI=true` in the environment it is a failure,
//! unless the running kernel lacks the feature.
//!
//! # Limitations
//! Linux only. Loop-mounted filesystems are visible in the mount namespace of the test. They are
//! detached when their handle is dropped; a killed test leaves them mounted below the temporary
//! directory.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests stand outside the library's rules: they read the environment, print skips and check files by themselves"
)]

mod child;
mod fault;
pub mod fault_proxy;
pub mod registry;
mod require;
mod filesystem;
mod namespace;
mod peers;
mod ran;
mod subscriber;
pub mod image;
pub mod layers;
pub mod hostile;
mod tar_builder;
mod tree;
mod acl;
mod random;

pub use acl::{DEFAULT_ACL, generous_acl};
pub use child::{Child, ChildRole, ChildSpec, child_role};
pub use fault::{Fault, FaultIo, Operation};
pub use filesystem::{Filesystem, FilesystemKind, scratch};
pub use namespace::UserNamespace;
pub use peers::{Buildah, GoStore, Podman, Skopeo, Tool};
pub use ran::{Ran, run};
pub use require::{
    Feature, SkipReason, require_docker_registry, require_feature, require_filesystem,
    require_peer, require_root, require_user_namespace, skip,
};
pub use subscriber::with_subscriber;
pub use tar_builder::{TarBuilder, TarEntry, TarFormat, TarKind};
pub use tempfile::TempDir;
pub use tree::{Node, NodeKind, Tree};

/// Keeps the example of the README right.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
