//! Loading and saving on real stores, and beside the Go tools.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod archives;
mod build;
#[cfg(feature = "registry")]
mod cuts;
#[cfg(feature = "registry")]
mod faulty;
mod image_directories;
mod layouts;
mod load;
#[cfg(feature = "registry")]
mod mirrors;
mod names;
mod peer_build;
mod peer_load;
#[cfg(feature = "registry")]
mod peer_pull;
#[cfg(feature = "registry")]
mod peer_registry;
mod peer_save;
mod platforms;
mod predicates;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod pull_faults;
#[cfg(feature = "registry")]
mod push;
#[cfg(feature = "registry")]
mod push_faults;
mod readable;
mod refusals;
mod save;
mod saved_manifests;
mod saved_places;
#[cfg(feature = "registry")]
mod signed_directories;
mod support;
#[cfg(feature = "registry")]
mod together;
