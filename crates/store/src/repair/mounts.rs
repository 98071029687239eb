//! Makes the mount counts agree with the kernel.

use std::path::Path;

use layerhold_ids::LayerId;

use super::Repair;
use super::error::RepairError;
use crate::catalog::lookup::by_id;
use crate::mount::kernel_table::{home_of_mounts, mounted_anywhere, mounted_layers};
use crate::mount::stale::stale;

impl Repair<'_> {
    /// Removes a count if the layer is still mounted nowhere.
    pub(super) fn forget_mount(&self, layer: &LayerId, path: &Path) -> Result<(), RepairError> {
        let layers = self.engine.catalog.lock_layers()?;
        let mut counts = self.engine.catalog.mounts.write(&layers)?;
        let counted = counts.get(layer).filter(|mount| mount.path == path);
        if !stale(self.engine, counted.into_iter().collect())?.is_empty() {
            counts.set(layer, path, 0)?;
        }
        Ok(())
    }

    /// Counts a mount whose count is lost, so that it can be unmounted.
    pub(super) fn count_mount(&self, layer: &LayerId) -> Result<(), RepairError> {
        let layers = self.engine.catalog.lock_layers()?;
        let mut counts = self.engine.catalog.mounts.write(&layers)?;
        if let Some(path) = mounted_layers(self.engine)?.get(layer)
            && counts.get(layer).is_none()
        {
            counts.set(layer, path, 1)?;
        }
        Ok(())
    }

    /// Counts all mounts by the kernel's tables, to replace a file that cannot be parsed.
    pub(super) fn count_all_mounts(&self) -> Result<(), RepairError> {
        let layers = self.engine.catalog.lock_layers()?;
        let mut counts = self
            .engine
            .catalog
            .mounts
            .write_replacing_damaged(&layers)?;
        let Some(home) = home_of_mounts(self.engine) else {
            return Ok(());
        };
        for (layer, path) in mounted_anywhere(&home)? {
            let is_known = matches!(by_id(&layers, layer.as_str()), Ok(Some(_)));
            if is_known && counts.get(&layer).is_none() {
                counts.set(&layer, &path, 1)?;
            }
        }
        Ok(())
    }
}
