//! Checks the usage counters of layers.

use std::collections::BTreeSet;

use layerhold_ids::LayerId;

use super::damage::Damage;
use super::inspection::{Inspection, record_json};
use super::report::Finding;
use super::verdict::Remedy;
use crate::catalog::record_stores::Records;
use crate::records::Layer;
use crate::records::kinds::ItemId;
use crate::usage::wrong_counters;

/// Counts the layers that have a counter, except damaged ones: there the counter may be right and
/// the layer wrong.
pub(super) fn check(inspection: &Inspection<'_>, found: &[Finding]) -> Vec<Finding> {
    let damaged: BTreeSet<&LayerId> = found
        .iter()
        .filter_map(|finding| match finding.subject.item() {
            Some(ItemId::Layer(id)) => Some(id),
            _ => None,
        })
        .collect();
    let own = inspection.layers.values().map(|layer| &**layer);
    let counted: Vec<&Layer> = own
        .filter(|layer| inspection.records.layers.is_own(layer.id().as_str()))
        .filter(|layer| !damaged.contains(layer.id()))
        .collect();
    // A layer that cannot be counted is skipped.
    let wrong = wrong_counters(inspection.engine, &inspection.records, &counted);
    let wrong = wrong.unwrap_or_default();
    if wrong.is_empty() {
        return Vec::new();
    }
    // A layer that was deleted or changed while it was counted is skipped.
    let Ok(now) = inspection.engine.catalog.snapshot() else {
        return Vec::new();
    };
    let is_same = |id: &LayerId| {
        record_json(&now.layers, id.as_str()) == inspection.json(&ItemId::Layer(id.clone()))
    };
    let wrong = wrong.into_iter().filter(|wrong| is_same(&wrong.layer));
    wrong
        .map(|wrong| {
            let damage = Damage::Counter {
                recorded: wrong.recorded,
                found: wrong.found,
            };
            Finding::of(ItemId::Layer(wrong.layer), damage, Remedy::Rebuild)
        })
        .collect()
}
