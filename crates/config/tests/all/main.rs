//! Whole configurations: files in memory, files on disk, and a comparison with the Go tool.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod drivers;
mod environment;
mod host;
mod keys;
mod lists;
mod memory;
mod mistakes;
mod peer;
mod properties;
mod searching;
