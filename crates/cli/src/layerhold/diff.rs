//! `layerhold diff`.

use std::os::unix::ffi::OsStrExt;

use layerhold::{Change, ChangeKind, DiffCompression, Item, Key, Snapshot};
use layerhold_archive::Codec;
use layerhold_ids::LayerId;
use serde_json::{Value, json};

use super::archive_output::ArchiveOutput;
use super::args::Diff;
use super::call::Call;
use super::find::find;
use crate::failure::Failure;
use crate::streams::shown;

pub(super) fn run(call: &mut Call<'_, '_>, args: Diff) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let to = layer_of(&snapshot, &args.item)?;
    let from = match &args.from {
        Some(from) => Some(layer_of(&snapshot, from)?),
        None => None,
    };
    let from = from.as_ref().map(LayerId::as_str);
    if args.tar {
        return write_tar(call, from, to.as_str(), args.output);
    }
    let changes = call.store.changes(from.map(Key::from), to.as_str())?;
    if call.is_json() {
        let items: Vec<_> = changes.iter().map(as_json).collect();
        return call.json(&json!(items));
    }
    for change in &changes {
        let letter = match change.kind {
            ChangeKind::Add => 'A',
            ChangeKind::Modify => 'C',
            ChangeKind::Delete => 'D',
        };
        call.line(format_args!("{letter} {}", shown(&change.path)))?;
    }
    Ok(())
}

/// A change. JSON has no bytes: a path that is not UTF-8 is repeated in hexadecimal digits.
fn as_json(change: &Change) -> Value {
    let kind = word(change.kind);
    if let Some(path) = change.path.to_str() {
        return json!({ "path": path, "kind": kind });
    }
    let bytes = change.path.as_os_str().as_bytes();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "path": change.path.to_string_lossy(), "kind": kind, "pathHex": digits })
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Add => "add",
        ChangeKind::Modify => "modify",
        ChangeKind::Delete => "delete",
    }
}

/// The layer with the changes of an item.
fn layer_of(snapshot: &Snapshot, text: &str) -> Result<LayerId, Failure> {
    match find(snapshot, text)? {
        Item::Image(image) => image.top_layer().cloned().ok_or(Failure::Flags(
            "cannot list the changes of an image without layers",
        )),
        Item::Container(container) => Ok(container.layer().clone()),
        Item::Layer(layer) => Ok(layer.id().clone()),
    }
}

fn write_tar(
    call: &mut Call<'_, '_>,
    from: Option<&str>,
    to: &str,
    output: Option<std::path::PathBuf>,
) -> Result<(), Failure> {
    let output = ArchiveOutput::new(call, output)?;
    let compression = DiffCompression::As(Codec::Plain);
    let mut reader = call.store.diff(from.map(Key::from), to, compression)?;
    output.write(call, &mut reader)
}
