//! `layerhold tree`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use layerhold::{Item, Layer, Snapshot};
use layerhold_ids::LayerId;
use serde_json::{Value, json};

use super::args::Tree;
use super::call::Call;
use super::find::find;
use super::units::{short, size};
use crate::failure::Failure;
use crate::tree::{Node, draw};

/// Whether all operands were found; missing ones have been reported.
type Outcome = Result<(), Failure>;

pub(super) fn run(call: &mut Call<'_, '_>, args: &Tree) -> Result<(), Failure> {
    let snapshot = call.store.snapshot()?;
    let (layers, outcome) = chosen(call, &snapshot, args)?;
    let sizes = Sizes::of(call, &layers);
    if call.is_json() {
        let tree = as_json(&snapshot, &layers, &sizes);
        call.json(&tree)?;
        return outcome;
    }
    let users = users(&snapshot);
    let nodes: Vec<Node> = layers
        .iter()
        .map(|layer| {
            let mut notes: Vec<String> = layer.names().to_vec();
            notes.extend(users.get(layer.id()).into_iter().flatten().cloned());
            Node {
                parent: layer
                    .parent()
                    .map_or_else(String::new, |parent| parent.as_str().to_owned()),
                name: layer.id().as_str().to_owned(),
                label: sizes.label(layer),
                notes,
            }
        })
        .collect();
    for drawn in draw(&nodes) {
        call.line(drawn)?;
    }
    outcome
}

/// The layers to show, in the order of the store: all, or those of the operands.
fn chosen(
    call: &mut Call<'_, '_>,
    snapshot: &Snapshot,
    args: &Tree,
) -> Result<(Vec<Arc<Layer>>, Outcome), Failure> {
    if args.items.is_empty() {
        return Ok((snapshot.layers().collect(), Ok(())));
    }
    let mut wanted = HashSet::new();
    let mut outcome = Ok(());
    for text in &args.items {
        let chains = find(snapshot, text).and_then(|item| chains(snapshot, &item));
        match chains {
            Ok(chains) => wanted.extend(chains),
            Err(error) => {
                outcome = Err(Failure::Reported);
                call.complain(text, error)?;
            }
        }
    }
    let layers = snapshot.layers();
    let layers = layers.filter(|layer| wanted.contains(layer.id()));
    Ok((layers.collect(), outcome))
}

/// A layer and its ancestors.
fn chains(snapshot: &Snapshot, item: &Item) -> Result<Vec<LayerId>, layerhold::LookupError> {
    let tops: Vec<&LayerId> = match item {
        Item::Layer(layer) => vec![layer.id()],
        Item::Image(image) => image
            .top_layer()
            .into_iter()
            .chain(image.mapped_layers())
            .collect(),
        Item::Container(container) => vec![container.layer()],
    };
    let mut chains = Vec::new();
    for top in tops {
        let chain = snapshot.layer_chain(top)?;
        chains.extend(chain.iter().map(|layer| layer.id().clone()));
    }
    Ok(chains)
}

/// The size of each layer, alone and with its ancestors.
struct Sizes(HashMap<LayerId, (u64, u64)>);

impl Sizes {
    /// Layers of unknown size are left out.
    fn of(call: &Call<'_, '_>, layers: &[Arc<Layer>]) -> Self {
        let report = call.store.usage().unwrap_or_default();
        let own: HashMap<&LayerId, u64> = report
            .layers
            .iter()
            .map(|usage| (&usage.id, usage.own.bytes))
            .collect();
        let parents: HashMap<&LayerId, Option<&LayerId>> = layers
            .iter()
            .map(|layer| (layer.id(), layer.parent()))
            .collect();
        let mut sums: HashMap<&LayerId, u64> = HashMap::with_capacity(own.len());
        for layer in layers {
            sum_up(&mut sums, layer.id(), &own, &parents);
        }
        let size = |layer: &Arc<Layer>| {
            let (own, sum) = (own.get(layer.id())?, sums.get(layer.id())?);
            Some((layer.id().clone(), (*own, *sum)))
        };
        Self(layers.iter().filter_map(size).collect())
    }

    fn label(&self, layer: &Layer) -> String {
        let id = short(layer.id().as_str());
        match (self.0.get(layer.id()), layer.parent()) {
            (None, _) => id.to_owned(),
            (Some((own, _)), None) => format!("{id}  {}", size(*own)),
            (Some((own, sum)), Some(_)) => {
                format!("{id}  {}, {} with its parents", size(*own), size(*sum))
            }
        }
    }
}

/// Adds the sizes of a layer and its ancestors, from the first one that has no sum yet. Layers of
/// unknown size, and those that are not shown, count nothing.
fn sum_up<'l>(
    sums: &mut HashMap<&'l LayerId, u64>,
    top: &'l LayerId,
    own: &HashMap<&LayerId, u64>,
    parents: &HashMap<&'l LayerId, Option<&'l LayerId>>,
) {
    let mut chain = Vec::new();
    let mut next = Some(top);
    while let Some(id) = next.filter(|id| !sums.contains_key(*id)) {
        // This also ends chains of damaged records that name each other.
        sums.insert(id, 0);
        chain.push(id);
        next = parents.get(id).copied().flatten();
    }
    let mut sum = next.and_then(|id| sums.get(id)).copied().unwrap_or(0);
    for id in chain.into_iter().rev() {
        sum = sum.saturating_add(own.get(id).copied().unwrap_or(0));
        sums.insert(id, sum);
    }
}

/// What uses each layer: images and containers, as text.
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

fn as_json(snapshot: &Snapshot, layers: &[Arc<Layer>], sizes: &Sizes) -> Value {
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| {
            let images: Vec<_> = snapshot
                .images_by_top_layer(layer.id())
                .iter()
                .map(|image| image.id().as_str().to_owned())
                .collect();
            let container = snapshot.container_by_layer(layer.id());
            let size = sizes.0.get(layer.id());
            json!({
                "id": layer.id().as_str(),
                "parent": layer.parent().map(|parent| parent.as_str()),
                "size": layer.diff_size(),
                "own": size.map(|(own, _)| *own),
                "withParents": size.map(|(_, sum)| *sum),
                "images": images,
                "container": container.map(|container| container.id().as_str().to_owned()),
            })
        })
        .collect();
    json!(layers)
}
