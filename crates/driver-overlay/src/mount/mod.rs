//! Mounting a layer, showing it, and unmounting it.

mod counted;
mod unmounting;
mod view;
mod mounting;
mod layer_plan;
mod mount_point;
mod options;

pub(crate) use counted::{mount_counted, unmount_counted};
pub(crate) use layer_plan::{MAX_DEPTH, lowers_below};
pub(crate) use mount_point::mount_point;
pub(crate) use options::{ignored_options, remap_options};
pub(crate) use unmounting::unmount_unused;
pub(crate) use view::{Shift, view};
