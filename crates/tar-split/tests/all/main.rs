//! One binary for all integration tests; a file per subject.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

mod archives;
mod headers;
mod peer;
mod properties;
mod rebuilding;
mod recording;
mod skeletons;
