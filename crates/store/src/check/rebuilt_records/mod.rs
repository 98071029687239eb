//! Rebuilds lost records from what else is there.
//!
//! | of the record | found in |
//! |---|---|
//! | what a damaged or torn record still states | the record file, or the side file that it was moved to |
//! | layer: parent | see `parent` |
//! | layer: digest and size of the tar, user and group IDs | the tar-split file, replayed |
//! | image: big data items, their sizes and digests | the files in its directory |
//! | image: top layer | the configuration among the items, and the digests of layers; else a container of the image |
//! | image: creation time | the configuration |
//! | container: own layer, ID maps, labels | the configuration for the runtime in its directory |
//! | container: image | the parent of its layer |
//!
//! Nothing is guessed. What remains unknown is in the report; an item that needs it is left as it
//! is.

mod containers;
mod images;
mod layers;
mod items;
mod parent;
mod search;
mod replay;
mod partial;

use std::collections::BTreeMap;

use super::damage::Damage;
use super::error::CheckError;
use super::inspection::Inspection;
use super::report::Finding;
use super::verdict::Verdict;
use crate::check::verdict::Remedy;
use crate::records::kinds::{ItemId, ItemKind};

use search::{CannotRebuild, Search};

/// Rebuilds the records that can be, adds them to the inspection, and corrects the findings by
/// them.
pub(super) fn settle(
    inspection: &mut Inspection<'_>,
    found: &mut Vec<Finding>,
) -> Result<(), CheckError> {
    // Items that may have a record of the other persistence are not rebuilt here.
    if !inspection.are_other_records_known || !found.iter().any(|finding| is_hint(&finding.damage))
    {
        return Ok(());
    }
    let mut search = Search::new(inspection)?;
    let not_rebuilt = search.run()?;
    let unknown_members = search.unknown_members;
    if unknown_members.is_empty() && not_rebuilt.is_empty() {
        return Ok(());
    }
    found.retain(|finding| {
        item(&finding.damage, finding.subject.item()).is_none_or(|id| {
            !unknown_members.contains_key(&id) && !is_replaced(finding, &not_rebuilt, &id)
        })
    });
    for finding in &mut *found {
        correct(finding, &unknown_members, &not_rebuilt);
    }
    inspection
        .incomplete_kinds
        .extend(not_rebuilt.keys().map(ItemId::kind));
    for (id, why) in not_rebuilt {
        let damage = Damage::RecordBeyondHelp { why: why.text() };
        found.push(Finding::of(id, damage, Remedy::Nothing));
    }
    for (id, unknown) in unknown_members {
        let damage = Damage::RecordLost { unknown };
        found.push(Finding::of(id, damage, Remedy::Rebuild));
    }
    // What seemed to be missing may be there now, and what it names is in use.
    found.retain(|finding| !is_reference(&finding.damage));
    found.extend(super::layers::references(inspection));
    found.extend(super::items::references(inspection));
    Ok(())
}

/// Tells whether damage may come from a lost record.
fn is_hint(damage: &Damage) -> bool {
    matches!(
        damage,
        Damage::RecordFileEmpty { .. }
            | Damage::RecordFileMissing { .. }
            | Damage::Record { .. }
            | Damage::NoRecord
            | Damage::Orphan { .. }
    )
}

/// The item without a record that damage is about, if there is one.
fn item(damage: &Damage, subject: Option<&ItemId>) -> Option<ItemId> {
    match damage {
        Damage::NoRecord => subject.cloned(),
        Damage::Orphan { kind, id, .. } => match kind {
            ItemKind::Layer => id.parse().ok().map(ItemId::Layer),
            ItemKind::Image => id.parse().ok().map(ItemId::Image),
            ItemKind::Container => id.parse().ok().map(ItemId::Container),
        },
        _ => None,
    }
}

/// Tells whether a finding is replaced by the reason why its record cannot be rebuilt.
fn is_replaced(
    finding: &Finding,
    not_rebuilt: &BTreeMap<ItemId, CannotRebuild>,
    id: &ItemId,
) -> bool {
    matches!(finding.damage, Damage::NoRecord) && not_rebuilt.contains_key(id)
}

/// Keeps files of an item without a record from being removed, and marks a record file that gets
/// records again as repairable.
fn correct(
    finding: &mut Finding,
    unknown_members: &BTreeMap<ItemId, Vec<&'static str>>,
    not_rebuilt: &BTreeMap<ItemId, CannotRebuild>,
) {
    match &finding.damage {
        Damage::RecordFileEmpty { kind, .. } | Damage::RecordFileMissing { kind, .. } => {
            if unknown_members.keys().any(|id| id.kind() == *kind) {
                finding.verdict = Verdict::Damaged(Remedy::Rebuild);
            }
        }
        damage => {
            let id = item(damage, finding.subject.item());
            if id.is_some_and(|id| not_rebuilt.contains_key(&id)) {
                finding.verdict = Verdict::Damaged(Remedy::Nothing);
            }
        }
    }
}

/// Tells whether damage is about references: named and missing, or present and unreferenced.
fn is_reference(damage: &Damage) -> bool {
    matches!(
        damage,
        Damage::ParentMissing { .. }
            | Damage::Loop
            | Damage::Unreferenced
            | Damage::LayerMissing { .. }
            | Damage::LayerDamaged { .. }
            | Damage::CopyMissing { .. }
            | Damage::ImageMissing { .. }
            | Damage::TooDeep { .. }
    )
}
