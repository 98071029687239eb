//! Where a layer is mounted: in its own directory, or in the run root if that may not be written
//! to.

use std::path::PathBuf;

use layerhold_driver::{LayerError, MountOptions};
use layerhold_idmap::{HostOwner, IdMappings};
use layerhold_sys::Dir;

use crate::context::Context;
use crate::disk::{MERGED, PRIVATE_MODE};
use crate::layers::{Layer, root_pair, set_mode_and_owner};

/// The directory at which a layer is mounted.
pub(crate) fn mount_point(context: &Context, layer: &Layer) -> PathBuf {
    if layer.home().takes_mounts() {
        layer.merged()
    } else {
        run_dir(context, layer).join(MERGED)
    }
}

/// Makes the directory at which a layer is mounted.
pub(super) fn make_mount_point(
    context: &Context,
    layer: &Layer,
    options: &MountOptions,
) -> Result<PathBuf, LayerError> {
    let path = mount_point(context, layer);
    if !layer.home().takes_mounts() {
        drop(Dir::create_ambient_all(&path, PRIVATE_MODE)?);
    } else if !layer.handle().exists(MERGED)? {
        let made = layer.handle().ensure_dir(MERGED, PRIVATE_MODE)?;
        let owner = root_of(options.id_maps.as_ref())?;
        set_mode_and_owner(context, &made, PRIVATE_MODE, owner)?;
    }
    Ok(path)
}

/// The directory in the run root of a layer that is not in the driver's home, or may not be written
/// to.
pub(super) fn run_dir(context: &Context, layer: &Layer) -> PathBuf {
    context.cache.path().join(layer.id().as_str())
}

fn root_of(maps: Option<&IdMappings>) -> Result<HostOwner, LayerError> {
    maps.map_or(Ok(HostOwner::new(0, 0)), root_pair)
}
