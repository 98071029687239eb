//! `exists`, `layer`, `image`, `container`.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use layerhold::{Container, DiffError, Image, Layer};

use super::call::Call;
use super::messages::{about, text as message};
use super::output::{code, json, json_records, line};
use crate::failure::Failure;

pub(crate) fn exists(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let flags = call.flags;
    let wants_kind = ["container", "image", "layer"]
        .iter()
        .any(|kind| flags.is_on(kind));
    let mut found: Vec<(&str, bool)> = Vec::new();
    let mut asked = HashSet::new();
    for operand in call.operands {
        let key = operand.as_str();
        if !asked.insert(key) {
            continue;
        }
        // Without a kind, the store reads as few files as necessary.
        let mut exists = call.store.exists(key)?;
        if exists && wants_kind {
            let snapshot = call.store.snapshot()?;
            exists &= !flags.is_on("container") || snapshot.container(key).is_ok();
            exists &= !flags.is_on("image") || snapshot.image(key).is_ok();
            exists &= !flags.is_on("layer") || snapshot.layer(key).is_ok();
        }
        found.push((key, exists));
    }
    if call.flags.is_on("json") {
        json(call, &BTreeMap::from_iter(found.iter().copied()))?;
    } else if !call.flags.is_on("quiet") {
        for (operand, exists) in &found {
            line(call, format_args!("{operand}: {exists}"))?;
        }
    }
    Ok(code(found.iter().any(|(_, exists)| !exists)))
}

/// Looks all operands up, reports missing ones, and returns the others.
fn matches<T>(
    call: &mut Call<'_, '_>,
    look_up: impl Fn(&str) -> Result<Arc<T>, layerhold::LookupError>,
) -> Result<(Vec<Arc<T>>, u8), Failure> {
    let mut found = Vec::new();
    for operand in call.operands {
        match look_up(operand) {
            Ok(item) => found.push(item),
            // The Go tool fails here without a message.
            Err(error) => {
                let text = about(operand, error);
                super::output::note(call, format_args!("{operand}: {text}"))?;
            }
        }
    }
    let some_missing = found.len() != call.operands.len();
    Ok((found, code(some_missing)))
}

pub(crate) fn layer(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let (layers, code) = matches(call, |key| snapshot.layer(key))?;
    if call.flags.is_on("json") {
        json_records(call, layers.iter().map(|layer| layer.record().to_json()))?;
        return Ok(code);
    }
    for layer in &layers {
        show_layer(call, layer)?;
        show_read_only(call, snapshot.additional_store_of_layer(layer.id()))?;
    }
    Ok(code)
}

fn show_layer(call: &mut Call<'_, '_>, layer: &Layer) -> Result<(), Failure> {
    line(call, format_args!("ID: {}", layer.id()))?;
    let maps = layer.id_maps();
    for (kind, map) in [("UID", &maps.uids), ("GID", &maps.gids)] {
        for range in map.ranges() {
            line(
                call,
                format_args!(
                    "{kind} mapping: (container={}, host={}, size={})",
                    range.container, range.host, range.size
                ),
            )?;
        }
    }
    if let Some(parent) = layer.parent() {
        line(call, format_args!("Parent: {parent}"))?;
    }
    for name in layer.names() {
        line(call, format_args!("Name: {name}"))?;
    }
    Ok(())
}

/// Marks an item of an additional store as read-only.
fn show_read_only(call: &mut Call<'_, '_>, store: Option<&Path>) -> Result<(), Failure> {
    match store {
        Some(_) => line(call, "Read Only: true"),
        None => Ok(()),
    }
}

pub(crate) fn image(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let (images, code) = matches(call, |key| snapshot.image(key))?;
    if call.flags.is_on("json") {
        json_records(call, images.iter().map(|image| image.record().to_json()))?;
        return Ok(code);
    }
    for image in &images {
        show_image(call, image)?;
        show_read_only(call, snapshot.additional_store_of_image(image.id()))?;
    }
    Ok(code)
}

fn show_image(call: &mut Call<'_, '_>, image: &Image) -> Result<(), Failure> {
    line(call, format_args!("ID: {}", image.id()))?;
    for name in image.names() {
        line(call, format_args!("Name: {name}"))?;
    }
    let top = image.top_layer().map_or("", |layer| layer.as_str());
    line(call, format_args!("Top Layer: {top}"))?;
    for layer in image.mapped_layers() {
        line(call, format_args!("Top Layer: {layer}"))?;
    }
    for digest in image.digests() {
        line(call, format_args!("Digest: {digest}"))?;
    }
    for name in image.big_data_names() {
        line(call, format_args!("Data: {name}"))?;
    }
    let size = call.store.image_size(image.id());
    show_size(call, size)
}

pub(crate) fn container(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let (containers, code) = matches(call, |key| snapshot.container(key))?;
    if call.flags.is_on("json") {
        json_records(call, containers.iter().map(|c| c.record().to_json()))?;
        return Ok(code);
    }
    for container in &containers {
        let names = container
            .image()
            .and_then(|id| snapshot.image_by_id(id).ok().flatten())
            .map(|image| image.names().to_vec())
            .unwrap_or_default();
        show_container(call, container, &names)?;
    }
    Ok(code)
}

fn show_container(
    call: &mut Call<'_, '_>,
    container: &Container,
    image_names: &[String],
) -> Result<(), Failure> {
    line(call, format_args!("ID: {}", container.id()))?;
    for name in container.names() {
        line(call, format_args!("Name: {name}"))?;
    }
    let image = container.image().map_or("", |image| image.as_str());
    line(call, format_args!("Image: {image}"))?;
    for name in image_names {
        line(call, format_args!("Image name: {name}"))?;
    }
    let size = call.store.container_size(container.id());
    show_size(call, size)?;
    line(call, format_args!("Layer: {}", container.layer()))?;
    for name in container.big_data_names() {
        line(call, format_args!("Data: {name}"))?;
    }
    Ok(())
}

fn show_size(
    call: &mut Call<'_, '_>,
    size: Result<impl Display, DiffError>,
) -> Result<(), Failure> {
    match size {
        Ok(size) => line(call, format_args!("Size: {size}")),
        Err(error) => {
            let text = message(error);
            line(call, format_args!("Size unknown: {text}"))
        }
    }
}
