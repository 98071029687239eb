//! Puts back what a dead process staged and a complete record needs.
//!
//! Contents, their directory entry and the record become durable in that order, so that a temporary
//! area holds nothing that a complete record needs. The exceptions are `sync=none`, records that
//! Go's library wrote, and disks that report writes too early: then a power cut can keep the record
//! and the area but lose the rename between them, and erasing the area would erase the only copy.
//! So before an area is erased:
//!
//! - a directory in it whose name names a layer that is recorded as complete and has no contents is
//!   moved to its place;
//! - a directory whose name does not say what it is (Go's `N-addition`) is kept as long as any such
//!   layer has no contents.
//!
//! When a writer holds the lock of the records, or they cannot be read, what they need is unknown,
//! and the area is left to the next writer. Opening a store puts back what is needed, so that
//! everything it lists is complete, and erases nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use layerhold_ids::LayerId;
use layerhold_staging::{RecoverError, Recovery, TempRoot, name_elsewhere};
use layerhold_sys::{Dir, FileType, PathError, best_effort};

use crate::catalog::record_stores::Records;
use crate::engine::Engine;

/// Layers that are recorded as complete and have no contents; `None` when that is unknown.
type MissingLayers = Option<BTreeSet<LayerId>>;

impl Engine {
    /// Moves what complete records need back from the areas of dead processes, and erases nothing.
    /// Opening does this.
    pub(crate) fn put_back_needed_layers(&self) {
        let mut missing: Option<MissingLayers> = None;
        for root in self.driver().temp_roots() {
            let put_back = &mut |area: &Dir| {
                if has_dirs(area).unwrap_or(false) {
                    let missing = missing.get_or_insert_with(|| self.missing_layers());
                    best_effort(self.is_needed(area, missing));
                }
                true
            };
            best_effort(TempRoot::new(root).recover_stale_unless(&self.options.cancel, put_back));
        }
    }

    /// Erases the areas of dead processes below one root, except for what a complete record needs.
    /// No lock may be held.
    pub(crate) fn recover_area_root(&self, root: PathBuf) -> Result<Recovery, RecoverError> {
        let is_of_contents = self.driver().temp_roots().contains(&root);
        let mut missing: Option<MissingLayers> = None;
        TempRoot::new(root).recover_stale_unless(&self.options.cancel, &mut |area| {
            if !is_of_contents || !has_dirs(area).unwrap_or(true) {
                return false;
            }
            let missing = missing.get_or_insert_with(|| self.missing_layers());
            self.is_needed(area, missing).unwrap_or(true)
        })
    }

    /// Puts back what it can; tells whether the rest may be needed.
    fn is_needed(&self, area: &Dir, missing: &mut MissingLayers) -> Result<bool, PathError> {
        let Some(missing) = missing else {
            return Ok(true);
        };
        let mut has_unnamed = false;
        for entry in area.entries()? {
            let name = entry?.name;
            let Some(final_name) = name_elsewhere(&name) else {
                has_unnamed = true;
                continue;
            };
            let id = final_name
                .to_str()
                .and_then(|text| text.parse::<LayerId>().ok());
            let Some(id) = id.filter(|id| missing.contains(id)) else {
                continue;
            };
            match self.driver().maintenance().put_back(area, &name, &id) {
                Ok(true) => {
                    let _was_missing = missing.remove(&id);
                }
                Ok(false) => {}
                // The needed copy is still in the area.
                Err(_) => return Ok(true),
            }
        }
        Ok(has_unnamed && !missing.is_empty())
    }

    fn missing_layers(&self) -> MissingLayers {
        let records = self.catalog.layers.try_read_all().ok().flatten()?;
        let mut missing = BTreeSet::new();
        for (_, part) in records.own() {
            for stored in part.iter() {
                // An unreadable record may be a complete one.
                let layer = stored.ok()?.into_record();
                // A driver that fails has not confirmed the contents.
                if !layer.is_incomplete() && !self.driver().exists(layer.id()).unwrap_or(false) {
                    let _is_new = missing.insert(layer.id().clone());
                }
            }
        }
        Some(missing)
    }
}

fn has_dirs(area: &Dir) -> Result<bool, PathError> {
    for entry in area.entries()? {
        if entry?.file_type == FileType::Dir {
            return Ok(true);
        }
    }
    Ok(false)
}
