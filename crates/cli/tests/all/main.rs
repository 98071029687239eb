//! Both command lines as programs: beside the Go tool, and on their own.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod cannot_judge;
mod check;
mod containers_storage;
mod dedup;
mod differential;
mod drivers;
mod escaping;
mod every_option;
mod layerhold;
mod mounted_elsewhere;
mod overlay;
mod powercut;
mod shells;
mod signals;
mod streams;
mod support;
mod twin;
mod unshare;
mod usage;
