//! Records that are lost: what they said, as far as that can be found out.
//!
//! | of the record | is known from |
//! |---|---|
//! | whatever a damaged or torn record still says | the record file, or the side file that it was moved to |
//! | layer: parent | see `parent` |
//! | layer: digest and size of the tar, user and group IDs | the tar-split file, replayed |
//! | image: data items, their sizes and digests | the files in its directory |
//! | image: top layer | the configuration among the items, and the digests of layers; else a container that was made of it |
//! | image: creation time | the configuration |
//! | container: own layer, ID maps, labels | the configuration for the runtime in its directory |
//! | container: image | what its layer stands on |
//!
//! Nothing is guessed. What cannot be known is in the report, and what cannot be done without it is
//! left as it is.

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

/// Finds out of which items a record can be made, puts these records into the look, and corrects
/// the findings by them.
pub(super) fn settle(
    inspection: &mut Inspection<'_>,
    found: &mut Vec<Finding>,
) -> Result<(), CheckError> {
    // What another kind of opening may have a record of is not for this one to record.
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
    // What seemed to be missing may be there now, and what stands on it is not without use.
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

/// The item that has no record, if damage says that one has none.
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

/// Tells whether a finding is said better by what kept the record from being made.
fn is_replaced(
    finding: &Finding,
    not_rebuilt: &BTreeMap<ItemId, CannotRebuild>,
    id: &ItemId,
) -> bool {
    matches!(finding.damage, Damage::NoRecord) && not_rebuilt.contains_key(id)
}

/// Sees to it that nothing of an item without a record is removed, and that a file which gets
/// records again counts as repaired.
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

/// Tells whether damage is that something is named which is not there, or not named which is there.
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
