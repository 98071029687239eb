//! Mounting a layer, showing it, and unmounting it.

mod unmounting;
mod view;
mod mounting;
mod layer_plan;
mod mount_point;
mod options;

pub(crate) use layer_plan::{MAX_DEPTH, lowers_below};
pub(crate) use mount_point::{make_mount_point, mount_point};
pub(crate) use mounting::{is_mount_suitable, mount};
pub(crate) use options::{ignored_options, remap_options};
pub(crate) use unmounting::{unmount_layer, unmount_unused};
pub(crate) use view::{Shift, view};
