//! Replaces the contents of an existing layer with a filled tree.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 0 | the tree is flushed, without a lock | the layer, and a tree that a writer removes |
//! | 1 | the lock is taken, everything is checked | the same |
//! | 2 | the facts about the contents are removed from the record, and the old tar-split file is removed | the layer with its old files, of which no digest is known |
//! | 3 | the trees are exchanged | the layer with its new files, of which no digest is known |
//! | 4 | tar-split file and big data items are moved into place; the directories are synced | the same |
//! | 5 | the facts about the new contents are recorded | the layer as it is meant to be |
//! | 6 | the lock is released, the old tree is erased | – |
//!
//! So a record never has digests of files that are not there. Go's library moves the tree first and
//! keeps the old digests until it saves the new ones.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_driver::{Driver, LayerError, SyncMode, Trash};
use layerhold_ids::LayerId;
use layerhold_staging::{StagedAddition, TempArea, TempRoot};
use layerhold_sys::{PathError, RenameHow, best_effort};

use super::facts::forget;
use super::{FilledTree, TreeFacts};
use crate::catalog::big_data::{check_name, failed};
use crate::catalog::error::Conflict;
use crate::catalog::key::Key;
use crate::catalog::layout::tar_split_name;
use crate::catalog::locked::Locked;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::{by_id, lookup, lookup_to_change};
use crate::contents::error::DiffError;
use crate::engine::Engine;
use crate::mount::stale::stale;
use crate::records::Layer;
use crate::records::reserved_flag::reserved_flag;

pub(crate) fn replace_tree(
    engine: &Engine,
    key: &Key<'_, LayerId>,
    tree: FilledTree,
) -> Result<(), DiffError> {
    let driver = Arc::clone(&engine.use_driver()?.driver);
    let (state, facts) = tree.into_state();
    if let Some(flag) = reserved_flag(facts.flags()) {
        return Err(DiffError::ReservedFlag { flag });
    }
    facts.big_data.iter().try_for_each(check_name)?;
    flush(engine, &*driver, state.tar_split.as_ref())?;
    let area = match state.area {
        Some(area) => area,
        None => TempRoot::new(engine.catalog.layout.temp_root())
            .begin()
            .map_err(DiffError::Staging)?,
    };
    // Erased after the lock is released, on failure too.
    let mut trash = Trash::new();
    let mut layers = engine.lock_layers()?;
    let layer = lookup_to_change(&layers, key)?;
    if layer.id_maps() != state.maps {
        return Err(Conflict::OtherMaps {
            layer: layer.id().clone(),
        }
        .into());
    }
    refuse_mounted(engine, &layers, layer.id())?;
    let removed = RemovedFacts::remove(engine, &mut layers, &layer, &area)?;
    let replaced = driver.replace_tree(
        layer.id(),
        layer.parent(),
        state.tree,
        facts.root,
        &mut trash,
    );
    if let Err(source) = replaced {
        // The first failure is the one to report.
        best_effort(removed.put_back(engine, &mut layers));
        return Err(DiffError::Driver {
            layer: layer.id().clone(),
            source: Box::new(source),
        });
    }
    if let Some(tar_split) = state.tar_split {
        tar_split
            .commit(&engine.catalog.layout.layers, tar_split_name(layer.id()))
            .map_err(|error| error.source)?;
    }
    engine.sync_places(&[layer.id()]).map_err(DiffError::Sync)?;
    record(&mut layers, &layer, &facts)?;
    drop(layers);
    // Every record is saved, so the call succeeds even if erasing fails. The next writer tries
    // again.
    best_effort(engine.erase(trash));
    drop(area);
    Ok(())
}

pub(crate) fn layer_tree_path(
    engine: &Engine,
    key: &Key<'_, LayerId>,
) -> Result<PathBuf, DiffError> {
    let layer = lookup(&engine.catalog.read_layers()?, key)?;
    let driver = engine.driver();
    let failed = |source| DiffError::Driver {
        layer: layer.id().clone(),
        source: Box::new(source),
    };
    let tree = driver.diff_dir(layer.id()).map_err(failed)?;
    let tree = tree.ok_or_else(|| {
        failed(LayerError::NotSupported {
            driver: driver.name(),
            operation: "name the directory of a layer",
        })
    })?;
    Ok(tree.path().to_owned())
}

