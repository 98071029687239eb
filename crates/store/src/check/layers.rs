//! Checks layers without reading their contents: what their records name, and what belongs to them.

use std::collections::BTreeSet;

use layerhold_driver::{LayerError, Repairable};
use layerhold_ids::LayerId;
use layerhold_schema::Timestamp;

use super::damage::Damage;
use super::inspection::Inspection;
use super::report::{Finding, Subject};
use super::verdict::{Remedy, Verdict};
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::incomplete_layers;
use crate::contents::diff::open_tar_split;
use crate::records::Layer;
use crate::records::kinds::{ItemId, ItemKind};

/// Checks the layers that `wanted` accepts.
pub(super) fn check(inspection: &Inspection<'_>, wanted: &dyn Fn(&ItemId) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let used = in_use(inspection);
    for layer in inspection.layers.values() {
        if wanted(&ItemId::Layer(layer.id().clone())) {
            let mut layer_check = LayerCheck {
                inspection,
                layer,
                found: &mut found,
            };
            layer_check.run(used.contains(layer.id()));
        }
    }
    for id in incomplete_layers(&inspection.records.layers) {
        found.push(Finding::of(
            ItemId::Layer(id),
            Damage::Incomplete,
            Remedy::Remove,
        ));
    }
    for id in inspection.held.iter().flatten() {
        if !inspection.records.layers.is_own(id.as_str()) {
            let subject = Subject::Item(ItemId::Layer(id.clone()));
            let verdict = inspection.verdict_without_record(id);
            found.push(Finding::new(subject, Damage::NoRecord, verdict));
        }
    }
    found
}

/// Checks the parents of layers, and whether layers are used.
pub(super) fn references(inspection: &Inspection<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let used = in_use(inspection);
    for layer in inspection.layers.values() {
        let mut layer_check = LayerCheck {
            inspection,
            layer,
            found: &mut found,
        };
        layer_check.parent();
        // The age of a layer whose record is lost is unknown.
        let is_rebuilt = inspection
            .rebuilt
            .contains_key(&ItemId::Layer(layer.id().clone()));
        layer_check.report_if_unused(is_rebuilt || used.contains(layer.id()));
    }
    found
}

/// The damage and verdict of a layer that cannot be opened.
pub(super) fn unreadable(error: LayerError) -> (Damage, Verdict) {
    let verdict = Verdict::of_error(&error);
    let source = Box::new(error);
    match verdict {
        Verdict::Damaged(_) => (Damage::Unreadable(source), verdict),
        _ => (Damage::Unknown(source), verdict),
    }
}

struct LayerCheck<'a, 'v> {
    inspection: &'a Inspection<'v>,
    layer: &'a Layer,
    found: &'a mut Vec<Finding>,
}

impl LayerCheck<'_, '_> {
    fn run(&mut self, is_used: bool) {
        self.parent();
        if self.contents() {
            self.driver_damage();
        }
        self.tar_split();
        super::items::layer(self.inspection, self.layer, self.found);
        self.report_if_unused(is_used);
    }

    fn add(&mut self, damage: Damage, verdict: Verdict) {
        let id = ItemId::Layer(self.layer.id().clone());
        self.found
            .push(self.inspection.finding(id, damage, verdict));
    }

    fn parent(&mut self) {
        let Some(parent) = self.layer.parent() else {
            return;
        };
        if !self.inspection.is_recorded(parent) {
            let parent = parent.clone();
            let verdict = self.inspection.verdict_without_parent(self.layer);
            self.add(Damage::ParentMissing { parent }, verdict);
        } else if is_its_own_ancestor(self.inspection, self.layer) {
            self.add(Damage::Loop, Verdict::Damaged(Remedy::Remove));
        }
    }

    /// Checks that the layer has contents, and tells whether it has.
    fn contents(&mut self) -> bool {
        match self.inspection.driver.exists(self.layer.id()) {
            Ok(true) => true,
            Ok(false) => {
                self.add(
                    Damage::NoContents,
                    self.inspection.verdict_without_contents(),
                );
                false
            }
            Err(error) => {
                let (damage, verdict) = unreadable(error);
                self.add(damage, verdict);
                false
            }
        }
    }

    fn driver_damage(&mut self) {
        match self
            .inspection
            .driver
            .maintenance()
            .damage(self.layer.id(), self.layer.parent())
        {
            Ok(found) => {
                for damage in found {
                    let remedy = match damage.repairable {
                        Repairable::Yes => Remedy::Rebuild,
                        Repairable::No => Remedy::Remove,
                    };
                    self.add(Damage::Driver(Box::new(damage)), Verdict::Damaged(remedy));
                }
            }
            Err(error) => {
                let (damage, verdict) = unreadable(error);
                self.add(damage, verdict);
            }
        }
    }

    /// A layer whose tar has a digest was imported, and so has a tar-split file. Whether a missing
    /// one can be rebuilt is found out when contents are read. For an additional layer the other
    /// program has the whole tar.
    fn tar_split(&mut self) {
        let id = self.layer.id();
        if self.layer.diff_id().is_none()
            || matches!(self.inspection.driver.additional_layer_of(id), Ok(Some(_)))
        {
            return;
        }
        let layers = &self.inspection.records.layers;
        match open_tar_split(self.inspection.engine, layers, self.layer.id()) {
            Ok(None) => self.add(Damage::TarSplitMissing, Verdict::Unjudged),
            Ok(Some(_)) => {}
            Err(error) => {
                let (damage, verdict) = unreadable(error.into());
                self.add(damage, verdict);
            }
        }
    }

    fn report_if_unused(&mut self, is_used: bool) {
        // Layers of additional stores are not reported: other stores may use them.
        let id = ItemId::Layer(self.layer.id().clone());
        if !is_used && !self.inspection.is_read_only(&id) {
            let all = [ItemKind::Layer, ItemKind::Image, ItemKind::Container];
            let verdict = self.inspection.damaged_unless_lost(&all);
            self.add(Damage::Unreferenced, verdict);
        }
    }
}

/// The layers that are in use or may be soon: young layers and their ancestors may belong to an
/// image that is being written.
fn in_use<'l>(inspection: &'l Inspection<'_>) -> BTreeSet<&'l LayerId> {
    let mut used = inspection.used();
    let mut walks = inspection.ancestors();
    let limit = i64::try_from(inspection.options.unreferenced_age.as_secs()).unwrap_or(i64::MAX);
    let now = Timestamp::now().unix_seconds();
    for layer in inspection.layers.values() {
        let created = layer.created();
        let age = now.saturating_sub(created.unix_seconds());
        if !created.is_zero() && age < limit {
            used.extend(walks.up_from(layer.id()));
        }
    }
    used
}

fn is_its_own_ancestor(inspection: &Inspection<'_>, layer: &Layer) -> bool {
    let mut seen: BTreeSet<&LayerId> = BTreeSet::new();
    let mut next = layer.parent();
    while let Some(id) = next {
        if id == layer.id() {
            return true;
        }
        if !seen.insert(id) {
            return false;
        }
        next = inspection.layers.get(id).and_then(|layer| layer.parent());
    }
    false
}
