//! `layerhold tree`.

use std::collections::HashMap;

use layerhold::Snapshot;
use layerhold_ids::LayerId;
use serde_json::{Value, json};

use super::Call;
use super::units::{short, size};
use crate::dropin::{Node, draw};
use crate::failure::{Failure, stream};

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    if call.is_json() {
        let tree = as_json(&snapshot);
        return call.json(&tree);
    }
    let users = users(&snapshot);
    let nodes: Vec<Node> = snapshot
        .layers()
        .map(|layer| {
            let mut name = short(layer.id().as_str()).to_owned();
            if let Some(bytes) = layer.diff_size() {
                name.push_str(&format!("  {}", size(bytes)));
            }
            let mut notes: Vec<String> = layer.names().to_vec();
            notes.extend(users.get(layer.id()).into_iter().flatten().cloned());
            Node {
                parent: layer
                    .parent()
                    .map_or_else(String::new, |parent| parent.as_str().to_owned()),
                name: layer.id().as_str().to_owned(),
                label: name,
                notes,
            }
        })
        .collect();
    call.streams
        .out
        .write_all(draw(&nodes).as_bytes())
        .map_err(stream)
}

/// What stands on each layer, in words.
fn users(snapshot: &Snapshot) -> HashMap<LayerId, Vec<String>> {
    let mut users: HashMap<LayerId, Vec<String>> = HashMap::new();
    let titled = |kind: &str, id: &str, names: &[String]| {
        let names = names.join(", ");
        format!("{kind} {} {names}", short(id))
            .trim_end()
            .to_owned()
    };
    for image in snapshot.images() {
        if let Some(top) = image.top_layer() {
            users.entry(top.clone()).or_default().push(titled(
                "image",
                image.id().as_str(),
                image.names(),
            ));
        }
    }
    for container in snapshot.containers() {
        users
            .entry(container.layer().clone())
            .or_default()
            .push(titled(
                "container",
                container.id().as_str(),
                container.names(),
            ));
    }
    users
}

fn as_json(snapshot: &Snapshot) -> Value {
    let layers: Vec<Value> = snapshot
        .layers()
        .map(|layer| {
            let images: Vec<_> = snapshot
                .images_by_top_layer(layer.id())
                .iter()
                .map(|image| image.id().as_str().to_owned())
                .collect();
            let container = snapshot.container_by_layer(layer.id());
            json!({
                "id": layer.id().as_str(),
                "parent": layer.parent().map(|parent| parent.as_str()),
                "size": layer.diff_size(),
                "images": images,
                "container": container.map(|container| container.id().as_str().to_owned()),
            })
        })
        .collect();
    json!(layers)
}
