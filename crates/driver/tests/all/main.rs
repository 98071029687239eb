//! The parts drivers share, with a driver that only counts.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at files by themselves and fail by panicking"
)]

mod detect;
mod fake;
mod fallback;
mod remap;
mod trash;