/// Step 0.
fn flush(
    engine: &Engine,
    driver: &dyn Driver,
    tar_split: Option<&StagedAddition>,
) -> Result<(), DiffError> {
    if engine.sync == SyncMode::None {
        return Ok(());
    }
    engine.flush_contents(driver).map_err(DiffError::Sync)?;
    if let Some(tar_split) = tar_split {
        let file = tar_split.area().open_file(tar_split.name())?;
        file.sync_data()
            .map_err(|cause| PathError::new("sync", tar_split.path(), cause))?;
    }
    Ok(())
}

/// Refuses a layer that is mounted, by itself or below another layer: overlay does not allow
/// changes to the trees of a mount.
fn refuse_mounted(
    engine: &Engine,
    layers: &Locked<Layer>,
    layer: &LayerId,
) -> Result<(), DiffError> {
    let mut mounts = engine.catalog.mounts.read()?;
    mounts.retain(|mount| is_or_descends_from(layers, &mount.layer, layer));
    let stale = stale(engine, mounts.clone())?;
    match mounts.into_iter().find(|mount| !stale.contains(mount)) {
        Some(mount) => Err(Conflict::LayerMounted { layer: mount.layer }.into()),
        None => Ok(()),
    }
}

/// Tells whether a layer is `below` or has it as an ancestor.
fn is_or_descends_from(layers: &Locked<Layer>, layer: &LayerId, below: &LayerId) -> bool {
    let mut seen = BTreeSet::new();
    let mut here = Some(layer.clone());
    while let Some(id) = here {
        if id == *below {
            return true;
        }
        let found = by_id(layers, id.as_str()).ok().flatten();
        here = found.and_then(|layer| layer.parent().cloned());
        // Damaged records may be their own ancestors.
        if !seen.insert(id) {
            return false;
        }
    }
    false
}

/// The facts about the old contents, to put back if the exchange fails.
struct RemovedFacts {
    layer: Arc<Layer>,
    tar_split: Option<StagedAddition>,
}

impl RemovedFacts {
    /// Step 2.
    fn remove(
        engine: &Engine,
        layers: &mut Locked<Layer>,
        layer: &Arc<Layer>,
        area: &TempArea,
    ) -> Result<Self, DiffError> {
        let mut without = layer.record().clone();
        forget(&mut without);
        if without != *layer.record() {
            let forget = |layer: &mut Layer| forget(layer.record_mut());
            drop(
                layers
                    .update(layer.id().as_str(), forget)
                    .for_kind::<Layer>()?,
            );
            layers.save().for_kind::<Layer>()?;
        }
        let (dir, name) = (&engine.catalog.layout.layers, tar_split_name(layer.id()));
        let place = area.stage_addition();
        let tar_split = match dir.rename(name, place.area(), place.name(), RenameHow::NoReplace) {
            Ok(()) => Some(place),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            layer: Arc::clone(layer),
            tar_split,
        })
    }

    fn put_back(self, engine: &Engine, layers: &mut Locked<Layer>) -> Result<(), DiffError> {
        let id = self.layer.id();
        if let Some(tar_split) = self.tar_split {
            let (dir, name) = (&engine.catalog.layout.layers, tar_split_name(id));
            tar_split.commit(dir, name).map_err(|error| error.source)?;
        }
        let old = self.layer.record();
        let put_back = |layer: &mut Layer| layer.record_mut().clone_from(old);
        drop(layers.update(id.as_str(), put_back).for_kind::<Layer>()?);
        Ok(layers.save().for_kind::<Layer>()?)
    }
}

/// Steps 4 and 5.
fn record(
    layers: &mut Locked<Layer>,
    layer: &Arc<Layer>,
    facts: &TreeFacts,
) -> Result<(), DiffError> {
    let id = layer.id().as_str();
    for item in &facts.big_data {
        let note = |layer: &mut Layer| layer.add_big_data_name(&item.key);
        layers
            .set_big_data(id, &item.key, &item.data, note)
            .map_err(failed(layer, &item.key))?;
    }
    let note = |layer: &mut Layer| {
        facts.note(layer.record_mut());
        // This flag is reserved: callers cannot set it.
        layer.set_complete();
    };
    drop(layers.update(id, note).for_kind::<Layer>()?);
    Ok(layers.save().for_kind::<Layer>()?)
}
