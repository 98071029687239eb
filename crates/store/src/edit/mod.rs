//! Changing what is recorded of an item: names, metadata, flags, big data items.

pub(crate) mod big_data;
pub(crate) mod update;
