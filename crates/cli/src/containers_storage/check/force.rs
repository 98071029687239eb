//! What a repair leaves because of containers, and what `--force` would remove. The Go tool only
//! fails.

use std::collections::BTreeMap;

use layerhold::check::CheckReport;

use layerhold::repair::RepairReport;

use super::messages;

/// A line for each container that keeps something damaged.
pub(super) fn needed(report: &CheckReport, repaired: &RepairReport) -> Vec<String> {
    let mut held: BTreeMap<String, (Vec<String>, u64)> = BTreeMap::new();
    for kept in &repaired.kept {
        let (list, bytes) = held.entry(kept.held_by.to_string()).or_default();
        list.push(messages::removable(&kept.what));
        let removal = report
            .removals
            .iter()
            .find(|removal| removal.what == kept.what);
        *bytes = bytes.saturating_add(removal.map_or(0, |removal| removal.bytes));
    }
    let line = |(container, (list, bytes)): (String, (Vec<String>, u64))| {
        format!(
            "container {container} keeps from being removed: {}; check --force removes that, with all that the container wrote ({bytes} bytes)",
            list.join(", ")
        )
    };
    held.into_iter().map(line).collect()
}
