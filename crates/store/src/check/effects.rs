//! Finds out what damage means for the children of a layer, and for images and containers (Go:
//! check.go).

use std::collections::{BTreeMap, BTreeSet};

use layerhold_ids::{ContainerId, ImageId, LayerId};

use super::damage::Damage;
use super::inspection::Inspection;
use super::removals;
use super::report::{CheckReport, Finding, Subject};
use super::verdict::{Remedy, Verdict};
use crate::records::kinds::ItemId;

/// Assembles the report.
pub(super) fn report(inspection: &Inspection<'_>, mut found: Vec<Finding>) -> CheckReport {
    let layers = damaged_layers(inspection, &mut found);
    images(inspection, &layers, &mut found);
    containers(inspection, &layers, &mut found);
    // Sorting is stable: findings about one subject stay in the order in which they were found.
    found.sort_by(|one, other| one.subject.cmp(&other.subject));
    let mut report = CheckReport {
        removals: removals::plan(inspection, &found),
        findings: found,
        rebuilt: inspection.rebuilt.clone(),
        ..CheckReport::default()
    };
    for finding in &report.findings {
        if let Some(id) = finding.subject.item()
            && let Some(text) = inspection.json(id)
        {
            report.seen.insert(id.clone(), text);
        }
    }
    note_names(inspection, &mut report);
    for removal in &report.removals {
        if let Some(id) = removal.what.item()
            && let Some(text) = inspection.json(&id)
        {
            report.seen.insert(id, text);
        }
    }
    report
}

/// Adds the names of the images and containers in the report.
fn note_names(inspection: &Inspection<'_>, report: &mut CheckReport) {
    let of_findings = report.findings.iter().filter_map(|one| one.subject.item());
    let removed = report.removals.iter();
    let removed = removed.filter_map(|removal| removal.what.item());
    let ids: BTreeSet<ItemId> = of_findings.cloned().chain(removed).collect();
    for id in ids {
        let names = match &id {
            ItemId::Image(id) => inspection
                .images
                .get(id)
                .map(|image| image.names().to_vec()),
            ItemId::Container(id) => inspection
                .containers
                .get(id)
                .map(|one| one.names().to_vec()),
            ItemId::Layer(_) => None,
        };
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            report.names.insert(id, names);
        }
    }
}

/// The verdict on an item that needs a damaged one.
const REMOVED: Verdict = Verdict::Damaged(Remedy::Remove);

/// How severe the damage of a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Degree {
    /// It can be repaired.
    Repairable,
    /// The layer and its children are unusable.
    Fatal,
}

/// Finds the damaged layers, and adds findings for their descendants.
fn damaged_layers(
    inspection: &Inspection<'_>,
    found: &mut Vec<Finding>,
) -> BTreeMap<LayerId, Degree> {
    let mut damaged: BTreeMap<LayerId, Degree> = BTreeMap::new();
    for finding in &*found {
        let Some(ItemId::Layer(id)) = finding.subject.item() else {
            continue;
        };
        let is_damage = !matches!(
            finding.damage,
            Damage::Unreferenced
                | Damage::NoRecord
                | Damage::Incomplete
                | Damage::RecordBeyondHelp { .. }
                | Damage::StaleMount { .. }
                | Damage::UncountedMount { .. }
                | Damage::Counter { .. }
        );
        let degree = match (&finding.subject, finding.verdict) {
            (_, Verdict::Unjudged | Verdict::Note) => continue,
            (Subject::ReadOnly(_), _) | (_, Verdict::Damaged(Remedy::Remove)) => Degree::Fatal,
            _ => Degree::Repairable,
        };
        if is_damage {
            let known = damaged.entry(id.clone()).or_insert(degree);
            *known = (*known).max(degree);
        }
    }
    let fatal: BTreeSet<LayerId> = damaged
        .iter()
        .filter(|(_, degree)| **degree == Degree::Fatal)
        .map(|(id, _)| id.clone())
        .collect();
    let unusable = inspection
        .ancestors()
        .values(inspection.layers.keys(), |id, below: Option<&bool>| {
            fatal.contains(id) || below.is_some_and(|below| *below)
        });
    for layer in inspection.layers.values() {
        if let Some(parent) = layer.parent()
            && unusable.get(parent) == Some(&true)
        {
            let id = ItemId::Layer(layer.id().clone());
            let damage = Damage::ParentDamaged {
                parent: parent.clone(),
            };
            if !inspection.is_read_only(&id) {
                found.push(inspection.finding(id, damage, REMOVED));
            }
        }
    }
    damaged
}

