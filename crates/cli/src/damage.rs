//! Reporting the damaged records that a list leaves out.

use layerhold::{ItemKind, Snapshot};

use crate::failure::chain;

/// A line for each damaged record of a kind, which the list that was just made leaves out. Nothing
/// is parsed again for it.
pub(crate) fn left_out(snapshot: &Snapshot, kind: ItemKind) -> Vec<String> {
    snapshot
        .damage_seen()
        .iter()
        .filter(|record| record.kind == kind)
        .map(|record| format!("left out: {}", chain(&record.damage)))
        .collect()
}
