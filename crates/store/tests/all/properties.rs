//! Tests sequences of operations on two handles against a model in memory.

use std::collections::BTreeMap;

use layerhold::{ContainerSpec, DeleteMode, ErrorKind, ImageSpec, LayerSpec, Store};
use proptest::prelude::*;

use crate::support::{Place, reader, small_tar};

/// An operation. Names are from a small alphabet, so that they collide.
#[derive(Debug, Clone)]
enum Op {
    Import { name: u8, parent: Option<u8> },
    Image { name: u8, layer: u8, moves: bool },
    Container { name: u8, image: u8 },
    AddName { image: u8, name: u8 },
    DeleteLayer(u8),
    DeleteImage(u8),
    DeleteContainer(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..4u8;
    prop_oneof![
        3 => (name.clone(), prop::option::of(name.clone())).prop_map(|(name, parent)| Op::Import { name, parent }),
        3 => (name.clone(), name.clone(), any::<bool>()).prop_map(|(name, layer, moves)| Op::Image { name, layer, moves }),
        2 => (name.clone(), name.clone()).prop_map(|(name, image)| Op::Container { name, image }),
        1 => (name.clone(), name.clone()).prop_map(|(image, name)| Op::AddName { image, name }),
        1 => name.clone().prop_map(Op::DeleteLayer),
        1 => name.clone().prop_map(Op::DeleteImage),
        1 => name.prop_map(Op::DeleteContainer),
    ]
}

/// The model: all items by number, in the order of creation.
#[derive(Debug, Default)]
struct Model {
    next: usize,
    /// Name, if any, and parent.
    layers: BTreeMap<usize, (Option<u8>, Option<usize>)>,
    /// Names and top layer.
    images: BTreeMap<usize, (Vec<u8>, usize)>,
    /// Name, image and layer.
    containers: BTreeMap<usize, (u8, usize, usize)>,
}

type Outcome = Result<(), ErrorKind>;

impl Model {
    fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn layer(&self, name: u8) -> Option<usize> {
        self.layers
            .iter()
            .find(|(_, layer)| layer.0 == Some(name))
            .map(|(id, _)| *id)
    }

    fn image(&self, name: u8) -> Option<usize> {
        self.images
            .iter()
            .find(|(_, image)| image.0.contains(&name))
            .map(|(id, _)| *id)
    }

    fn container(&self, name: u8) -> Option<usize> {
        self.containers
            .iter()
            .find(|(_, container)| container.0 == name)
            .map(|(id, _)| *id)
    }

    fn has_children(&self, layer: usize) -> bool {
        self.layers
            .values()
            .any(|(_, parent)| *parent == Some(layer))
    }

    fn apply(&mut self, op: &Op) -> Outcome {
        match *op {
            Op::Import { name, parent } => {
                if self.layer(name).is_some() {
                    return Err(ErrorKind::DuplicateName);
                }
                let parent = match parent {
                    Some(parent) => Some(self.layer(parent).ok_or(ErrorKind::LayerUnknown)?),
                    None => None,
                };
                let id = self.fresh();
                self.layers.insert(id, (Some(name), parent));
            }
            Op::Image { name, layer, moves } => {
                let layer = self.layer(layer).ok_or(ErrorKind::LayerUnknown)?;
                if let Some(holder) = self.image(name) {
                    if !moves {
                        return Err(ErrorKind::DuplicateName);
                    }
                    self.images
                        .entry(holder)
                        .and_modify(|image| image.0.retain(|held| *held != name));
                }
                let id = self.fresh();
                self.images.insert(id, (vec![name], layer));
            }
            Op::Container { name, image } => {
                let image = self.image(image).ok_or(ErrorKind::ImageUnknown)?;
                if self.container(name).is_some() {
                    return Err(ErrorKind::DuplicateName);
                }
                let top = self.images[&image].1;
                let (layer, id) = (self.fresh(), self.fresh());
                self.layers.insert(layer, (None, Some(top)));
                self.containers.insert(id, (name, image, layer));
            }
            Op::AddName { image, name } => {
                let image = self.image(image).ok_or(ErrorKind::ImageUnknown)?;
                for (_, (names, _)) in self.images.iter_mut().filter(|(id, _)| **id != image) {
                    names.retain(|held| *held != name);
                }
                self.images.entry(image).and_modify(|found| {
                    found.0.retain(|held| *held != name);
                    found.0.insert(0, name);
                });
            }
            Op::DeleteLayer(name) => {
                let layer = self.layer(name).ok_or(ErrorKind::NotALayer)?;
                if self.has_children(layer) {
                    return Err(ErrorKind::LayerHasChildren);
                }
                if self.images.values().any(|image| image.1 == layer) {
                    return Err(ErrorKind::LayerUsedByImage);
                }
                self.layers.remove(&layer);
            }
            Op::DeleteImage(name) => {
                let image = self.image(name).ok_or(ErrorKind::NotAnImage)?;
                if self
                    .containers
                    .values()
                    .any(|container| container.1 == image)
                {
                    return Err(ErrorKind::ImageUsedByContainer);
                }
                let (_, top) = self.images.remove(&image).unwrap_or_default();
                let mut next = Some(top);
                while let Some(layer) = next {
                    let used = self.has_children(layer)
                        || self.images.values().any(|image| image.1 == layer);
                    next = if used {
                        None
                    } else {
                        self.layers.remove(&layer).and_then(|(_, parent)| parent)
                    };
                }
            }
            Op::DeleteContainer(name) => {
                let id = self.container(name).ok_or(ErrorKind::NotAContainer)?;
                if let Some((_, _, layer)) = self.containers.remove(&id) {
                    self.layers.remove(&layer);
                }
            }
        }
        Ok(())
    }

