//! PLACEHOLDER

pub(crate) mod snapshot;
pub(crate) mod locks;
pub(crate) mod locked;
pub(crate) mod transient;
pub(crate) mod lookup;
pub(crate) mod record_stores;
pub(crate) mod mount_counts;
pub(crate) mod intent;
pub(crate) mod layout;
pub(crate) mod files;
