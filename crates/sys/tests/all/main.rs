//! Tests that need root or a filesystem of their own; the rest is beside the code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod copies;
mod mounts;
mod ownership;
mod removal;
