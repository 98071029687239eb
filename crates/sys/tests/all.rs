//! Tests that need root or a filesystem of their own; the rest is beside the code.

mod copies;
mod mounts;
mod ownership;
mod removal;
