//! Tests of the public API: alone, beside other processes, beside the tools that share the format,
//! and after crashes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and looks at files by itself"
)]

mod additional;
mod additional_layers;
mod additional_peers;
mod apply;
mod auto_userns;
mod big_data;
mod cancel;
mod check;
mod check_deep;
mod choose_driver;
mod collect;
mod concurrency;
mod containers;
mod crashes;
mod damaged_records;
mod dedup;
mod deletion;
mod differences;
mod directories;
mod error_kinds;
mod facts;
mod faults;
mod from_go;
mod images;
mod import;
mod labels;
mod layer_ids;
mod layers;
mod lock_timeout;
mod limits;
mod locks;
mod lookups;
mod lost_records;
mod mapped;
mod mount_guard;
mod mount_namespaces;
mod mounting;
mod mounting_at_once;
mod names;
mod opening;
#[cfg(feature = "config")]
mod own_store;
mod peers;
mod properties;
mod recovery;
mod repair;
mod sizes;
mod spans;
mod split;
mod support;
mod transient;
mod tree_tars;
mod third_party;
mod trees;
mod trees_cut_off;
mod usage;
