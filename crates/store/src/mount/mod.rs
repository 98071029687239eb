//! Mounting and unmounting layers and containers, and shutting a store down.

pub(crate) mod guard;
pub(crate) mod owners;
pub(crate) mod shutdown;
pub(crate) mod ignored;
pub(crate) mod layer;
pub(crate) mod error;
pub(crate) mod stale;
pub(crate) mod kernel_table;
