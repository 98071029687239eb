//! Tests that need root or a filesystem of their own; other tests are beside the code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at files without the code that they test"
)]

mod copies;
mod dedupe;
mod detection;
mod idmapped;
mod mounts;
mod overlay;
mod ownership;
mod quota;
mod removal;
