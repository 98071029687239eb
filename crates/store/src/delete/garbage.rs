//! Removes what no record names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use layerhold_driver::{LayerError, Trash};
use layerhold_ids::{LayerId, is_canonical_id};
use layerhold_json_store::{FileState, WriteGuard};
use layerhold_sys::{Dir, stat_ambient};

use crate::catalog::error::{AccessError, file_errors_are_access};
use crate::catalog::layout::TAR_SPLIT_SUFFIX;
use crate::catalog::locked::Locked;
use crate::catalog::locks::Locks;
use crate::catalog::lookup::{ItemRecord, by_key};
use crate::catalog::record_stores::{DURABLE, Records};
use crate::catalog::transient::Persistence;
use crate::delete::foreign::{foreign_items, holds_files_of_a_caller};
use crate::delete::item::DeleteMode;
use crate::engine::Engine;
use crate::engine::temporary_files::TemporaryFileScope;
use crate::records::error_kind::{ErrorKind, error_kind};
use crate::records::kinds::ItemKind;
use crate::records::{BY_LAYER, BY_PARENT, BY_TOP_LAYER, Image};

/// What garbage collection removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectReport {
    /// Directories of containers, by ID.
    pub container_dirs: Vec<String>,
    /// Directories of images, by ID.
    pub image_dirs: Vec<String>,
    /// Layers: contents in the driver that no record names, and layers that a killed process was
    /// creating or deleting, with their records.
    pub layers: Vec<LayerId>,
    /// Tar-split files, by the ID in their name.
    pub tar_splits: Vec<String>,
    /// Directories with big data items of layers, by ID.
    pub layer_dirs: Vec<String>,
    /// Temporary files that were to replace others when their writers died.
    pub temporary_files: Vec<PathBuf>,
    /// Temporary areas of killed processes.
    pub areas: Vec<PathBuf>,
}

