//! What is where on the disk: the homes of the driver, and the names in them. Knows no layer.

mod durability;
mod staging_dirs;
mod homes;
mod names;

pub(crate) use durability::{sync_directories, sync_filesystems};
pub(crate) use homes::{Home, Homes, OpenHome, is_layer_name, optional};
pub use names::NAME;
pub(crate) use names::{
    ADDITIONAL_LAYER, COMPOSEFS, DIFF, EMPTY, FILE_MODE, LINK, LINKS, LOWER, MAPPED, MERGED,
    MOUNT_PROGRAM_FLAG, NEXT_MERGED, PRIVATE_MODE, QUOTA_DEVICE, ROOT_MODE, SHARED_MODE, STAGING,
    STAGING_LOCK, STAGING_TREE, TEMP, WORK, diff_name,
};
pub(crate) use staging_dirs::{Pulls, abandoned, prune, recover};
