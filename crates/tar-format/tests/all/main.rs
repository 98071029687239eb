//! One binary for all integration tests; a file per subject.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

mod build;
mod differential;
mod generate;
mod limits;
mod meaning;
mod peer;
mod properties;
mod refusals;
mod sparse;
mod writer;