impl CollectReport {
    /// Tells whether there is nothing to remove.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Moves what no record names into temporary areas under all locks, then erases these and all
/// leftovers.
pub(crate) fn garbage_collect(
    engine: &Engine,
    mode: DeleteMode,
) -> Result<CollectReport, CollectError> {
    // Unfinished work is undone once it is known what the report has to name.
    let mut locks = engine.catalog.lock_all()?;
    let mut report = find(engine, &locks)?;
    // The first save of records sweeps some of them away.
    report.temporary_files = engine.list_temporary_files(&locks)?;
    if mode == DeleteMode::DryRun {
        drop(locks);
        report.areas = engine.abandoned_areas().map_err(CollectError::Driver)?;
        return Ok(report);
    }
    engine.check_cancelled()?;
    let mut trash = engine.undo_unfinished(&mut locks);
    // What could not be undone stays, with its record.
    report.layers.retain(|id| !locks.layers.is_own(id.as_str()));
    let outcome = remove(engine, &locks, &mut report, &mut trash);
    drop(locks);
    let erased = engine.erase(trash).and_then(|()| engine.erase_leftovers());
    outcome?;
    report.areas = erased.map_err(CollectError::Driver)?;
    Ok(report)
}

/// Lists all but temporary files and areas.
fn find(engine: &Engine, locks: &Locks) -> Result<CollectReport, CollectError> {
    let layout = &engine.catalog.layout;
    let held = engine.driver().list().map_err(CollectError::Driver)?;
    let other_records = engine.catalog.other_records()?;
    let (layers, containers) = (other_records.layer_ids(), other_records.container_ids());
    let has_layer = |id: &str| locks.layers.is_own(id) || layers.contains(id);
    let has_container = |id: &str| locks.containers.contains(id) || containers.contains(id);
    let foreign_items = foreign_items(engine, &has_container)?;
    let unfinished = engine.unfinished_layers(locks);
    let mut container_dirs = unrecorded_ids(&layout.containers, &has_container, &generated_id)?;
    let has_container_dirs = !container_dirs.is_empty();
    container_dirs.retain(|id| !foreign_items.may_include_container(id));
    // All three kinds are checked before anything is removed: they refer to one another.
    let is_transient = engine.options.persistence == Persistence::Transient;
    for (guard, (store, _)) in locks.containers.guards().zip(locks.containers.own()) {
        require_complete(guard, || {
            // In a transient store container records are lost with the run root, and their
            // directories are garbage then.
            let is_lost =
                !container_dirs.is_empty() || (has_container_dirs && store.was_saved()?);
            Ok(!is_transient && is_lost)
        })?;
    }
    let of_images = locks.images.guards().zip(locks.images.own());
    for ((guard, (store, _)), dir) in of_images.zip(layout.image_dirs()) {
        require_complete(guard, || {
            let has_image = |id: &str| locks.images.contains(id);
            let is_any = |dir| unrecorded_ids(dir, &has_image, &generated_id);
            let is_lost = !unrecorded_image_dirs(dir, &locks.images)?.is_empty()
                || (!is_any(dir)?.is_empty() && store.was_saved()?);
            Ok(is_lost)
        })?;
    }
    for (position, guard) in locks.layers.guards().enumerate() {
        // With a separate image store, a transient store may have no other layers to record.
        let may_be_missing =
            is_transient && layout.image_store.is_some() && position == DURABLE.store;
        require_complete(guard, || {
            let mut held = held.iter().flatten();
            Ok(!may_be_missing && held.any(|id| !has_layer(id.as_str())))
        })?;
    }
    let mut report = CollectReport {
        container_dirs,
        image_dirs: in_all(layout.image_dirs(), |dir| {
            unrecorded_image_dirs(dir, &locks.images)
        })?,
        tar_splits: in_all(layout.layer_dirs(), |dir| {
            unrecorded_ids(dir, &has_layer, &tar_split_id)
        })?,
        layer_dirs: in_all(layout.layer_dirs(), |dir| {
            unrecorded_ids(dir, &has_layer, &generated_id)
        })?,
        areas: Vec::new(),
        layers: held.unwrap_or_default(),
        temporary_files: Vec::new(),
    };
    report.layers.retain(|id| {
        let is_named = has_layer(id.as_str()) || is_lost_but_named(locks, id.as_str());
        !is_named && !foreign_items.may_include_layer(id)
    });
    // Without contents, they may belong to a layer in an image store.
    let removed: BTreeSet<&str> = report.layers.iter().map(LayerId::as_str).collect();
    let in_image_store = layout.image_store.as_ref().map(|store| &store.layers);
    for (ids, suffix) in [
        (&mut report.tar_splits, TAR_SPLIT_SUFFIX),
        (&mut report.layer_dirs, ""),
    ] {
        ids.retain(|id| {
            let name = format!("{id}{suffix}");
            let is_there = |dir: &Dir| dir.exists(&name).unwrap_or(false);
            let is_garbage = removed.contains(id.as_str()) || in_image_store.is_some_and(is_there);
            is_garbage && !is_lost_but_named(locks, id)
        });
    }
    add_unfinished(&mut report, locks, unfinished, &layout.containers)?;
    Ok(report)
}

/// Removes what is listed, and temporary files.
fn remove(
    engine: &Engine,
    locks: &Locks,
    report: &mut CollectReport,
    trash: &mut Trash,
) -> Result<(), CollectError> {
    let layout = &engine.catalog.layout;
    for id in &report.container_dirs {
        engine.discard(&layout.containers, id.as_ref(), trash)?;
    }
    for (id, dir) in each(&report.image_dirs, layout.image_dirs()) {
        engine.discard(dir, id.as_ref(), trash)?;
    }
    for id in &report.layers {
        engine
            .driver()
            .remove(id, trash)
            .map_err(CollectError::Driver)?;
    }
    for (id, dir) in each(&report.tar_splits, layout.layer_dirs()) {
        let name = format!("{id}{TAR_SPLIT_SUFFIX}");
        engine.discard(dir, name.as_ref(), trash)?;
    }
    for (id, dir) in each(&report.layer_dirs, layout.layer_dirs()) {
        engine.discard(dir, id.as_ref(), trash)?;
    }
    let _listed_before =
        engine.discard_temporary_files(locks, TemporaryFileScope::Everywhere, trash)?;
    Ok(())
}

/// Lists what a killed process was creating or deleting, which goes whether a record names it or
/// not: layers, and the directories of the containers that have one of them.
fn add_unfinished(
    report: &mut CollectReport,
    locks: &Locks,
    unfinished: Vec<LayerId>,
    dirs: &Dir,
) -> Result<(), CollectError> {
    for layer in unfinished {
        for container in by_key(&locks.containers, BY_LAYER, layer.as_str()) {
            let id = container.id().as_str();
            if dirs.exists(id)? {
                report.container_dirs.push(id.to_owned());
            }
        }
        if !report.layers.contains(&layer) {
            report.layers.push(layer);
        }
    }
    Ok(())
}

/// Tells whether a record names a layer that has no record: its record was lost, and what is on the
/// disk is all it can be rebuilt from. Go removes it. A layer that an additional store has a record
/// of is not lost.
fn is_lost_but_named(locks: &Locks, layer: &str) -> bool {
    if locks.layers.contains(layer) {
        return false;
    }
    !by_key(&locks.layers, BY_PARENT, layer).is_empty()
        || !by_key(&locks.images, BY_TOP_LAYER, layer).is_empty()
        || !by_key(&locks.containers, BY_LAYER, layer).is_empty()
}

/// Collects what is found in several directories, sorted and each once.
fn in_all<'d>(
    dirs: impl Iterator<Item = &'d Dir>,
    find: impl Fn(&Dir) -> Result<Vec<String>, CollectError>,
) -> Result<Vec<String>, CollectError> {
    let mut all = BTreeSet::new();
    for dir in dirs {
        all.extend(find(dir)?);
    }
    Ok(all.into_iter().collect())
}

