//! Whether what is counted as mounted is mounted, and the reverse.

use std::collections::BTreeMap;
use std::path::PathBuf;

use layerhold_driver::Stacking;
use layerhold_ids::LayerId;
use layerhold_sys::mountinfo::read_mounts;

use super::damage::Damage;
use super::error::CheckError;
use super::look::Look;
use super::report::{Finding, Remedy};
use crate::inner::Inner;
use crate::item::ItemId;
use crate::mounts::Mounted;

/// Compares the counts with the kernel's table, under the lock of the counts: nobody mounts meanwhile.
///
/// The table is that of this process. A user without rights sees the mounts of a rootless store only where they were made, as in
/// `podman unshare`; elsewhere nothing can be told, and nothing is reported.
pub(super) fn check(look: &Look<'_>) -> Result<Vec<Finding>, CheckError> {
    let mut found = Vec::new();
    let (counted, mounted) = match look.inner.mounts.read_with(|| mounted(look.inner)) {
        Ok((counted, mounted)) => (counted, mounted?),
        Err(error @ crate::error::AccessError::Mounts { .. }) => {
            let damage = Damage::MountCounts(Box::new(error));
            return Ok(vec![Finding::of_store(damage, Remedy::Rebuild)]);
        }
        Err(error) => return Err(error.into()),
    };
    for Mounted { layer, path, count } in &counted {
        if !look.inner.may_be_mounted(path, &mounted) {
            let (path, count) = (path.clone(), *count);
            found.push(Finding::of(
                ItemId::Layer(layer.clone()),
                Damage::StaleMount { path, count },
                Remedy::Rebuild,
            ));
        }
    }
    for (layer, path) in mounted.layers {
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

/// What the kernel has mounted in the driver's home.
#[derive(Debug, Default)]
pub(crate) struct KernelMounts {
    /// Whether this process can see the mounts of the store.
    is_visible: bool,
    /// The layers that are mounted, and where.
    pub(crate) layers: BTreeMap<LayerId, PathBuf>,
}

/// Reads the kernel's table.
pub(crate) fn mounted(inner: &Inner) -> layerhold_sys::Result<KernelMounts> {
    if inner.driver().capabilities().stacking == Stacking::Copies {
        return Ok(KernelMounts::default());
    }
    let home = inner.options.graph_root.join(inner.driver_name);
    let mut mounts = KernelMounts {
        is_visible: layerhold_sys::effective_user() == 0,
        ..KernelMounts::default()
    };
    for mount in read_mounts()? {
        let below = mount.mount_point.strip_prefix(&home).ok();
        // HOME/ID/merged; what lies deeper was mounted by whoever uses the layer.
        let mut parts = below.into_iter().flatten();
        let id = parts.next().and_then(|id| id.to_str()?.parse().ok());
        if let (Some(id), 1) = (id, parts.count()) {
            mounts.layers.insert(id, mount.mount_point);
        }
    }
    Ok(mounts)
}

impl Inner {
    /// Tells whether a counted mount is there as far as can be told. Drivers that show a layer's own tree have nothing mounted:
    /// their count is right as long as the tree is there.
    pub(crate) fn may_be_mounted(&self, path: &std::path::Path, kernel: &KernelMounts) -> bool {
        if self.driver().capabilities().stacking == Stacking::Copies {
            return layerhold_sys::Dir::open_ambient(path).is_ok();
        }
        !kernel.is_visible
            || layerhold_sys::mount::is_mount_point(path)
                .unwrap_or_else(|error| !error.is_not_found())
    }
}
