//! One binary for all integration tests; a file per subject.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, helpers included, and makes files by itself"
)]

mod archives;
mod headers;
mod peer;
mod properties;
mod rebuilding;
mod recording;
mod skeletons;
#[cfg(feature = "dir")]
mod tree;
