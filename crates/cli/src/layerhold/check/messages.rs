//! The texts of findings and repairs.

use layerhold::check::{CheckReport, Damage, Finding, Remedy, Removable, Subject, Verdict};

use layerhold::repair::{Action, RepairMode, RepairReport};

use layerhold::ItemId;
use serde_json::{Value, json};

/// The line above the findings about a subject.
pub(super) fn heading(report: &CheckReport, subject: &Subject) -> String {
    let names = subject.item().map_or(String::new(), |id| names(report, id));
    format!("{}{names}", self::subject(subject))
}

/// The names of an image or a container, to be printed behind its ID.
fn names(report: &CheckReport, id: &ItemId) -> String {
    match report.names.get(id) {
        Some(names) => format!(" ({})", names.join(", ")),
        None => String::new(),
    }
}

/// The images to load again after a repair, by their names.
pub(super) fn to_load(report: &CheckReport, repaired: &RepairReport) -> Vec<String> {
    let gone = repaired.done.iter().filter_map(|action| match action {
        Action::Remove(Removable::Image(id)) => report.names.get(&ItemId::Image(id.clone())),
        _ => None,
    });
    gone.flatten().cloned().collect()
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Store => "the store".to_owned(),
        Subject::Item(id) => format!("{} {id}", id.kind()),
        Subject::ReadOnly(id) => format!("{} {id}, in an additional store", id.kind()),
    }
}

pub(super) fn subject_json(subject: &Subject) -> Value {
    match subject.item() {
        None => Value::Null,
        Some(id) => json!({
            "kind": id.kind().to_string(),
            "id": id.to_string(),
            "readOnly": matches!(subject, Subject::ReadOnly(_)),
        }),
    }
}

/// What is printed behind a finding.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Damaged(Remedy::Rebuild) => " [can be rebuilt]",
        Verdict::Damaged(Remedy::SetAside) => " [can be set aside]",
        Verdict::Damaged(Remedy::Remove) => " [can only be removed]",
        Verdict::Damaged(_) => "",
        Verdict::Unjudged => " [could not be judged, is left alone]",
        Verdict::Note => " [no damage]",
    }
}

pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Damaged(_) => "damaged",
        Verdict::Unjudged => "unjudged",
        Verdict::Note => "note",
    }
}

pub(super) fn remedy_name(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Rebuild => "rebuild",
        Remedy::SetAside => "set-aside",
        Remedy::Remove => "remove",
        _ => "nothing",
    }
}

/// Whether a finding stays after a repair: it could not be judged, or is damage of the item itself
/// that cannot be repaired. Damage that comes from a parent goes with the parent.
pub(super) fn stays(finding: &Finding) -> bool {
    match finding.verdict {
        Verdict::Note => return false,
        Verdict::Unjudged => return true,
        Verdict::Damaged(remedy) if remedy != Remedy::Nothing => return false,
        Verdict::Damaged(_) => {}
    }
    !matches!(
        finding.damage,
        Damage::LayerDamaged { .. } | Damage::ImageDamaged { .. } | Damage::ParentDamaged { .. }
    )
}

pub(super) fn removable(what: &Removable) -> String {
    match what {
        Removable::Container(id) => format!("container {id}"),
        Removable::Image(id) => format!("image {id}"),
        Removable::Layer(id) => format!("layer {id}"),
        Removable::Contents(id) => format!("contents of layer {id}"),
        Removable::Path(path) => path.display().to_string(),
        _ => "something".to_owned(),
    }
}

/// What was done, or would be.
pub(super) fn action(report: &CheckReport, action: &Action, mode: RepairMode) -> String {
    let is_dry = mode == RepairMode::DryRun;
    match action {
        Action::Rebuild { subject, damage } => {
            let verb = if is_dry { "would rebuild" } else { "rebuilt" };
            format!("{verb} {}: {damage}", self::subject(subject))
        }
        Action::SetAside { damage } => {
            let verb = if is_dry { "would set" } else { "set" };
            format!("{verb} aside: {damage}")
        }
        Action::Remove(what) => {
            let verb = if is_dry { "would remove" } else { "removed" };
            let names = match what {
                Removable::Image(id) => names(report, &ItemId::Image(id.clone())),
                Removable::Container(id) => names(report, &ItemId::Container(id.clone())),
                _ => String::new(),
            };
            format!("{verb} {}{names}", removable(what))
        }
        Action::Quarantine { layer, .. } if is_dry => {
            format!("would remove layer {layer}, and move its contents to the quarantine")
        }
        Action::Quarantine { layer, place } => match place {
            Some(place) => format!(
                "removed layer {layer}; its contents are in the quarantine {} until `gc --quarantine`",
                place.display()
            ),
            None => format!("removed layer {layer}"),
        },
        _ => String::new(),
    }
}

/// What was attempted.
pub(super) fn attempt(action: &Action) -> String {
    match action {
        Action::Rebuild { subject, damage } => {
            format!("rebuild {}: {damage}", self::subject(subject))
        }
        Action::SetAside { damage } => format!("set aside: {damage}"),
        Action::Remove(what) => format!("remove {}", removable(what)),
        Action::Quarantine { layer, .. } => format!("move layer {layer} to the quarantine"),
        _ => "repair".to_owned(),
    }
}