/// Pairs every ID with every directory.
fn each<'a>(
    ids: &'a [String],
    dirs: impl Iterator<Item = &'a Dir>,
) -> impl Iterator<Item = (&'a String, &'a Dir)> {
    dirs.flat_map(move |dir| ids.iter().map(move |id| (id, dir)))
}

/// Refuses when the records of one place are incomplete.
fn require_complete<R: ItemRecord>(
    records: &WriteGuard<R>,
    has_content: impl FnOnce() -> Result<bool, CollectError>,
) -> Result<(), CollectError> {
    let damaged = |reason: String| {
        Err(CollectError::Damaged {
            kind: R::ITEM,
            reason,
        })
    };
    let mut is_missing = false;
    for file in records.files() {
        // The states are those at loading; a file that this handle has saved since exists and is
        // complete.
        let size = stat_ambient(&file.path)?.map(|stat| stat.size);
        match (file.state, size) {
            (FileState::Complete, Some(_)) => {}
            // The file of volatile records is usually missing.
            (_, None) => is_missing |= file.location == DURABLE.location,
            (FileState::Absent | FileState::Empty, Some(size)) if size > file.len => {}
            // A power cut loses volatile records, and what they named is garbage.
            (FileState::Empty, _) if file.location != DURABLE.location => {}
            (FileState::Torn { .. }, _) => {
                return damaged(format!("{} is torn", file.path.display()));
            }
            _ => return damaged(format!("{} is empty", file.path.display())),
        }
    }
    if let Some(damage) = records.verify().first() {
        return damaged(damage.to_string());
    }
    if is_missing && has_content()? {
        return damaged("there is content, but no record file".to_owned());
    }
    Ok(())
}

/// Lists directories of images that are named by a generated ID without a record in any store. IDs
/// that callers chose are left alone, as in Go: the owner of such a directory is unknown. So are
/// directories in which a caller keeps files.
fn unrecorded_image_dirs(dir: &Dir, records: &Locked<Image>) -> Result<Vec<String>, CollectError> {
    let mut dirs = Vec::new();
    for id in unrecorded_ids(dir, &|id| records.contains(id), &generated_id)? {
        if !holds_files_of_a_caller(dir, &id)? {
            dirs.push(id);
        }
    }
    Ok(dirs)
}

fn generated_id(name: &str) -> Option<&str> {
    Some(name).filter(|name| is_canonical_id(name))
}

fn tar_split_id(name: &str) -> Option<&str> {
    let id = name.strip_suffix(TAR_SPLIT_SUFFIX);
    id.filter(|id| !id.is_empty())
}

/// Lists the IDs in the names of entries that have no record.
fn unrecorded_ids(
    dir: &Dir,
    is_recorded: &dyn Fn(&str) -> bool,
    id_of: &dyn Fn(&str) -> Option<&str>,
) -> Result<Vec<String>, CollectError> {
    let mut unrecorded_ids = Vec::new();
    for entry in dir.entries()? {
        let name = entry?.name;
        let id = name.to_str().and_then(id_of);
        unrecorded_ids.extend(id.filter(|id| !is_recorded(id)).map(str::to_owned));
    }
    unrecorded_ids.sort();
    Ok(unrecorded_ids)
}

/// Garbage cannot be collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// A record file is damaged, empty or missing beside content. What it does not name is not
    /// garbage.
    #[error("refusing to collect garbage: the {kind} records are damaged: {reason}")]
    Damaged {
        /// Which records.
        kind: ItemKind,
        /// What is wrong.
        reason: String,
    },
    /// The driver cannot list its layers or remove one.
    #[error("cannot list or remove layers of the driver")]
    Driver(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

file_errors_are_access!(CollectError);
error_kind!(CollectError, |error| match error {
    Self::Damaged { .. } => Some(ErrorKind::LoadError),
    Self::Access(error) => error.kind(),
    _ => None,
});
