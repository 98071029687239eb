//! Whole configurations: texts, files in memory, and files on disk.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod certificates;
mod files;
mod memory;
mod mistakes;
mod properties;
mod short_names;
mod signatures;
mod sources;
