//! The vfs driver as a whole.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at files by themselves and fail by panicking"
)]

mod conformance;
mod vfs;
