//! The overlay driver as a whole.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at files by themselves and fail by panicking"
)]

mod conformance;
mod crashes;
mod differences;
mod filesystems;
mod limits;
mod mounting;
mod peers;
mod repair;
mod shape;
mod shifting;
mod stores;
mod support;
mod trees;
