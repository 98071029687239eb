//! Whether what is counted as mounted is mounted, and the reverse.

use crate::mount::kernel_table::mounted_layers;
use crate::mount::stale::stale;

use super::damage::Damage;
use super::error::CheckError;
use super::look::Look;
use super::report::{Finding, Remedy};
use crate::catalog::mount_counts::Mounted;
use crate::records::kinds::ItemId;

/// Compares the counts with what the kernel has mounted, under the lock of the counts, so that none
/// changes in between.
///
/// A count is reported when its mount is in no mount namespace; when that cannot be told from here,
/// it is believed. A mount that is not counted is found only in the namespace of this process.
pub(super) fn check(look: &Look<'_>) -> Result<Vec<Finding>, CheckError> {
    let mut found = Vec::new();
    let ask = |counted: &[Mounted]| -> Result<_, CheckError> {
        Ok((
            stale(&look.engine, counted.to_vec())?,
            mounted_layers(look.engine)?,
        ))
    };
    let (counted, stale, mounted) = match look.engine.catalog.mounts.read_with(ask) {
        Ok((counted, Ok((stale, mounted)))) => (counted, stale, mounted),
        Ok((_, Err(error))) => return Err(error),
        Err(error @ crate::catalog::error::AccessError::Mounts { .. }) => {
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
