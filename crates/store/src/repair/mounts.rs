//! Making the counts of mounts agree with the kernel.

use std::path::Path;

use layerhold_ids::LayerId;

use super::Repair;
use super::error::RepairError;
use crate::check::mounted;

impl Repair<'_> {
    /// Forgets a count, if the layer still is not mounted there.
    pub(super) fn forget_mount(&self, layer: &LayerId, path: &Path) -> Result<(), RepairError> {
        let layers = self.inner.lock_layers_as_they_are()?;
        let mut counts = self.inner.mounts.write(&layers)?;
        let kernel = mounted(self.inner)?;
        let is_stale = counts.get(layer).is_some_and(|mount| mount.path == path)
            && !self.inner.may_be_mounted(path, &kernel);
        if is_stale {
            counts.set(layer, path, 0)?;
        }
        Ok(())
    }

    /// Counts a mount that nobody counts, so that it can be taken back.
    pub(super) fn count_mount(&self, layer: &LayerId) -> Result<(), RepairError> {
        let layers = self.inner.lock_layers_as_they_are()?;
        let mut counts = self.inner.mounts.write(&layers)?;
        let kernel = mounted(self.inner)?;
        if let Some(path) = kernel.layers.get(layer)
            && counts.get(layer).is_none()
        {
            counts.set(layer, path, 1)?;
        }
        Ok(())
    }

    /// Counts all mounts from the kernel's table, in place of a file that cannot be understood.
    pub(super) fn count_all_mounts(&self) -> Result<(), RepairError> {
        let layers = self.inner.lock_layers_as_they_are()?;
        let mut counts = self.inner.mounts.write_anew(&layers)?;
        for (layer, path) in mounted(self.inner)?.layers {
            let is_known = matches!(crate::lookup::by_id(&layers, layer.as_str()), Ok(Some(_)));
            if is_known && counts.get(&layer).is_none() {
                counts.set(&layer, &path, 1)?;
            }
        }
        Ok(())
    }
}
