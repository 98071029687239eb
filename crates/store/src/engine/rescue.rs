//! What a dead process staged and a complete record needs.
//!
//! Contents, their place and the record become durable in that order, so that what lies in a
//! temporary area belongs to no complete record. That is so unless `sync=none` was asked for, Go's
//! library wrote the record, or the disk lies about what it has written. Then a power cut can leave
//! the record and the area without the place between them, and to erase the area would be to erase
//! the only copy. So before an area is erased:
//!
//! - a directory in it whose name tells a layer that is recorded as complete and has no contents is
//!   put in its place;
//! - one that does not tell what it is (Go's `N-addition`) is kept as long as any such layer is
//!   without contents.
//!
//! When the records are locked by a writer, or cannot be read, it is not known what they need, and
//! the area is left to the next writer. Openers put back what is needed, so that what they list is
//! whole, and erase nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use layerhold_ids::LayerId;
use layerhold_staging::{RecoverError, Recovery, TempRoot, name_elsewhere};
use layerhold_sys::{Dir, FileType, PathError, best_effort};

use crate::catalog::record_stores::Records;
use crate::engine::Engine;

/// Layers that are recorded as complete and have no contents; `None` while that is not known.
type MissingLayers = Option<BTreeSet<LayerId>>;

impl Engine {
    /// Puts what complete records need back from the areas of dead processes, and erases nothing:
    /// for openers.
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
            best_effort(TempRoot::new(root).recover_stale_unless(put_back));
        }
    }

    /// Removes the areas of dead processes below one root, but for what a complete record needs. No
    /// lock may be held.
    pub(crate) fn recover_area_root(&self, root: PathBuf) -> Result<Recovery, RecoverError> {
        let is_of_contents = self.driver().temp_roots().contains(&root);
        let mut missing: Option<MissingLayers> = None;
        TempRoot::new(root).recover_stale_unless(&mut |area| {
            if !is_of_contents || !has_dirs(area).unwrap_or(true) {
                return false;
            }
            let missing = missing.get_or_insert_with(|| self.missing_layers());
            self.is_needed(area, missing).unwrap_or(true)
        })
    }

    /// Puts back what can be; tells whether what is left may be needed.
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
                // It is the copy that is needed, and still here.
                Err(_) => return Ok(true),
            }
        }
        Ok(has_unnamed && !missing.is_empty())
    }

    fn missing_layers(&self) -> MissingLayers {
        let records = self.catalog.layers.try_view().ok().flatten()?;
        let mut missing = BTreeSet::new();
        for (_, part) in records.own() {
            for stored in part.iter() {
                // A record that cannot be read may be a complete one.
                let layer = stored.ok()?.into_record();
                // A driver that cannot tell has not said that the contents are there.
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
