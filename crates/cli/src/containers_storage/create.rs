//! `create-layer`, `import-layer`, `create-image`, `create-container`.

use std::io::Read;

use layerhold::{ContainerSpec, ImageSpec, LayerSpec};
use layerhold_ids::Digest;

use super::call::Call;
use super::maps;
use super::output::{indented, input, json_text, line, open};
use crate::failure::{Failure, stream};

pub(crate) fn layer(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let spec = layer_spec(call)?;
    let mut transaction = call.store.begin()?;
    let staged = transaction.create_layer(spec)?;
    let id = staged.id().clone();
    transaction.commit()?;
    show_layer(call, id.as_str())
}

pub(crate) fn import(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let source = input(call)?;
    let spec = layer_spec(call)?;
    let mut transaction = call.store.begin()?;
    let staged = transaction.import_layer(spec, source)?;
    let id = staged.id().clone();
    transaction.commit()?;
    show_layer(call, id.as_str())
}

fn layer_spec(call: &Call<'_, '_>) -> Result<LayerSpec, Failure> {
    let flags = call.flags;
    let mut spec = LayerSpec::new()
        .names(flags.list("name").iter().cloned())
        .mount_label(flags.text("label"))
        .id_maps(maps::choice(flags)?);
    if let Some(parent) = call.operands.first().filter(|parent| !parent.is_empty()) {
        let parent = call.store.snapshot()?.layer(parent)?.id().clone();
        spec = spec.parent(parent);
    }
    if !flags.text("id").is_empty() {
        spec = spec.id(flags.text("id").parse().map_err(Failure::value)?);
    }
    if flags.is_on("readonly") {
        spec = spec.read_only();
    }
    Ok(spec)
}

fn show_layer(call: &mut Call<'_, '_>, id: &str) -> Result<u8, Failure> {
    let layer = call.store.snapshot()?.layer(id)?;
    show(call, &layer.record().to_json(), id, layer.names())
}

/// Prints a new item: its record as JSON, or its ID and names.
fn show(call: &mut Call<'_, '_>, record: &[u8], id: &str, names: &[String]) -> Result<u8, Failure> {
    if call.flags.is_on("json") {
        return json_text(call, &String::from_utf8_lossy(record));
    }
    line(call, id)?;
    for name in names {
        indented(call, 1, name)?;
    }
    Ok(0)
}

pub(crate) fn image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let flags = call.flags;
    let mut spec = ImageSpec::new()
        .without_manifest()
        .names(flags.list("name").iter().cloned())
        .metadata(metadata(call)?);
    if let Some(layer) = call.operands.first().filter(|layer| !layer.is_empty()) {
        let layer = call.store.snapshot()?.layer(layer)?.id().clone();
        spec = spec.top_layer(layer);
    }
    if !flags.text("id").is_empty() {
        spec = spec.id(flags.text("id").parse().map_err(Failure::value)?);
    }
    if !flags.text("digest").is_empty() {
        let digest: Digest = flags.text("digest").parse().map_err(Failure::value)?;
        spec = spec.digest(digest);
    }
    let mut transaction = call.store.begin()?;
    let id = transaction.create_image(spec)?;
    transaction.commit()?;
    let image = call.store.snapshot()?.image(id.as_str())?;
    show(call, &image.record().to_json(), id.as_str(), image.names())
}

pub(crate) fn container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let flags = call.flags;
    let mut spec = ContainerSpec::new()
        .names(flags.list("name").iter().cloned())
        .metadata(metadata(call)?)
        .id_maps(maps::choice(flags)?);
    if let Some(image) = call.operands.first().filter(|image| !image.is_empty()) {
        let image = call.store.snapshot()?.image(image)?.id().clone();
        spec = spec.image(image);
    }
    if !flags.text("id").is_empty() {
        spec = spec.id(flags.text("id").parse().map_err(Failure::value)?);
    }
    if flags.is_on("volatile") {
        spec = spec.volatile();
    }
    let mut transaction = call.store.begin()?;
    let id = transaction.create_container(spec)?.id().clone();
    transaction.commit()?;
    let container = call.store.snapshot()?.container(id.as_str())?;
    show(
        call,
        &container.record().to_json(),
        id.as_str(),
        container.names(),
    )
}

/// The text of `--metadata`, or the content of the file that `--metadata-file` names.
pub(crate) fn metadata(call: &Call<'_, '_>) -> Result<String, Failure> {
    match call.flags.text("metadata-file") {
        "" => Ok(call.flags.text("metadata").to_owned()),
        path => {
            let mut bytes = Vec::new();
            open(path)?.read_to_end(&mut bytes).map_err(stream)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}
