//! Temporary areas: their life, their owners' death, and those who share them.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and looks at files by itself"
)]

mod areas;
mod crashes;
mod peers;
mod races;
mod support;
