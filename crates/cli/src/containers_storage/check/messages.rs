//! Damage with the texts of the Go tool (Go: check.go, types/errors.go).

use layerhold::check::{
    Attribute, AttributeChange, CheckReport, Damage, FileChange, Finding, Remedy, Removable,
    Subject, Verdict,
};

use layerhold::repair::{Action, RepairReport};

use layerhold::{ItemId, ItemKind};

use crate::failure::chain;

/// The lines about a finding. Damage that an item inherits from a layer is shown at that layer.
pub(super) fn finding(report: &CheckReport, finding: &Finding) -> Vec<String> {
    match &finding.damage {
        Damage::LayerDamaged { layer } => causes(report, &ItemId::Layer(layer.clone())),
        Damage::ImageDamaged { image } => {
            let id = ItemId::Image(image.clone());
            let of_image = of_item(report, &id);
            of_image
                .flat_map(|cause| self::finding(report, cause))
                .collect()
        }
        damage => vec![line(&finding.subject, damage)],
    }
}

/// Whether the Go tool would list a finding like this: it lists only layers that are damaged
/// themselves, and only damage.
pub(super) fn is_listed(finding: &Finding) -> bool {
    let is_told_elsewhere = matches!(finding.damage, Damage::ParentDamaged { .. });
    finding.verdict != Verdict::Note && !is_told_elsewhere && !finding.damage.is_leftover()
}

/// Whether a finding stays after a repair: it could not be judged, or is a tar-split file or a
/// record that cannot be rebuilt.
pub(super) fn is_beyond_help(finding: &Finding) -> bool {
    let stays = matches!(
        finding.damage,
        Damage::RecordBeyondHelp { .. }
            | Damage::RecordFileEmpty { .. }
            | Damage::RecordFileMissing { .. }
            | Damage::TarSplit(_)
    );
    finding.verdict == Verdict::Unjudged || (stays && finding.remedy() == Remedy::Nothing)
}

/// The lines about a layer that are also damage of the items above it.
fn causes(report: &CheckReport, layer: &ItemId) -> Vec<String> {
    let of_layer = of_item(report, layer)
        .filter(|cause| is_listed(cause) && !matches!(cause.damage, Damage::Unreferenced));
    of_layer
        .map(|cause| line(&cause.subject, &cause.damage))
        .collect()
}

fn of_item<'r>(report: &'r CheckReport, id: &'r ItemId) -> impl Iterator<Item = &'r Finding> {
    report
        .findings
        .iter()
        .filter(move |finding| finding.subject.item() == Some(id))
}

fn line(subject: &Subject, damage: &Damage) -> String {
    let Some(id) = subject.item() else {
        return chain(damage);
    };
    let read_only = match subject {
        Subject::ReadOnly(_) => "read-only ",
        _ => "",
    };
    let text = match damage {
        // Go names the parent instead of the layer.
        Damage::ParentMissing { parent } => {
            return format!("{read_only}layer {parent}: layer is missing");
        }
        // Go does not name the container.
        Damage::ImageMissing { image } => return format!("image {image}: image missing"),
        damage => text(id.kind(), damage),
    };
    format!("{read_only}{} {id}: {text}", id.kind())
}

fn text(kind: ItemKind, damage: &Damage) -> String {
    match damage {
        Damage::NoRecord => "layer in lower level storage driver not accounted for".to_owned(),
        Damage::Unreferenced => "layer not referenced by any images or containers".to_owned(),
        Damage::Digest { .. } => format!("layer content incorrect digest: {damage}"),
        Damage::Size { expected, actual } => {
            format!("read {actual} bytes instead of {expected} bytes: layer content incorrect size")
        }
        Damage::File { path, change } => file(&path.display().to_string(), change),
        Damage::LayerMissing { layer } | Damage::CopyMissing { layer } => {
            format!("layer {layer}: image layer is missing")
        }
        Damage::ItemMissing { key } => format!("data item {key:?}: {kind} data item is missing"),
        Damage::ItemSize { key, .. } => {
            format!("data item {key:?}: {kind} data item has incorrect size")
        }
        damage => chain(damage),
    }
}

fn file(path: &str, change: &FileChange) -> String {
    const MODIFIED: &str = "layer content modified";
    match change {
        FileChange::Added => format!("+{path}, {MODIFIED}"),
        FileChange::Removed => format!("-{path}, {MODIFIED}"),
        FileChange::Attributes(changes) => {
            let changes: Vec<String> = changes.iter().map(attribute).collect();
            format!("{path}({}), {MODIFIED}", changes.join(","))
        }
        change => format!("file integrity checksum failed: {path} {change}"),
    }
}

fn attribute(change: &AttributeChange) -> String {
    let name = match change.what {
        Attribute::Type => "filetype",
        Attribute::User => "uid",
        Attribute::Group => "gid",
        Attribute::Mode => "mode",
        Attribute::Size => "size",
        Attribute::Modified => "mtime",
        Attribute::Device => "device",
        Attribute::Extended => "xattr",
        _ => "target",
    };
    let value = |text: &str| match (change.what, text.parse::<i64>()) {
        (Attribute::Modified, Ok(seconds)) => format!("{seconds:#x}"),
        _ => text.to_owned(),
    };
    format!(
        "{name}:{}\u{ffeb}{}",
        value(&change.expected),
        value(&change.actual)
    )
}

/// The thing that is or would be removed.
pub(super) fn removable(what: &Removable) -> String {
    match what {
        Removable::Container(id) => format!("container {id}"),
        Removable::Image(id) => format!("image {id}"),
        Removable::Layer(id) => format!("layer {id}"),
        Removable::Contents(id) => format!("storage layer {id}"),
        Removable::Path(path) => path.display().to_string(),
        _ => "something".to_owned(),
    }
}

/// The attempted action.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Rebuild { subject, damage } => {
            let subject = match subject.item() {
                Some(id) => format!("{} {id}", id.kind()),
                None => "store".to_owned(),
            };
            format!("rebuilding {subject}: {damage}")
        }
        Action::SetAside { damage } => format!("setting aside: {damage}"),
        Action::Remove(what) => format!("deleting {}", removable(what)),
        Action::Quarantine { layer, .. } => format!("setting aside layer {layer}"),
        _ => "repairing".to_owned(),
    }
}

/// Lines that Go's repair does not print: the names of the images that were removed, and the place
/// of damaged layers.
pub(super) fn done(report: &CheckReport, repaired: &RepairReport) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Remove(Removable::Image(id)) => {
            let names = report.names.get(&ItemId::Image(id.clone()))?;
            let names = names.join(", ");
            Some(format!(
                "image {id} ({names}) is gone: pull or load it again"
            ))
        }
        Action::Quarantine {
            layer,
            place: Some(place),
        } => Some(format!(
            "the contents of damaged layer {layer} are in {} until `layerhold gc --quarantine`",
            place.display()
        )),
        _ => None,
    };
    repaired.done.iter().filter_map(line).collect()
}
