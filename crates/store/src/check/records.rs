//! Checks the record files themselves.

use std::path::Path;

use layerhold_json_store::{FileState, Snapshot as RecordSnapshot};
use layerhold_sys::stat_ambient;

use super::damage::Damage;
use super::error::CheckError;
use super::inspection::Inspection;
use super::orphans;
use super::report::Finding;
use super::verdict::Remedy;
use crate::catalog::intent::INTENT_FILE;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{DURABLE, Records};
use crate::catalog::transient::Persistence;
use crate::engine::temporary_files::temporary_files;
use crate::records::kinds::ItemKind;

/// Checks the record files, and notes the kinds of which records are lost.
pub(super) fn check(inspection: &mut Inspection<'_>) -> Result<Vec<Finding>, CheckError> {
    let mut found = Vec::new();
    files(inspection, &mut found)?;
    additional(&inspection.records.layers, &mut found);
    additional(&inspection.records.images, &mut found);
    for finding in &found {
        inspection
            .incomplete_kinds
            .extend(incomplete_kind(&finding.damage));
    }
    let layout = &inspection.engine.catalog.layout;
    let dirs = layout.layer_dirs().chain(layout.image_dirs());
    for dir in dirs.chain([&layout.containers]) {
        // A save in progress also has one, but not while the caller holds the lock.
        for name in temporary_files(dir)? {
            let path = dir.path().join(name);
            let damage = Damage::TemporaryFile { path };
            found.push(Finding::of_store(damage, Remedy::Remove));
        }
    }
    if layout.layers.exists(INTENT_FILE)? {
        found.push(Finding::of_store(Damage::UnfinishedChange, Remedy::Rebuild));
    }
    Ok(found)
}

/// The kind of records of which some are lost by this damage.
fn incomplete_kind(damage: &Damage) -> Option<ItemKind> {
    match damage {
        Damage::RecordFileEmpty { kind, .. }
        | Damage::RecordFileMissing { kind, .. }
        | Damage::Record { kind, .. } => Some(*kind),
        _ => None,
    }
}

fn files(inspection: &Inspection<'_>, found: &mut Vec<Finding>) -> Result<(), CheckError> {
    let (layout, records) = (&inspection.engine.catalog.layout, &inspection.records);
    let is_transient = inspection.engine.options.persistence == Persistence::Transient;
    let unrecorded_layers = {
        let mut held = inspection.held.iter().flatten();
        held.any(|id| !records.layers.is_own(id.as_str()))
    };
    let names_layers = inspection.names_lost_layers();
    for (position, (store, part)) in records.layers.own().enumerate() {
        // With a separate image store, a transient store may have no other layers to record.
        let may_be_missing =
            is_transient && layout.image_store.is_some() && position == DURABLE.store;
        let has_content = unrecorded_layers && !may_be_missing;
        let was_saved = names_layers || store.was_saved()?;
        record_files(part, has_content, was_saved, found)?;
    }
    for ((store, part), dir) in records.images.own().zip(layout.image_dirs()) {
        let has_content = orphans::has_dirs(dir, &|id| records.images.contains(id))?;
        record_files(part, has_content, store.was_saved()?, found)?;
    }
    // In a transient store container records are lost with the run root, and their directories are
    // garbage then.
    let other_containers = inspection.other_records.container_ids();
    let is_recorded = |id: &str| records.containers.contains(id) || other_containers.contains(id);
    let has_dirs = !is_transient && orphans::has_dirs(&layout.containers, &is_recorded)?;
    for (store, part) in records.containers.own() {
        record_files(part, has_dirs, store.was_saved()?, found)?;
    }
    Ok(())
}

/// Tells whether a file has not grown since it was read: this process may have saved records since.
fn is_unwritten(path: &Path, len: u64) -> Result<bool, CheckError> {
    Ok(stat_ambient(path)?.is_some_and(|stat| stat.size <= len))
}

fn record_files<R: ItemRecord>(
    records: &RecordSnapshot<R>,
    has_content: bool,
    was_saved: bool,
    found: &mut Vec<Finding>,
) -> Result<(), CheckError> {
    for file in records.files() {
        let (kind, path) = (R::ITEM, file.path);
        let is_durable = file.location == DURABLE.location;
        let damage = match file.state {
            // No program writes an empty file: an empty list has two bytes. A power cut can empty a
            // file of volatile records.
            FileState::Empty if is_durable && is_unwritten(&path, file.len)? => {
                Damage::RecordFileEmpty { kind, path }
            }
            FileState::Absent if has_content && is_durable && was_saved => {
                Damage::RecordFileMissing { kind, path }
            }
            _ => continue,
        };
        found.push(Finding::of_store(damage, Remedy::Nothing));
    }
    for damaged in records.verify() {
        let damage = Damage::Record {
            kind: R::ITEM,
            source: Box::new(damaged),
        };
        found.push(Finding::of_store(damage, Remedy::SetAside));
    }
    for conflict in records.name_conflicts() {
        let damage = Damage::NameTwice {
            kind: R::ITEM,
            name: conflict.name.clone(),
            lost_by: conflict.lost_by.clone(),
            kept_by: conflict.kept_by.clone(),
        };
        found.push(Finding::of_store(damage, Remedy::Rebuild));
    }
    Ok(())
}

fn additional<R: ItemRecord>(records: &impl Records<R>, found: &mut Vec<Finding>) {
    for damaged in records.additional().flat_map(|(_, part)| part.verify()) {
        let damage = Damage::Record {
            kind: R::ITEM,
            source: Box::new(damaged),
        };
        found.push(Finding::of_store(damage, Remedy::Nothing));
    }
}
