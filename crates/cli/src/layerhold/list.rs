//! `layerhold images`, `layers` and `containers`.

use std::collections::HashMap;

use layerhold::{ItemKind, Snapshot};
use layerhold_ids::LayerId;
use layerhold_schema::Timestamp;
use serde_json::json;

use super::args::List;
use super::call::Call;
use super::table::{Align, lay_out};
use super::units::{age, short, size};
use crate::damage::left_out;
use crate::failure::{Failure, stream};

pub(super) fn print(
    call: &mut Call<'_, '_>,
    columns: &[(&str, Align)],
    rows: &[Vec<String>],
) -> Result<(), Failure> {
    let text = lay_out(columns, rows);
    call.streams.lines(&text).map_err(stream)
}

/// How long ago something was created; empty for images without a date.
pub(super) fn created(time: Timestamp) -> String {
    if time.is_zero() {
        return String::new();
    }
    age(Timestamp::now()
        .unix_seconds()
        .saturating_sub(time.unix_seconds()))
}

/// Reports damaged records after the list.
fn tell_damage(
    call: &mut Call<'_, '_>,
    snapshot: &Snapshot,
    kind: ItemKind,
) -> Result<(), Failure> {
    for text in left_out(snapshot, kind) {
        call.note(format_args!("layerhold: {text}"))?;
    }
    Ok(())
}

fn id(full: &str, list: &List) -> String {
    if list.no_trunc { full } else { short(full) }.to_owned()
}

pub(super) fn images(call: &mut Call<'_, '_>, list: &List) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let mut rows = Vec::new();
    let mut items = Vec::new();
    let mut sizes = call.store.image_sizes(&snapshot);
    for image in snapshot.images() {
        let bytes = sizes.of(&image).ok();
        if call.is_json() {
            items.push(json!({
                "id": image.id().as_str(),
                "names": image.names(),
                "digests": image.digests().iter().map(ToString::to_string).collect::<Vec<_>>(),
                "topLayer": image.top_layer().map(|layer| layer.as_str()),
                "created": image.created().to_string(),
                "size": bytes,
            }));
            continue;
        }
        let names: &[String] = image.names();
        let unnamed = ["<none>".to_owned()];
        let names = if names.is_empty() { &unnamed } else { names };
        for name in names {
            rows.push(vec![
                name.clone(),
                id(image.id().as_str(), list),
                created(image.created()),
                bytes.map(size).unwrap_or_default(),
            ]);
        }
    }
    tell_damage(call, &snapshot, ItemKind::Image)?;
    if call.is_json() {
        return call.json(&json!(items));
    }
    let columns = [
        ("NAME", Align::Left),
        ("ID", Align::Left),
        ("CREATED", Align::Left),
        ("SIZE", Align::Right),
    ];
    print(call, &columns, &rows)
}

pub(super) fn layers(call: &mut Call<'_, '_>, list: &List) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let mounts: HashMap<LayerId, u32> = call
        .store
        .mounts()?
        .into_iter()
        .map(|mount| (mount.layer, mount.count))
        .collect();
    let mut rows = Vec::new();
    let mut items = Vec::new();
    for layer in snapshot.layers() {
        let mounted = mounts.get(layer.id()).copied().unwrap_or(0);
        if call.is_json() {
            items.push(json!({
                "id": layer.id().as_str(),
                "names": layer.names(),
                "parent": layer.parent().map(|parent| parent.as_str()),
                "created": layer.created().to_string(),
                "diffDigest": layer.diff_id().map(|digest| digest.to_string()),
                "diffSize": layer.diff_size(),
                "compressedDigest": layer.compressed_digest().map(|digest| digest.to_string()),
                "compressedSize": layer.compressed_size(),
                "mounted": mounted,
            }));
            continue;
        }
        rows.push(vec![
            id(layer.id().as_str(), list),
            layer
                .parent()
                .map(|parent| id(parent.as_str(), list))
                .unwrap_or_default(),
            created(layer.created()),
            layer.diff_size().map(size).unwrap_or_default(),
            if mounted > 0 {
                mounted.to_string()
            } else {
                String::new()
            },
            layer.names().join(", "),
        ]);
    }
    tell_damage(call, &snapshot, ItemKind::Layer)?;
    if call.is_json() {
        return call.json(&json!(items));
    }
    let columns = [
        ("ID", Align::Left),
        ("PARENT", Align::Left),
        ("CREATED", Align::Left),
        ("SIZE", Align::Right),
        ("MOUNTED", Align::Right),
        ("NAMES", Align::Left),
    ];
    print(call, &columns, &rows)
}

pub(super) fn containers(call: &mut Call<'_, '_>, list: &List) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let mut rows = Vec::new();
    let mut items = Vec::new();
    for container in snapshot.containers() {
        let image = container
            .image()
            .and_then(|image| snapshot.image_by_id(image).ok().flatten());
        let image_name = image
            .as_ref()
            .and_then(|image| image.names().first().cloned());
        if call.is_json() {
            items.push(json!({
                "id": container.id().as_str(),
                "names": container.names(),
                "image": container.image().map(|image| image.as_str()),
                "imageName": image_name,
                "layer": container.layer().as_str(),
                "created": container.created().to_string(),
            }));
            continue;
        }
        let image_id = container.image().map(|image| id(image.as_str(), list));
        rows.push(vec![
            id(container.id().as_str(), list),
            image_name.or(image_id).unwrap_or_default(),
            id(container.layer().as_str(), list),
            created(container.created()),
            container.names().join(", "),
        ]);
    }
    tell_damage(call, &snapshot, ItemKind::Container)?;
    if call.is_json() {
        return call.json(&json!(items));
    }
    let columns = [
        ("ID", Align::Left),
        ("IMAGE", Align::Left),
        ("LAYER", Align::Left),
        ("CREATED", Align::Left),
        ("NAMES", Align::Left),
    ];
    print(call, &columns, &rows)
}
