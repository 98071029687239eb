//! `layers`, `images`, `containers`, `images-by-digest`, `storage-layers`.

use std::collections::HashMap;
use std::sync::Arc;

use layerhold::{Container, Image, ItemKind, Layer, Snapshot};
use layerhold_ids::{Digest, LayerId};

use super::call::Call;
use super::output::{indented, json, json_records, json_records_or_null, line, note};
use crate::damage::left_out;
use crate::failure::Failure;
use crate::tree::{Node, draw};

/// Reports damaged records after the list. The Go tool fails; the other records are useful all the
/// same.
fn tell_damage(
    call: &mut Call<'_, '_>,
    snapshot: &Snapshot,
    kind: ItemKind,
) -> Result<(), Failure> {
    for text in left_out(snapshot, kind) {
        note(call, text)?;
    }
    Ok(())
}

pub(crate) fn layers(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let code = list_layers(call, &snapshot)?;
    tell_damage(call, &snapshot, ItemKind::Layer)?;
    Ok(code)
}

fn list_layers(call: &mut Call<'_, '_>, snapshot: &Snapshot) -> Result<u8, Failure> {
    if call.flags.is_on("json") {
        let records = snapshot.layers().map(|layer| layer.record().to_json());
        return json_records_or_null(call, records);
    }
    if call.flags.is_on("quick") && !call.flags.is_on("tree") {
        for layer in snapshot.layers() {
            line(call, layer.id())?;
        }
        return Ok(0);
    }
    let users = Users::of(snapshot);
    if call.flags.is_on("tree") {
        return tree(call, snapshot, &users);
    }
    for layer in snapshot.layers() {
        line(call, layer.id())?;
        for name in layer.names() {
            indented(call, 1, format_args!("name: {name}"))?;
        }
        for image in users.images(layer.id()) {
            indented(call, 1, format_args!("image: {}", image.id()))?;
            for name in image.names() {
                indented(call, 2, format_args!("name: {name}"))?;
            }
        }
        if let Some(container) = users.container(layer.id()) {
            indented(call, 1, format_args!("container: {}", container.id()))?;
            for name in container.names() {
                indented(call, 2, format_args!("name: {name}"))?;
            }
        }
    }
    Ok(0)
}

fn tree(call: &mut Call<'_, '_>, snapshot: &Snapshot, users: &Users) -> Result<u8, Failure> {
    let mounts: HashMap<LayerId, std::path::PathBuf> = call
        .store
        .mounts()?
        .into_iter()
        .map(|mount| (mount.layer, mount.path))
        .collect();
    let nodes: Vec<Node> = snapshot
        .layers()
        .map(|layer| Node {
            parent: layer
                .parent()
                .map_or_else(|| "(base)".to_owned(), ToString::to_string),
            name: layer.id().to_string(),
            label: layer.id().to_string(),
            notes: notes(&layer, users, mounts.get(layer.id())),
        })
        .collect();
    for drawn in draw(&nodes) {
        line(call, drawn)?;
    }
    Ok(0)
}

fn notes(layer: &Layer, users: &Users, mount: Option<&std::path::PathBuf>) -> Vec<String> {
    let mut notes: Vec<String> = layer
        .names()
        .iter()
        .map(|name| format!("name: {name}"))
        .collect();
    notes.extend(mount.map(|path| format!("mount: {}", path.display())));
    for image in users.images(layer.id()) {
        notes.push(format!("image: {}", image.id()));
        notes.extend(image.names().iter().map(|n| format!("image name: {n}")));
    }
    if let Some(container) = users.container(layer.id()) {
        notes.push(format!("container: {}", container.id()));
        notes.extend(
            container
                .names()
                .iter()
                .map(|n| format!("container name: {n}")),
        );
    }
    notes
}

/// The images and containers that use each layer.
struct Users {
    images: HashMap<LayerId, Vec<Arc<Image>>>,
    containers: HashMap<LayerId, Arc<Container>>,
}

impl Users {
    fn of(snapshot: &Snapshot) -> Self {
        let mut images: HashMap<LayerId, Vec<Arc<Image>>> = HashMap::new();
        for image in snapshot.images() {
            let tops: Vec<LayerId> = image
                .top_layer()
                .into_iter()
                .chain(image.mapped_layers())
                .cloned()
                .collect();
            for top in tops {
                images.entry(top).or_default().push(Arc::clone(&image));
            }
        }
        let containers = snapshot
            .containers()
            .map(|container| (container.layer().clone(), container))
            .collect();
        Users { images, containers }
    }

    fn images(&self, layer: &LayerId) -> &[Arc<Image>] {
        self.images.get(layer).map_or(&[], Vec::as_slice)
    }

    fn container(&self, layer: &LayerId) -> Option<&Arc<Container>> {
        self.containers.get(layer)
    }
}

pub(crate) fn images(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let images: Vec<Arc<Image>> = snapshot.images().collect();
    tell_damage(call, &snapshot, ItemKind::Image)?;
    if call.flags.is_on("json") {
        let records = images.iter().map(|image| image.record().to_json());
        return json_records_or_null(call, records);
    }
    show_images(call, &images)
}

pub(crate) fn images_by_digest(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let mut images = Vec::new();
    for operand in call.operands {
        let digest: Digest = operand.parse().map_err(go_digest_error)?;
        images.extend(snapshot.images_by_digest(&digest));
    }
    show_images(call, &images)
}

/// Go's texts do not repeat the digest.
fn go_digest_error(error: layerhold_ids::DigestError) -> Failure {
    match error {
        layerhold_ids::DigestError::Unsupported { .. } => {
            Failure::Flags("unsupported digest algorithm")
        }
        layerhold_ids::DigestError::Length { .. } => {
            Failure::Flags("invalid checksum digest length")
        }
        _ => Failure::Flags("invalid checksum digest format"),
    }
}

fn show_images(call: &mut Call<'_, '_>, images: &[Arc<Image>]) -> Result<u8, Failure> {
    if call.flags.is_on("json") {
        return json_records(call, images.iter().map(|image| image.record().to_json()));
    }
    for image in images {
        line(call, image.id())?;
        if call.flags.is_on("quiet") {
            continue;
        }
        for name in image.names() {
            indented(call, 1, format_args!("name: {name}"))?;
        }
        for digest in image.digests() {
            indented(call, 1, format_args!("digest: {digest}"))?;
        }
        for name in image.big_data_names() {
            indented(call, 1, format_args!("data: {name}"))?;
        }
    }
    Ok(0)
}

pub(crate) fn containers(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let snapshot = call.store.snapshot()?;
    let containers: Vec<Arc<Container>> = snapshot.containers().collect();
    tell_damage(call, &snapshot, ItemKind::Container)?;
    if call.flags.is_on("json") {
        return json_records(call, containers.iter().map(|c| c.record().to_json()));
    }
    for container in containers {
        line(call, container.id())?;
        for name in container.names() {
            indented(call, 1, format_args!("name: {name}"))?;
        }
        for name in container.big_data_names() {
            indented(call, 1, format_args!("data: {name}"))?;
        }
    }
    Ok(0)
}

pub(crate) fn storage_layers(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let layers: Vec<String> = call
        .store
        .driver()
        .list()
        .map_err(Failure::value)?
        .unwrap_or_default()
        .into_iter()
        .map(|id| id.to_string())
        .collect();
    if call.flags.is_on("json") {
        return json(call, &layers);
    }
    for layer in layers {
        line(call, layer)?;
    }
    Ok(0)
}
