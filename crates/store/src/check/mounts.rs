//! Whether what is counted as mounted is mounted, and the reverse.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use layerhold_driver::Stacking;
use layerhold_ids::LayerId;
use layerhold_sys::mountinfo::{MountInfo, read_mounts};
use layerhold_sys::visit_mounts_everywhere;

use super::damage::Damage;
use super::error::CheckError;
use super::look::Look;
use super::report::{Finding, Remedy};
use crate::catalog::mount_counts::Mounted;
use crate::engine::Engine;
use crate::records::kinds::ItemId;

/// Compares the counts with what the kernel has mounted, under the lock of the counts, so that none
/// changes in between.
///
/// A count is reported when its mount is in no mount namespace; when that cannot be told from here,
/// it is believed. A mount that is not counted is found only in the namespace of this process.
pub(super) fn check(look: &Look<'_>) -> Result<Vec<Finding>, CheckError> {
    let mut found = Vec::new();
    let ask = |counted: &[Mounted]| -> Result<_, CheckError> {
        Ok((look.inner.stale(counted.to_vec())?, mounted(look.inner)?))
    };
    let (counted, stale, mounted) = match look.inner.mounts.read_with(ask) {
        Ok((counted, Ok((stale, mounted)))) => (counted, stale, mounted),
        Ok((_, Err(error))) => return Err(error),
        Err(error @ crate::errors::AccessError::Mounts { .. }) => {
            let damage = Damage::MountCounts(Box::new(error));
            return Ok(vec![Finding::of_store(damage, Remedy::Rebuild)]);
        }
        Err(error) => return Err(error.into()),
    };
    for Mounted { layer, path, count } in stale {
        found.push(Finding::of(
            ItemId::Layer(layer),
            Damage::StaleMount { path, count },
            Remedy::Rebuild,
        ));
    }
    for (layer, path) in mounted {
        let is_counted = counted.iter().any(|mount| mount.layer == layer);
        if !is_counted && look.layers.contains_key(&layer) {
            found.push(Finding::of(
                ItemId::Layer(layer),
                Damage::UncountedMount { path },
                Remedy::Rebuild,
            ));
        }
    }
    Ok(found)
}

/// Finds the layers that are mounted in the mount namespace of this process, and where.
pub(crate) fn mounted(inner: &Engine) -> layerhold_sys::Result<BTreeMap<LayerId, PathBuf>> {
    let Some(home) = home_of_mounts(inner) else {
        return Ok(BTreeMap::new());
    };
    let mounts = read_mounts()?;
    Ok(mounts
        .iter()
        .filter_map(|mount| layer_at(&home, mount))
        .collect())
}

/// Finds the layers that are mounted below a [home](home_of_mounts) in any mount namespace, as far
/// as this process can look into them.
pub(crate) fn mounted_anywhere(home: &Path) -> layerhold_sys::Result<BTreeMap<LayerId, PathBuf>> {
    let mut found = BTreeMap::new();
    let _coverage = visit_mounts_everywhere(&mut |mount| {
        found.extend(layer_at(home, mount));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The directory below which the driver mounts layers; `None` for drivers that show a layer's own
/// tree.
pub(crate) fn home_of_mounts(inner: &Engine) -> Option<PathBuf> {
    let mounts = inner.driver().capabilities().stacking != Stacking::Copies;
    mounts.then(|| inner.options.graph_root.join(inner.driver_name))
}

/// The layer whose mount point this is: HOME/ID/merged. What lies deeper was mounted by users of
/// the layer.
fn layer_at(home: &Path, mount: &MountInfo) -> Option<(LayerId, PathBuf)> {
    let mut below = mount.mount_point.strip_prefix(home).ok()?.iter();
    let id = below.next()?.to_str()?.parse().ok()?;
    (below.count() == 1).then(|| (id, mount.mount_point.clone()))
}
