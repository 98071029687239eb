//! The environment on this host.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod files;
