//! Temporary areas: their life, the death of their owners, and sharing.

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
