//! What a list has to say about records that it leaves out.

use layerhold::{ItemKind, Snapshot};

use crate::failure::chain;

/// A line for each record of a kind that is damaged, and was therefore left out of the list that
/// has just been made. Nothing is parsed again for it.
pub(crate) fn left_out(snapshot: &Snapshot, kind: ItemKind) -> Vec<String> {
    snapshot
        .damage_seen()
        .iter()
        .filter(|record| record.kind == kind)
        .map(|record| format!("left out: {}", chain(&record.damage)))
        .collect()
}
