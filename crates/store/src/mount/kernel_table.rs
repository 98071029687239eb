//! The layers that are mounted according to the kernel.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use layerhold_driver::Stacking;
use layerhold_ids::LayerId;
use layerhold_sys::mountinfo::{MountInfo, read_mounts};
use layerhold_sys::visit_mounts_everywhere;

use crate::engine::Engine;

/// Finds the layers that are mounted in the mount namespace of this process, with their mount
/// points.
pub(crate) fn mounted_layers(engine: &Engine) -> layerhold_sys::Result<BTreeMap<LayerId, PathBuf>> {
    let Some(home) = home_of_mounts(engine) else {
        return Ok(BTreeMap::new());
    };
    let mounts = read_mounts()?;
    Ok(mounts
        .iter()
        .filter_map(|mount| layer_at(&home, mount))
        .collect())
}

/// Finds the layers that are mounted below a [home](home_of_mounts) in any mount namespace that
/// this process may read.
pub(crate) fn mounted_anywhere(home: &Path) -> layerhold_sys::Result<BTreeMap<LayerId, PathBuf>> {
    let mut found = BTreeMap::new();
    let _coverage = visit_mounts_everywhere(&mut |mount| {
        found.extend(layer_at(home, mount));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Returns the directory below which the driver mounts layers; `None` for drivers that return a
/// layer's own tree instead of mounting.
pub(crate) fn home_of_mounts(engine: &Engine) -> Option<PathBuf> {
    let mounts = engine.driver().capabilities().stacking != Stacking::Copies;
    mounts.then(|| engine.options.graph_root.join(engine.driver_name))
}

/// Returns the layer whose mount point this is: HOME/ID/merged. Deeper mounts belong to the users
/// of the layer.
fn layer_at(home: &Path, mount: &MountInfo) -> Option<(LayerId, PathBuf)> {
    let mut below = mount.mount_point.strip_prefix(home).ok()?.iter();
    let id = below.next()?.to_str()?.parse().ok()?;
    (below.count() == 1).then(|| (id, mount.mount_point.clone()))
}
