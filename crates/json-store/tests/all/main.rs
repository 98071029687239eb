//! The store on real files.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests prepare and check files without the code under test, and end where something is wrong"
)]

mod big_data;
mod bytes;
mod damage;
mod faults;
mod full_disk;
mod lookups;
mod model;
mod names;
mod peers;
mod sharing;
mod support;
mod sweep;
mod updates;
