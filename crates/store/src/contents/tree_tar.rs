//! The whole merged tree of a layer as a tar.

use std::io;

use layerhold_archive::{PackOptions, UnmappedOwners, pack};
use layerhold_driver::{OwnFiles, TreeOwners};
use layerhold_ids::LayerId;

use crate::catalog::key::Key;
use crate::catalog::snapshot::Item;
use crate::contents::diff::{Diff, in_background};
use crate::contents::error::DiffError;
use crate::engine::Engine;
use crate::records::kinds::ItemId;

pub(crate) fn tree_tar(engine: &Engine, item: &Key<'_, ItemId>) -> Result<Diff, DiffError> {
    let engine = &engine.with_cancel(engine.options.cancel.child());
    let view = engine.snapshot()?;
    let layer = match view.find(item.clone())? {
        Item::Layer(layer) => layer,
        Item::Container(container) => view.layer(container.layer())?,
        Item::Image(image) => {
            let top = image.top_layer().ok_or_else(|| DiffError::NoLayers {
                image: image.id().clone(),
            })?;
            view.layer(top)?
        }
    };
    let owners = engine.owners_on_disk(&layer)?;
    let driver = engine.driver();
    let id: LayerId = layer.id().clone();
    let label = layer.mount_label().to_owned();
    let options = PackOptions::new()
        .with_id_maps(owners.maps)
        // Owners that the container cannot have, it sees so.
        .with_unmapped(UnmappedOwners::Overflow)
        .with_cancel(engine.options.cancel.clone());
    let is_shifted = owners.applies_to == TreeOwners::OfContainer;
    let source = in_background(move |out| {
        let view = if is_shifted {
            driver.view_shifted(&id, &label, &options.id_maps, OwnFiles::Outside)
        } else {
            driver.view(&id, &label)
        };
        let view = view.map_err(io::Error::other)?;
        pack(view.root(), &options, out)
            .map(drop)
            .map_err(io::Error::other)
    })?;
    Ok(Diff::new(engine, source, layer.id().clone()))
}
