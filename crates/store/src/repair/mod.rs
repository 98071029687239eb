//! Repairs a store, by the report of a check.
//!
//! Everything that can be rebuilt is rebuilt first. Then what is of no use is removed: containers,
//! images, layers with children before parents, contents without a record, files. Nothing is
//! removed that is not in [`CheckReport::removals`]. Each step takes the locks by itself, and first
//! makes sure that the item has not changed since the check.

mod mounts;
mod options;
pub(crate) mod quarantine;
mod rebuild;
mod records;
mod remove;
mod report;
mod tar_split;
mod error;

use std::collections::BTreeMap;

use layerhold_ids::LayerId;
use layerhold_json_store::Record as _;

use crate::catalog::locks::Locks;
use crate::catalog::lookup::by_id;
use crate::check::{
    CheckReport, Containers, Damage, Disposal, Finding, RebuiltRecord, Remedy, Removable,
    record_json,
};
use crate::engine::Engine;
use crate::records::Layer;
use crate::records::kinds::ItemId;

pub use error::RepairError;
pub use options::{RepairMode, RepairOptions};
pub use report::{Action, Failure, Kept, RepairReport};

/// Repairs what a check reported, or only reports what it would do.
pub(crate) fn repair(
    engine: &Engine,
    check: &CheckReport,
    options: &RepairOptions,
) -> RepairReport {
    let mut repair = Repair {
        engine,
        options,
        seen: check.seen.clone(),
        rebuilt: &check.rebuilt,
        report: RepairReport::default(),
    };
    // Parents before children: the driver rebuilds what it keeps of a layer from that of its
    // parent.
    let mut findings: Vec<&Finding> = check.findings.iter().collect();
    findings.sort_by_key(|finding| repair.height(finding));
    for finding in findings {
        match finding.remedy() {
            Remedy::Rebuild => {
                repair.perform(rebuilding(finding), 0, |repair| repair.rebuild(finding))
            }
            Remedy::SetAside => repair.perform(setting_aside(finding), 0, |repair| {
                repair.set_aside(finding)
            }),
            Remedy::Remove | Remedy::Nothing => {}
        }
    }
    for removal in &check.removals {
        if let Some(container) = &removal.held_by
            && options.containers == Containers::Keep
        {
            repair.report.kept.push(Kept {
                what: removal.what.clone(),
                held_by: container.clone(),
            });
            continue;
        }
        if let (Disposal::Quarantine, Removable::Layer(id)) = (removal.disposal, &removal.what) {
            repair.set_layer_aside(id);
            continue;
        }
        let action = Action::Remove(removal.what.clone());
        repair.perform(action, removal.bytes, |repair| repair.remove(&removal.what));
    }
    repair.report
}

fn rebuilding(finding: &Finding) -> Action {
    Action::Rebuild {
        subject: finding.subject.clone(),
        damage: finding.damage.to_string(),
    }
}

fn setting_aside(finding: &Finding) -> Action {
    Action::SetAside {
        damage: finding.damage.to_string(),
    }
}

/// A repair in progress.
struct Repair<'a> {
    engine: &'a Engine,
    options: &'a RepairOptions,
    /// The JSON of the records as the check or this repair last saw them.
    seen: BTreeMap<ItemId, Vec<u8>>,
    /// Records to be restored.
    rebuilt: &'a BTreeMap<ItemId, RebuiltRecord>,
    report: RepairReport,
}

impl Repair<'_> {
    /// Runs one step, and reports it. In a dry run it is only reported.
    fn perform(
        &mut self,
        action: Action,
        bytes: u64,
        work: impl FnOnce(&mut Self) -> Result<(), RepairError>,
    ) {
        let outcome = match self.options.mode {
            RepairMode::DryRun => Ok(()),
            RepairMode::Repair => work(self),
        };
        match outcome {
            Ok(()) => {
                self.report.bytes = self.report.bytes.saturating_add(bytes);
                self.report.done.push(action);
            }
            Err(error) => self.report.failed.push(Failure { action, error }),
        }
    }

    /// Puts a damaged layer into the quarantine, and reports it. In a dry run it is only reported.
    fn set_layer_aside(&mut self, id: &LayerId) {
        let action = |place| Action::Quarantine {
            layer: id.clone(),
            place,
        };
        let outcome = match self.options.mode {
            RepairMode::DryRun => Ok(None),
            RepairMode::Repair => self.quarantine(id),
        };
        match outcome {
            Ok(place) => self.report.done.push(action(place)),
            Err(error) => {
                let action = action(None);
                self.report.failed.push(Failure { action, error });
            }
        }
    }

    /// The number of ancestors of the layer that a finding is about.
    fn height(&self, finding: &Finding) -> usize {
        let Some(ItemId::Layer(id)) = finding.subject.item() else {
            // Records of images and containers are restored after those of the layers that they
            // name.
            let is_last = matches!(finding.damage, Damage::RecordLost { .. });
            return if is_last { usize::MAX } else { 0 };
        };
        if matches!(finding.damage, Damage::RecordLost { .. }) {
            return self.height_of_lost(id);
        }
        let Ok(layers) = self.engine.catalog.read_layers() else {
            return 0;
        };
        let mut height = 1;
        let mut next = by_id(&layers, id.as_str()).ok().flatten();
        // By its records a layer may be its own ancestor.
        while let Some(layer) = next.take().filter(|_| height < MAX_HEIGHT) {
            height += 1;
            if let Some(parent) = layer.parent() {
                next = by_id(&layers, parent.as_str()).ok().flatten();
            }
        }
        height
    }

    /// The number of ancestors of a layer whose record is lost, as far as their records are lost
    /// too.
    fn height_of_lost(&self, id: &LayerId) -> usize {
        let mut height = 1;
        let mut next = Some(id.clone());
        while let Some(rebuilt) = next.and_then(|id| self.rebuilt.get(&ItemId::Layer(id)))
            && height < MAX_HEIGHT
        {
            height += 1;
            let layer = Layer::parse(&rebuilt.json).ok();
            next = layer.and_then(|layer| layer.parent().cloned());
        }
        height
    }

    /// Fails if an item changed since it was checked. Tells whether it still exists.
    fn is_unchanged(&self, locks: &Locks, id: &ItemId) -> Result<bool, RepairError> {
        let now = current_json(locks, id);
        match (&now, self.seen.get(id)) {
            (None, _) => Ok(false),
            (Some(now), Some(seen)) if now == seen => Ok(true),
            _ => Err(RepairError::Changed),
        }
    }

    /// Notes the record of an item after this repair changed it.
    fn note(&mut self, locks: &Locks, id: &ItemId) {
        match current_json(locks, id) {
            Some(text) => drop(self.seen.insert(id.clone(), text)),
            None => drop(self.seen.remove(id)),
        }
    }
}

/// No driver stacks more layers than this.
const MAX_HEIGHT: usize = 10_000;

fn current_json(locks: &Locks, id: &ItemId) -> Option<Vec<u8>> {
    match id {
        ItemId::Layer(id) => record_json(&locks.layers, id.as_str()),
        ItemId::Image(id) => record_json(&locks.images, id.as_str()),
        ItemId::Container(id) => record_json(&locks.containers, id.as_str()),
    }
}