    /// The expected contents: names of layers, names of images with the name of their top layer,
    /// names of containers.
    fn shape(&self) -> Shape {
        let layer_name = |layer: usize| self.layers.get(&layer).and_then(|layer| layer.0);
        let mut shape = Shape {
            layers: self
                .layers
                .values()
                .map(|(name, parent)| (*name, parent.and_then(layer_name)))
                .collect(),
            images: self
                .images
                .values()
                .map(|(names, top)| (names.clone(), layer_name(*top)))
                .collect(),
            containers: self
                .containers
                .values()
                .map(|container| container.0)
                .collect(),
        };
        shape.layers.sort();
        shape.images.sort();
        shape.containers.sort_unstable();
        shape
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Shape {
    layers: Vec<(Option<u8>, Option<u8>)>,
    images: Vec<(Vec<u8>, Option<u8>)>,
    containers: Vec<u8>,
}

fn text(name: u8) -> String {
    format!("name-{name}")
}

fn number(name: &str) -> u8 {
    name.trim_start_matches("name-").parse().unwrap()
}

fn shape(store: &Store) -> Shape {
    let view = store.snapshot().unwrap();
    let layer_name = |id: &layerhold_ids::LayerId| {
        view.layer_by_id(id)
            .unwrap()
            .and_then(|layer| layer.names().first().map(|name| number(name)))
    };
    let mut shape = Shape {
        layers: view
            .layers()
            .map(|layer| {
                (
                    layer.names().first().map(|name| number(name)),
                    layer.parent().and_then(layer_name),
                )
            })
            .collect(),
        images: view
            .images()
            .map(|image| {
                (
                    image.names().iter().map(|name| number(name)).collect(),
                    image.top_layer().and_then(layer_name),
                )
            })
            .collect(),
        containers: view
            .containers()
            .map(|container| number(&container.names()[0]))
            .collect(),
    };
    shape.layers.sort();
    shape.images.sort();
    shape.containers.sort_unstable();
    shape
}

fn run(store: &Store, op: &Op) -> Outcome {
    let view = store.snapshot().unwrap();
    let outcome: Result<(), layerhold::Error> = (|| {
        match *op {
            Op::Import { name, parent } => {
                let mut tx = store.begin()?;
                let mut spec = LayerSpec::new().name(text(name)).read_only();
                if let Some(parent) = parent {
                    // The model checks names before parents; here the caller looks up parents.
                    if view.layer(&text(name)).is_err() || view.layer(&text(parent)).is_ok() {
                        spec = spec.parent(view.layer(&text(parent))?.id().clone());
                    }
                }
                tx.import_layer(spec, reader(&small_tar()))?;
                tx.commit()?;
            }
            Op::Image { name, layer, moves } => {
                let mut spec = ImageSpec::new()
                    .without_manifest()
                    .name(text(name))
                    .top_layer(view.layer(&text(layer))?.id().clone());
                if moves {
                    spec = spec.move_names();
                }
                let mut tx = store.begin()?;
                tx.create_image(spec)?;
                tx.commit()?;
            }
            Op::Container { name, image } => {
                let image = view.image(&text(image))?.id().clone();
                let mut tx = store.begin()?;
                tx.create_container(ContainerSpec::new().name(text(name)).image(image))?;
                tx.commit()?;
            }
            Op::AddName { image, name } => {
                let image = view.image(&text(image))?.id().clone();
                store.add_names(image.as_str(), &[text(name)])?;
            }
            Op::DeleteLayer(name) => store.delete_layer(&text(name))?,
            Op::DeleteImage(name) => drop(store.delete_image(&text(name), DeleteMode::Delete)?),
            Op::DeleteContainer(name) => store.delete_container(&text(name))?,
        }
        Ok(())
    })();
    outcome.map_err(|error| error.kind().unwrap_or_else(|| panic!("{error:?}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(ops in prop::collection::vec(op(), 1..25)) {
        let place = Place::new();
        let handles = [place.store.clone(), place.again()];
        let mut model = Model::default();
        for (step, op) in ops.iter().enumerate() {
            let expected = model.apply(op);
            prop_assert_eq!(run(&handles[step % 2], op), expected, "step {} {:?}", step, op);
            prop_assert_eq!(shape(&handles[(step + 1) % 2]), model.shape(), "after step {} {:?}", step, op);
        }
        prop_assert!(place.store.garbage_collect(DeleteMode::Delete).unwrap().is_empty());
        prop_assert_eq!(std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(), model.layers.len());
    }
}
