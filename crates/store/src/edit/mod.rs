//! Changes to recorded items: names, metadata, flags, big data items.

pub(crate) mod big_data;
pub(crate) mod update;
