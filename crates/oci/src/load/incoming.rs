//! An image that comes into the store.

use layerhold::{BigDataItem, ImageSpec, Store, Transaction, layer_id_of_contents};
use layerhold_ids::{Digest, ImageId};

use super::error::LoadError;
use super::layer::{LayerImport, StoredLayer};
use super::options::LoadedImage;
use crate::big_data::BigData;
use crate::names::complete;
use crate::progress::Reporter;
use crate::source::{FoundImage, Layers};

/// An image to load.
pub(crate) struct Incoming {
    id: ImageId,
    names: Vec<String>,
}

impl Incoming {
    /// `names` replace those in the source.
    pub(crate) fn new(entries: &[FoundImage], names: Option<&[String]>) -> Result<Self, LoadError> {
        let found = || {
            entries
                .iter()
                .flat_map(|entry| entry.names.clone())
                .collect()
        };
        let names: Vec<String> = names.map_or_else(found, <[String]>::to_vec);
        let manifests = entries.iter().filter_map(|entry| entry.manifest.as_ref());
        let indices = entries.iter().filter_map(|entry| entry.index.as_ref());
        let digests: Vec<&Digest> = manifests
            .map(|manifest| &manifest.digest)
            .chain(indices.map(|(digest, _)| digest))
            .collect();
        let digest = entries.first().map(|entry| &entry.config_digest);
        let id = digest.and_then(|digest| digest.hex().parse().ok());
        Ok(Incoming {
            // The digits of a digest are always a valid ID, and there is at least one entry.
            id: id.ok_or(LoadError::ImageId)?,
            names: complete(&names, &digests)?,
        })
    }

    /// Imports the layers, and stages the image.
    pub(crate) fn bring_in(
        self,
        store: &Store,
        transaction: &mut Transaction,
        source: &dyn Layers,
        entries: Vec<FoundImage>,
        progress: &Reporter<'_>,
    ) -> Result<LoadedImage, LoadError> {
        let mut spec = ImageSpec::new()
            .id(self.id.clone())
            // Go adds the names one by one, each before the existing ones.
            .names(self.names.iter().rev().cloned())
            .move_names()
            .update_present();
        let mut items = Vec::new();
        let mut loaded = LoadedImage {
            id: self.id,
            names: self.names,
            digest: None,
            imported: 0,
            reused: 0,
            source: source.kind(),
        };
        for entry in entries {
            let layers = import_layers(store, transaction, source, &entry, progress)?;
            loaded.imported += layers.iter().filter(|layer| !layer.reused).count();
            loaded.reused += layers.iter().filter(|layer| layer.reused).count();
            let created = entry.config.created.as_deref();
            spec.created = created.and_then(|time| time.parse().ok());
            spec.top_layer = layers.last().map(|top| top.id.clone());
            let sizes: Vec<u64> = layers.iter().map(|layer| layer.unpacked_size).collect();
            let data = BigData::of(entry, &sizes);
            spec.metadata = data.metadata();
            spec.digest
                .get_or_insert_with(|| data.first_digest().clone());
            loaded.digest = Some(data.manifest.digest.clone());
            add_items(&mut items, data.big_data());
        }
        for item in items {
            spec = spec.big_data(item);
        }
        transaction.create_image(spec)?;
        Ok(loaded)
    }
}

/// Adds big data items; a later one replaces an earlier one of the same name.
fn add_items(items: &mut Vec<BigDataItem>, more: Vec<BigDataItem>) {
    for item in more {
        match items.iter_mut().find(|known| known.key == item.key) {
            Some(known) => *known = item,
            None => items.push(item),
        }
    }
}

fn import_layers(
    store: &Store,
    transaction: &mut Transaction,
    source: &dyn Layers,
    image: &FoundImage,
    progress: &Reporter<'_>,
) -> Result<Vec<StoredLayer>, LoadError> {
    let steps = steps(image);
    let snapshot = store.snapshot()?;
    let mut wanted = Vec::new();
    for step in &steps {
        if step.needs_source(&snapshot, transaction, source.kind())? {
            wanted.push(step.index);
        }
    }
    source.expect(&wanted);
    let mut layers: Vec<StoredLayer> = Vec::with_capacity(steps.len());
    for step in steps {
        layers.push(step.run(store, transaction, source, progress)?);
    }
    Ok(layers)
}

/// The layers of an image with the IDs that they get, bottom first.
fn steps(image: &FoundImage) -> Vec<LayerImport<'_>> {
    let mut steps: Vec<LayerImport<'_>> = Vec::with_capacity(image.layers.len());
    for (index, (layer, diff_id)) in image.layers.iter().zip(&image.config.diff_ids).enumerate() {
        let parent = steps.last().map(|below| below.id.clone());
        steps.push(LayerImport {
            index,
            of: image.layers.len(),
            id: layer_id_of_contents(parent.as_ref(), diff_id),
            layer,
            diff_id,
            parent,
        });
    }
    steps
}
