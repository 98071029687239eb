//! Unpacks, packs and compares archives on real filesystems and against the Go tool.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the results by other means than the library's"
)]

mod cancel;
mod changes;
mod entries;
mod hostile;
mod limits;
mod overlay;
mod pack;
mod peer;
mod pipeline;
mod properties;
mod races;
mod support;
mod whiteouts;