fn images(
    inspection: &Inspection<'_>,
    damaged: &BTreeMap<LayerId, Degree>,
    found: &mut Vec<Finding>,
) {
    for image in inspection.images.values() {
        let mut seen = BTreeSet::new();
        let tops = image.top_layer().map(|top| (top, true));
        let copies = image.mapped_layers().iter().map(|copy| (copy, false));
        for (top, is_own) in tops.into_iter().chain(copies) {
            for layer in inspection.chain(top) {
                let Some(degree) = damaged.get(layer.id()) else {
                    continue;
                };
                if !seen.insert(layer.id()) {
                    continue;
                }
                let remedy = match degree {
                    Degree::Fatal if is_own => Remedy::Remove,
                    // A mapped layer is removed from the image, and created again when it is
                    // needed.
                    Degree::Fatal => Remedy::Rebuild,
                    Degree::Repairable => Remedy::Nothing,
                };
                let id = ItemId::Image(image.id().clone());
                let layer = layer.id().clone();
                let damage = Damage::LayerDamaged { layer };
                found.push(inspection.finding(id, damage, Verdict::Damaged(remedy)));
            }
        }
    }
}

fn containers(
    inspection: &Inspection<'_>,
    damaged: &BTreeMap<LayerId, Degree>,
    found: &mut Vec<Finding>,
) {
    let bad_images = unusable_images(found);
    for container in inspection.containers.values() {
        let id = || ItemId::Container(container.id().clone());
        let image = container.image();
        if let Some(image) = image.filter(|image| bad_images.contains(*image)) {
            let image = image.clone();
            found.push(inspection.finding(id(), Damage::ImageDamaged { image }, REMOVED));
            continue;
        }
        for layer in inspection.chain(container.layer()) {
            if damaged.get(layer.id()) == Some(&Degree::Fatal) {
                let layer = layer.id().clone();
                found.push(inspection.finding(id(), Damage::LayerDamaged { layer }, REMOVED));
            }
        }
    }
}

/// The images that are unusable, including those of additional stores.
fn unusable_images(found: &[Finding]) -> BTreeSet<ImageId> {
    let of_images = found.iter().filter_map(|finding| {
        let is_bad = finding.remedy() == Remedy::Remove || is_unusable_read_only(finding);
        match finding.subject.item() {
            Some(ItemId::Image(id)) if is_bad => Some(id.clone()),
            _ => None,
        }
    });
    of_images.collect()
}

/// Tells whether an item of an additional store is unusable.
fn is_unusable_read_only(finding: &Finding) -> bool {
    matches!(
        (&finding.subject, finding.verdict),
        (Subject::ReadOnly(_), Verdict::Damaged(_))
    )
}

/// Returns the items that a repair removes because of their own damage.
pub(super) fn to_remove(found: &[Finding]) -> RemovalSet {
    let mut removed = RemovalSet::default();
    for finding in found {
        if finding.remedy() != Remedy::Remove {
            continue;
        }
        match (&finding.subject, &finding.damage) {
            (Subject::Item(ItemId::Layer(id)), Damage::NoRecord) => {
                removed.contents.push(id.clone())
            }
            (Subject::Item(ItemId::Layer(id)), damage) => {
                removed.layers.insert(id.clone());
                match damage {
                    Damage::NoContents => {
                        removed.empty.insert(id.clone());
                    }
                    damage if is_damage_of_contents(damage) => {
                        removed.broken.insert(id.clone());
                    }
                    _ => {}
                }
            }
            (Subject::Item(ItemId::Image(id)), _) => {
                removed.images.insert(id.clone());
            }
            (Subject::Item(ItemId::Container(id)), _) => {
                removed.containers.insert(id.clone());
            }
            _ => {}
        }
    }
    removed
}

/// Items that a repair removes because of their own damage.
#[derive(Debug, Default)]
pub(super) struct RemovalSet {
    pub(super) containers: BTreeSet<ContainerId>,
    pub(super) images: BTreeSet<ImageId>,
    pub(super) layers: BTreeSet<LayerId>,
    pub(super) contents: Vec<LayerId>,
    /// Layers of which the driver holds nothing.
    empty: BTreeSet<LayerId>,
    /// Layers whose own contents are damaged.
    broken: BTreeSet<LayerId>,
}

impl RemovalSet {
    /// Tells whether the contents of a layer go to the quarantine: they are damaged, and there are
    /// any.
    pub(super) fn has_contents_to_keep(&self, layer: &LayerId) -> bool {
        self.broken.contains(layer) && !self.empty.contains(layer)
    }
}

/// Tells whether damage of a layer is damage of its own contents.
fn is_damage_of_contents(damage: &Damage) -> bool {
    !matches!(
        damage,
        Damage::NoContents
            | Damage::Unreferenced
            | Damage::Incomplete
            | Damage::ParentMissing { .. }
            | Damage::ParentDamaged { .. }
            | Damage::Loop
    )
}
