//! Deletes items, and collects garbage.

pub(crate) mod garbage;
pub(crate) mod item;
pub(crate) mod target;
pub(crate) mod error;
pub(crate) mod foreign;
