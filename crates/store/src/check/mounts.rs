//! Checks that counted mounts exist, and that existing mounts are counted.

use super::damage::Damage;
use super::error::CheckError;
use super::inspection::Inspection;
use super::report::Finding;
use super::verdict::Remedy;
use crate::catalog::error::AccessError;
use crate::catalog::mount_counts::Mounted;
use crate::mount::kernel_table::mounted_layers;
use crate::mount::stale::stale;
use crate::records::kinds::ItemId;

/// Compares the counts with the mounts of the kernel, under the lock of the counts, so that no
/// count changes in between.
///
/// A count is reported when its mount is in no mount namespace. If that cannot be found out, the
/// count is taken for right. An uncounted mount is found only in the mount namespace of this
/// process.
pub(super) fn check(inspection: &Inspection<'_>) -> Result<Vec<Finding>, CheckError> {
    let mut found = Vec::new();
    let ask = |counted: &[Mounted]| -> Result<_, CheckError> {
        Ok((
            stale(inspection.engine, counted.to_vec())?,
            mounted_layers(inspection.engine)?,
        ))
    };
    let (counted, stale, mounted) = match inspection.engine.catalog.mounts.read_with(ask) {
        Ok((counted, Ok((stale, mounted)))) => (counted, stale, mounted),
        Ok((_, Err(error))) => return Err(error),
        Err(error @ AccessError::Mounts { .. }) => {
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
        if !is_counted && inspection.layers.contains_key(&layer) {
            found.push(Finding::of(
                ItemId::Layer(layer),
                Damage::UncountedMount { path },
                Remedy::Rebuild,
            ));
        }
    }
    Ok(found)
}
