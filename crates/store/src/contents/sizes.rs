//! What things take.

use std::collections::BTreeSet;

use layerhold_ids::LayerId;
use layerhold_sys::tree_usage;

use crate::catalog::lookup::{by_id, lookup, require};
use crate::contents::directories::Place;
use crate::edit::big_data::total;
use crate::errors::{DiffError, DirectoryError};
use crate::store::Store;

impl Store {
    /// Returns the size of a layer's tar in bytes, as recorded.
    ///
    /// Go: `Store.LayerSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::SizeUnknown`] for a layer that was not imported.
    pub fn layer_size(&self, key: &str) -> Result<u64, DiffError> {
        let layer = lookup(&self.inner.layers_view()?, key)?;
        layer.diff_size().ok_or_else(|| DiffError::SizeUnknown {
            what: format!("layer {}", layer.id()),
        })
    }

    /// Returns the size of an image in bytes: the tars of all its layers, each once, and its data
    /// items. Layers whose size is not recorded are compared with their parents, which takes long.
    ///
    /// Go: `Store.ImageSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when the image or one of its layers is unknown.
    pub fn image_size(&self, key: &str) -> Result<u64, DiffError> {
        let view = self.snapshot()?;
        let image = view.image(key)?;
        let mut seen: BTreeSet<LayerId> = BTreeSet::new();
        let mut waiting: Vec<LayerId> = image
            .top_layer()
            .into_iter()
            .chain(image.mapped_layers())
            .cloned()
            .collect();
        let mut sum = 0u64;
        while let Some(id) = waiting.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let layer = require(&view.layers, id.as_str())?;
            let size = match (layer.diff_id(), layer.diff_size()) {
                (Some(_), Some(size)) => size,
                _ => {
                    let parent = layer
                        .parent()
                        .map(|parent| require(&view.layers, parent.as_str()))
                        .transpose()?;
                    self.inner
                        .pair_size(&self.inner.pair_of(parent, layer.clone())?)?
                }
            };
            sum = sum.saturating_add(size);
            waiting.extend(layer.parent().cloned());
        }
        let record = image.record();
        let items = total(
            &view.images,
            &image,
            &record.big_data_names,
            &record.big_data_sizes,
        )?;
        Ok(sum.saturating_add(items))
    }

    /// Returns the size of a container in bytes: what its layer changes, its data items, and the
    /// files in its two directories.
    ///
    /// Go: `Store.ContainerSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when the container or its layer is unknown.
    pub fn container_size(&self, key: &str) -> Result<u64, DiffError> {
        let view = self.snapshot()?;
        let container = view.container(key)?;
        // First, as in Go: the directories are made where they are missing, whatever becomes of the
        // rest.
        let mut sum: u64 = 0;
        for place in [Place::Durable, Place::Runtime] {
            let dir = self
                .inner
                .container_user_data(container.id().as_str(), place)
                .map_err(of_directory)?;
            sum = sum.saturating_add(tree_usage(&dir)?.bytes);
        }
        let layer = require(&view.layers, container.layer().as_str())?;
        let parent = match layer.parent() {
            Some(parent) => by_id(&view.layers, parent.as_str())?,
            None => None,
        };
        sum = sum.saturating_add(self.inner.pair_size(&self.inner.pair_of(parent, layer)?)?);
        let record = container.record();
        let items = total(
            &view.containers,
            &container,
            &record.big_data_names,
            &record.big_data_sizes,
        )?;
        sum = sum.saturating_add(items);
        Ok(sum)
    }
}

fn of_directory(error: DirectoryError) -> DiffError {
    match error {
        DirectoryError::Lookup(error) => error.into(),
        DirectoryError::Access(error) => error.into(),
        DirectoryError::Os(error) => error.into(),
        error => DiffError::Directory(Box::new(error)),
    }
}
