//! Mounting for the first user of a layer, and unmounting for the last one.

use std::path::PathBuf;

use layerhold_driver::{FsMount, LayerError, MountCounter, MountOptions, UserAdded};
use layerhold_sys::mount::{Detach, unmount};

use super::mount_point::{make_mount_point, mount_point};
use super::mounting::{is_mount_suitable, mount};
use super::unmounting::unmount_layer;
use crate::context::Context;
use crate::layers::Layer;

/// Adds a user of a layer's mount. Mounts the layer if there is no mount that the user can take.
pub(crate) fn mount_counted(
    context: &Context,
    counter: &MountCounter<FsMount>,
    layer: &Layer,
    options: &MountOptions,
) -> Result<PathBuf, LayerError> {
    let target = make_mount_point(context, layer, options)?;
    let is_mounted = match counter.increment(&target) {
        UserAdded::Joined => true,
        UserAdded::First => false,
        UserAdded::TookOver => is_mount_suitable(&target, options)?,
    };
    if is_mounted {
        return Ok(target);
    }
    let outcome = unmount(&target, Detach::Lazy)
        .map_err(LayerError::from)
        .and_then(|()| mount(context, layer, &target, options));
    if outcome.is_err() {
        counter.decrement(&target);
    }
    outcome.map(|()| target)
}

/// Removes a user of a layer's mount. Unmounts the layer if it was the last one.
pub(crate) fn unmount_counted(
    context: &Context,
    counter: &MountCounter<FsMount>,
    layer: &Layer,
) -> Result<(), LayerError> {
    if counter.decrement(&mount_point(context, layer)) > 0 {
        return Ok(());
    }
    unmount_layer(context, layer)
}
