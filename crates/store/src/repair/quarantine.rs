//! Puts damaged layers into a quarantine, where they can be examined.
//!
//! The driver renames the contents of a layer within its home, which takes neither space nor time.
//! The files beside the record move to a quarantine directory beside the records. Then the record
//! is removed.

use std::ffi::OsStr;
use std::path::PathBuf;

use layerhold_driver::QUARANTINE;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, Durability, PathError, RenameHow, best_effort, remove_tree};

use super::Repair;
use super::error::RepairError;
use crate::catalog::layout::{DIR_MODE, FILE_MODE, tar_split_name};
use crate::delete::error::DeleteError;
use crate::delete::garbage::CollectError;
use crate::delete::item::{DeleteMode, deleting};
use crate::engine::Engine;
use crate::records::kinds::ItemId;

/// The file for the record of the layer.
const RECORD: &str = "layer.json";
/// The file for its tar-split data.
const TAR_SPLIT: &str = "tar-split.gz";
/// The directory for its big data items.
const DATA: &str = "data";

impl Repair<'_> {
    /// Puts an unused layer into the quarantine, unless it changed since the check. Returns its new
    /// path; `None` when the layer no longer exists.
    pub(super) fn quarantine(&mut self, id: &LayerId) -> Result<Option<PathBuf>, RepairError> {
        let item = ItemId::Layer(id.clone());
        let record = self.seen.get(&item).cloned();
        let mut refused = None;
        let mut place = None;
        deleting(self.engine, |deletion, locks| {
            match self.is_unchanged(locks, &item) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    refused = Some(error);
                    return Ok(());
                }
            }
            deletion.require_unused(locks, id)?;
            deletion.unmount_layer(locks, id)?;
            let moved = self.engine.driver().maintenance().quarantine(id);
            place = Some(moved.map_err(|source| DeleteError::Driver {
                layer: id.clone(),
                source: Box::new(source),
            })?);
            self.set_files_aside(id, record.as_deref().unwrap_or_default())?;
            deletion.delete_unused_layer(locks, id)
        })?;
        match refused {
            Some(error) => Err(error),
            None => Ok(place),
        }
    }

    /// Moves the files beside a record, and saves the record with them. Files on another filesystem
    /// stay, and are removed with the record.
    fn set_files_aside(&self, id: &LayerId, record: &[u8]) -> Result<(), PathError> {
        let layout = &self.engine.catalog.layout;
        let quarantine = layout.layers.ensure_dir(QUARANTINE, DIR_MODE)?;
        let dir = quarantine.ensure_dir(id.as_str(), DIR_MODE)?;
        for beside in layout.layer_dirs() {
            best_effort(set_aside(beside, &tar_split_name(id), &dir, TAR_SPLIT));
            best_effort(set_aside(beside, id.as_ref(), &dir, DATA));
        }
        let io = &self.engine.options.metadata_io;
        io.replace(
            &dir,
            RECORD.as_ref(),
            FILE_MODE,
            &[record],
            Durability::Durable,
        )
    }
}

/// Moves one file or directory, if it exists.
fn set_aside(from: &Dir, name: &OsStr, to: &Dir, new_name: &str) -> Result<(), PathError> {
    if from.exists(name)? {
        remove_tree(to, new_name)?;
        from.rename(name, to, new_name, RenameHow::NoReplace)?;
    }
    Ok(())
}

/// Erases all quarantined layers, and returns the erased directories; or only finds them.
pub(crate) fn erase_quarantine(
    engine: &Engine,
    mode: DeleteMode,
) -> Result<Vec<PathBuf>, CollectError> {
    let beside = engine.catalog.layout.layers.path().to_owned();
    let mut erased = Vec::new();
    for root in engine.driver().temp_roots().into_iter().chain([beside]) {
        let root = match Dir::open_ambient(&root) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        if root.exists(QUARANTINE)? {
            if mode == DeleteMode::Delete {
                remove_tree(&root, QUARANTINE)?;
            }
            erased.push(root.path().join(QUARANTINE));
        }
    }
    Ok(erased)
}
