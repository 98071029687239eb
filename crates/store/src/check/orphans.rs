//! Finds orphans: files and directories that no record names.

use layerhold_ids::is_canonical_id;
use layerhold_staging::TempRoot;
use layerhold_sys::Dir;

use super::damage::Damage;
use super::error::CheckError;
use super::inspection::Inspection;
use super::report::{Finding, Subject};
use super::verdict::{Remedy, Verdict};
use crate::catalog::layout::TAR_SPLIT_SUFFIX;
use crate::catalog::record_stores::Records;
use crate::delete::foreign::holds_files_of_a_caller;
use crate::records::kinds::ItemKind;

/// Finds directories and files of items without a record.
///
/// Only directories with the name of a generated ID count: others may belong to other programs.
pub(super) fn check(inspection: &Inspection<'_>) -> Result<Vec<Finding>, CheckError> {
    let (layout, records) = (&inspection.engine.catalog.layout, &inspection.records);
    let mut found = Vec::new();
    let other_layers = inspection.other_records.layer_ids();
    let in_image_store = layout.image_store.as_ref().map(|store| store.layers.path());
    for dir in layout.layer_dirs() {
        for id_of in [dir_id as fn(&str) -> Option<&str>, tar_split_id] {
            let search = OrphanSearch {
                dir,
                kind: ItemKind::Layer,
                id_of,
                is_recorded: &|id| records.layers.is_own(id) || other_layers.contains(id),
                // Without contents, they may belong to a layer in an image store.
                may_be_foreign: &|id| {
                    Ok(in_image_store != Some(dir.path()) && !inspection.is_held_and_own(id))
                },
            };
            search.run(inspection, &mut found)?;
        }
    }
    for dir in layout.image_dirs() {
        let search = OrphanSearch {
            dir,
            kind: ItemKind::Image,
            id_of: dir_id,
            is_recorded: &|id| records.images.contains(id),
            // Callers may keep files for an image of another store.
            may_be_foreign: &|id| Ok(holds_files_of_a_caller(dir, id)?),
        };
        search.run(inspection, &mut found)?;
    }
    let other_containers = inspection.other_records.container_ids();
    let containers = OrphanSearch {
        dir: &layout.containers,
        kind: ItemKind::Container,
        id_of: dir_id,
        is_recorded: &|id: &str| records.containers.is_own(id) || other_containers.contains(id),
        may_be_foreign: &|id| Ok(inspection.foreign_items.may_include_container(id)),
    };
    containers.run(inspection, &mut found)?;
    for found_damage in inspection
        .driver
        .maintenance()
        .home_damage()
        .map_err(CheckError::Driver)?
    {
        let damage = Damage::Home(Box::new(found_damage));
        found.push(Finding::of_store(damage, Remedy::Rebuild));
    }
    Ok(found)
}

/// Finds temporary areas of dead processes. Areas have locks of their own, so this needs no lock of
/// the store.
pub(super) fn areas(inspection: &Inspection<'_>) -> Result<Vec<Finding>, CheckError> {
    let mut found = Vec::new();
    for root in inspection.engine.temp_roots() {
        for path in TempRoot::new(root).abandoned()? {
            found.push(Finding::of_store(
                Damage::AbandonedArea { path },
                Remedy::Remove,
            ));
        }
    }
    Ok(found)
}

fn dir_id(name: &str) -> Option<&str> {
    Some(name).filter(|name| is_canonical_id(name))
}

fn tar_split_id(name: &str) -> Option<&str> {
    name.strip_suffix(TAR_SPLIT_SUFFIX)
        .filter(|id| !id.is_empty() && !id.starts_with('.'))
}

/// Tells whether a directory has directories of items without a record.
pub(super) fn has_dirs(dir: &Dir, is_recorded: &dyn Fn(&str) -> bool) -> Result<bool, CheckError> {
    for entry in dir.entries()? {
        let name = entry?.name;
        if name
            .to_str()
            .and_then(dir_id)
            .is_some_and(|id| !is_recorded(id))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A search for orphans in one directory.
struct OrphanSearch<'a> {
    dir: &'a Dir,
    kind: ItemKind,
    id_of: fn(&str) -> Option<&str>,
    is_recorded: &'a dyn Fn(&str) -> bool,
    /// Whether an entry may belong to a record that this store cannot see.
    may_be_foreign: &'a dyn Fn(&str) -> Result<bool, CheckError>,
}

impl OrphanSearch<'_> {
    fn run(&self, inspection: &Inspection<'_>, found: &mut Vec<Finding>) -> Result<(), CheckError> {
        let mut unrecorded = Vec::new();
        for entry in self.dir.entries()? {
            let name = entry?.name;
            let id = name.to_str().and_then(self.id_of);
            if let Some(id) = id.filter(|id| !(self.is_recorded)(id)) {
                unrecorded.push((id.to_owned(), self.dir.path().join(&name)));
            }
        }
        unrecorded.sort();
        for (id, path) in unrecorded {
            let verdict = match (self.may_be_foreign)(&id)? {
                true => Verdict::Unjudged,
                false => inspection.damaged_unless_lost(&[self.kind]),
            };
            let kind = self.kind;
            let damage = Damage::Orphan { kind, id, path };
            found.push(Finding::new(Subject::Store, damage, verdict));
        }
        Ok(())
    }
}
