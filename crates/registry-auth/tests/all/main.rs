//! Files on disk, credential helpers that behave and that do not, and a comparison with podman and
//! skopeo.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod files;
mod helpers;
mod peer;
mod place;
