//! Checks a store.
//!
//! A check works on a store in use and blocks no other process: it reads a snapshot, and checks
//! again whatever looks wrong.
//!
//! | step | what is checked | lock |
//! |---|---|---|
//! | 1 | record files, what records name, orphans | none |
//! | 2 | the findings of step 1, again | all read locks, while existence is checked |
//! | 2a | images, containers and big data items with findings, until their records stay the same: items are hashed | none |
//! | 3 | lost records, which are rebuilt | none |
//! | 4 | contents of layers, and merged trees of the uppermost ones and of those that differ; a layer whose record changed while it was read is read again | none |
//! | 5 | mounts, against the kernel's table | the lock of the mount counts |
//! | 6 | effects of damage on descendants, images and containers, and what a repair would remove | none |

mod counters;
mod rebuilt_records;
mod mounts;
mod records;
mod orphans;
mod trees;
mod contents;
mod own_tree;
mod compare;
mod layers;
mod items;
mod tree;
mod attributes;
mod missing;
mod effects;
mod removals;
mod inspection;
mod ancestry;
mod error;
mod options;
mod progress;
mod report;
mod rebuilt;
mod verdict;
mod damage;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerhold_driver::run_tasks;
use layerhold_ids::LayerId;

use crate::catalog::record_stores::{MergedRecords, ReadLocked, Records};
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::records::Layer;
use crate::records::kinds::ItemId;

pub use damage::{Attribute, AttributeChange, Damage, FileChange};
pub use error::CheckError;
use inspection::Inspection;
pub(crate) use inspection::record_json;
pub(crate) use items::item_with_same_content;
pub use options::{CheckDepth, CheckOptions};
use progress::Progress;
pub use progress::{CheckProgress, CheckStep};
pub(crate) use rebuilt::RebuiltRecord;
pub use report::{CheckReport, Containers, Disposal, Finding, Removable, Removal, Subject};
pub use verdict::{Remedy, Verdict};

/// How often a layer is read again if its record changed while it was read.
const ATTEMPTS: u32 = 3;

/// Checks a store in the steps above.
pub(crate) fn check(engine: &Engine, options: &CheckOptions) -> Result<CheckReport, CheckError> {
    // A progress callback may stop this check alone.
    let engine = &engine.with_cancel(engine.options.cancel.child());
    let (mut inspection, mut found) = quick(engine, engine.snapshot()?, options)?;
    rebuilt_records::settle(&mut inspection, &mut found)?;
    if options.depth >= CheckDepth::Digests {
        settle_tar_splits(&inspection, &mut found);
        found.extend(read_layers(&inspection, &found)?);
    }
    if options.depth >= CheckDepth::Contents {
        found.extend(counters::check(&inspection, &found));
    }
    found.extend(mounts::check(&inspection)?);
    found.extend(orphans::areas(&inspection)?);
    engine.check_cancelled()?;
    Ok(effects::report(&inspection, found))
}

/// Steps 1 and 2: everything but contents.
fn quick<'a>(
    engine: &'a Engine,
    records: Snapshot,
    options: &'a CheckOptions,
) -> Result<(Inspection<'a>, Vec<Finding>), CheckError> {
    let mut inspection = Inspection::new(engine, options, records)?;
    let mut found = places(&mut inspection, &|_| true)?;
    engine.check_cancelled()?;
    found.extend(items::check(&inspection, &|_| true));
    if found.is_empty() {
        return Ok((inspection, found));
    }
    let suspects: BTreeSet<ItemId> = found
        .iter()
        .filter_map(|finding| finding.subject.item().cloned())
        .collect();
    // Records of additional stores are read before this store is locked, as everywhere.
    let (more_layers, more_images) = engine.catalog.read_additional()?;
    let layers = engine.catalog.layers.read_own()?;
    let images = engine.catalog.images.read_own()?;
    let containers = engine.catalog.containers.read_own()?;
    let records = Snapshot {
        layers: MergedRecords::new(
            layers.iter().map(ReadLocked::records).collect(),
            more_layers,
        ),
        images: MergedRecords::new(
            images.iter().map(ReadLocked::records).collect(),
            more_images,
        ),
        containers: MergedRecords::new(
            containers.iter().map(ReadLocked::records).collect(),
            Vec::new(),
        ),
    };
    let mut inspection = Inspection::new(engine, options, records)?;
    let is_suspect = |id: &ItemId| suspects.contains(id);
    let mut found = places(&mut inspection, &is_suspect)?;
    drop((layers, images, containers));
    found.extend(settled_items(&inspection, &is_suspect)?);
    Ok((inspection, found))
}

