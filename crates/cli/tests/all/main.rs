//! Both command lines as programs: beside the Go tool, and on their own.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests lay their fixtures out with plain file operations and may panic"
)]

mod cannot_judge;
mod check;
mod dedup;
mod differential;
mod drivers;
mod dropin_config;
mod dropin_copy;
mod dropin_data;
mod dropin_differences;
mod dropin_items;
mod dropin_mounts;
mod dropin_staged;
mod dropin_usage;
mod escaping;
mod every_option;
mod mounted_elsewhere;
mod overlay;
mod people;
mod people_care;
mod people_images;
mod powercut;
mod shells;
mod signals;
mod streams;
mod support;
mod twin;
mod unshare;
mod usage;
