//! Whole policies: texts, files in memory, and verdicts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod files;
mod policies;
mod rules;
#[cfg(feature = "openpgp")]
mod verdicts;