/// Step 4.
fn read_layers(inspection: &Inspection<'_>, known: &[Finding]) -> Result<Vec<Finding>, CheckError> {
    let unusable: BTreeSet<&LayerId> = known.iter().filter_map(unusable).collect();
    let found: Mutex<Vec<Finding>> = Mutex::default();
    let layers: Vec<_> = inspection
        .layers
        .values()
        .filter(|layer| !unusable.contains(layer.id()))
        .collect();
    let progress = Progress::new(CheckStep::Tars, layers.len());
    // The first task adds all others.
    let outcome = run_tasks(inspection.options.threads, None, |layer, tasks| {
        let Some(layer) = layer else {
            tasks.add_all(layers.iter().copied().map(Some));
            return Ok(());
        };
        let of_layer = settled(inspection, layer.id(), &|inspection, layer| {
            contents::check(inspection, layer)
        })?;
        inspection.advance(&progress)?;
        locked(&found).extend(of_layer);
        Ok::<_, CheckError>(())
    });
    outcome?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let of_trees = trees::check(inspection, &unusable, &found)?;
    found.extend(of_trees);
    Ok(found)
}

/// Checks everything but contents of layers and big data items.
fn places(
    inspection: &mut Inspection<'_>,
    wanted: &dyn Fn(&ItemId) -> bool,
) -> Result<Vec<Finding>, CheckError> {
    let mut found = records::check(inspection)?;
    found.extend(orphans::check(inspection)?);
    found.extend(layers::check(inspection, wanted));
    Ok(found)
}

/// Checks images, containers and big data items until the records of the damaged ones stay the same
/// during the check. A writer of an item holds a lock from before the file changes until the record
/// is saved, and taking a snapshot waits for that lock.
fn settled_items(
    inspection: &Inspection<'_>,
    wanted: &dyn Fn(&ItemId) -> bool,
) -> Result<Vec<Finding>, CheckError> {
    let mut found = items::check(inspection, wanted);
    let mut before = jsons(inspection, &found);
    let mut attempts = 0;
    while !found.is_empty() && attempts < ATTEMPTS {
        let now = Inspection::new(
            inspection.engine,
            inspection.options,
            inspection.engine.catalog.snapshot()?,
        )?;
        if jsons(&now, &found) == before {
            break;
        }
        found = items::check(&now, wanted);
        before = jsons(&now, &found);
        attempts += 1;
    }
    Ok(found)
}

/// The JSON of the records that findings are about.
fn jsons(inspection: &Inspection<'_>, found: &[Finding]) -> Vec<Option<Vec<u8>>> {
    let items = found.iter().map(|finding| finding.subject.item());
    items.map(|item| inspection.json(item?)).collect()
}

/// The layer that cannot be read at all by a finding.
fn unusable(finding: &Finding) -> Option<&LayerId> {
    let is_fatal = matches!(
        finding.damage,
        Damage::NoContents | Damage::Unreadable(_) | Damage::Unknown(_) | Damage::Loop
    );
    match finding.subject.item() {
        Some(ItemId::Layer(id)) if is_fatal => Some(id),
        _ => None,
    }
}

/// Finds out for each missing tar-split file whether it can be rebuilt. If not, the layer stays as
/// it is: its contents may be intact, and the file may be in a store that this one does not name.
fn settle_tar_splits(inspection: &Inspection<'_>, found: &mut [Finding]) {
    for finding in found {
        if let (Damage::TarSplitMissing, Subject::Item(ItemId::Layer(id))) =
            (&finding.damage, &finding.subject)
            && let Some(layer) = inspection.layers.get(id)
            && let Some(expected) = layer.diff_id()
            && contents::can_pack(inspection, layer, &expected)
        {
            finding.verdict = Verdict::Damaged(Remedy::Rebuild);
        }
    }
}

/// Checks a layer until its record stays the same during the check: another process may be deleting
/// it, or applying a diff to it. Findings about a layer that no longer exists are dropped.
fn settled(
    inspection: &Inspection<'_>,
    id: &LayerId,
    check: &dyn Fn(&Inspection<'_>, &Layer) -> Vec<Finding>,
) -> Result<Vec<Finding>, CheckError> {
    let Some(layer) = inspection.layers.get(id) else {
        return Ok(Vec::new());
    };
    let mut found = check(inspection, layer);
    let mut before = inspection.json(&ItemId::Layer(id.clone()));
    let mut attempts = 0;
    while !found.is_empty() && attempts < ATTEMPTS {
        let records = inspection.engine.catalog.snapshot()?;
        let now = record_json(&records.layers, id.as_str());
        let is_read_only = records.layers.additional_root(id.as_str()).is_some();
        if now == before && (now.is_some() || is_read_only) {
            break;
        }
        let inspection = Inspection::new(inspection.engine, inspection.options, records)?;
        let Some(layer) = inspection.layers.get(id) else {
            return Ok(Vec::new());
        };
        found = check(&inspection, layer);
        before = now;
        attempts += 1;
    }
    Ok(found)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
