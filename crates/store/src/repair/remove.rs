//! Removes what is of no use.

use std::path::{Path, PathBuf};

use layerhold_ids::is_canonical_id;

use super::Repair;
use super::error::RepairError;
use crate::catalog::layout::TAR_SPLIT_SUFFIX;
use crate::catalog::locks::Locks;
use crate::catalog::lookup::own_by_id;
use crate::catalog::record_stores::Records;
use crate::check::Removable;
use crate::delete::error::DeleteError;
use crate::delete::item::{Deletion, deleting};
use crate::records::BY_IMAGE;
use crate::records::kinds::ItemId;

impl Repair<'_> {
    /// Removes one thing, unless it changed since the check. It is not a failure if it is gone
    /// already.
    pub(super) fn remove(&mut self, what: &Removable) -> Result<(), RepairError> {
        if let Removable::Path(path) = what
            && let Some(root) = self.area_root(path)
        {
            let recovered = self.engine.recover_area_root(root);
            return recovered.map(drop).map_err(RepairError::Area);
        }
        let mut refused = None;
        let removed = deleting(self.engine, |deletion, locks| {
            match self.remove_under(deletion, locks, what) {
                Err(RepairError::Delete(error)) => return Err(error),
                Err(error) => refused = Some(error),
                Ok(()) => {}
            }
            Ok(())
        });
        match refused {
            Some(error) => Err(error),
            None => Ok(removed?),
        }
    }

    fn remove_under(
        &self,
        deletion: &mut Deletion<'_>,
        locks: &mut Locks,
        what: &Removable,
    ) -> Result<(), RepairError> {
        if let Some(id) = what.item()
            && !self.is_unchanged(locks, &id)?
        {
            return Ok(());
        }
        match what {
            Removable::Container(id) => {
                if let Some(container) =
                    own_by_id(&locks.containers, id.as_str()).map_err(DeleteError::from)?
                {
                    deletion.delete_usable_container(locks, &container)?;
                }
            }
            Removable::Image(id) => {
                if let Some(image) =
                    own_by_id(&locks.images, id.as_str()).map_err(DeleteError::from)?
                {
                    unused_image(locks, &ItemId::Image(id.clone()))?;
                    deletion.delete_image(locks, &image)?;
                }
            }
            Removable::Layer(id) => deletion.delete_unused_layer(locks, id)?,
            Removable::Contents(id) => {
                if self.has_layer(locks, id.as_str())? {
                    return Err(RepairError::Changed);
                }
                deletion.delete_contents(id)?;
            }
            Removable::Path(path) => self.remove_path(deletion, locks, path)?,
        }
        Ok(())
    }

    /// Removes a file or directory beside records, if it still has no record.
    fn remove_path(
        &self,
        deletion: &mut Deletion<'_>,
        locks: &Locks,
        path: &Path,
    ) -> Result<(), RepairError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let layout = &self.engine.catalog.layout;
        let text = name.to_string_lossy();
        let tar_split = text.strip_suffix(TAR_SPLIT_SUFFIX);
        if let Some(dir) = layout.layer_dirs().find(|dir| dir.path() == parent) {
            let is_taken = self.has_layer(locks, tar_split.unwrap_or(&text))?;
            return remove_unless(is_taken, || deletion.delete_file(dir, name));
        }
        if let Some(dir) = layout.image_dirs().find(|dir| dir.path() == parent) {
            let is_taken = is_canonical_id(&text) && locks.images.contains(&text);
            return remove_unless(is_taken, || deletion.delete_file(dir, name));
        }
        if layout.containers.path() == parent {
            let is_taken = is_canonical_id(&text) && self.has_container(locks, &text)?;
            return remove_unless(is_taken, || deletion.delete_file(&layout.containers, name));
        }
        Ok(())
    }

    /// Tells whether a layer has a record, here or in the store of the other persistence (transient
    /// or not).
    fn has_layer(&self, locks: &Locks, id: &str) -> Result<bool, RepairError> {
        let other_records = self.engine.catalog.other_records()?;
        Ok(locks.layers.is_own(id) || other_records.layer_ids().contains(id))
    }

    /// As [`has_layer`](Self::has_layer), for a container.
    fn has_container(&self, locks: &Locks, id: &str) -> Result<bool, RepairError> {
        let other_records = self.engine.catalog.other_records()?;
        Ok(locks.containers.contains(id) || other_records.container_ids().contains(id))
    }

    /// The root of temporary areas that contains a path.
    fn area_root(&self, path: &Path) -> Option<PathBuf> {
        let mut roots = self.engine.temp_roots();
        roots.find(|root| path.parent() == Some(root))
    }
}

fn remove_unless(
    is_taken: bool,
    remove: impl FnOnce() -> Result<(), DeleteError>,
) -> Result<(), RepairError> {
    if is_taken {
        return Err(RepairError::Changed);
    }
    Ok(remove()?)
}

/// Refuses an image that a container uses since the check.
fn unused_image(locks: &Locks, id: &ItemId) -> Result<(), RepairError> {
    let users = locks.containers.ids_by_key(BY_IMAGE, id.as_str());
    if users.is_empty() {
        Ok(())
    } else {
        Err(RepairError::Changed)
    }
}
