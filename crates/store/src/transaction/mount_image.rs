//! Mounting images.
//!
//! What is mounted of an image has no ID maps: every process sees the owners that its archive
//! named. An image that was committed from a mapped container has a mapped top layer; a copy
//! without maps is made for the first mount, noted in the image, and serves from then on (Go:
//! store.go, `MountImage`).

use std::path::PathBuf;
use std::sync::Arc;

use layerhold_ids::{ImageId, LayerId};

use crate::catalog::key::Key;
use crate::catalog::lookup::{by_id, lookup, refuse_additional, require};
use crate::engine::Engine;
use crate::mount::error::MountError;
use crate::mount::layer::{
    MountRequest, StillMounted, Target, Unmounting, mount_layer, unmount_layer,
};
use crate::records::{Image, Layer};
use crate::transaction::begin;
use crate::transaction::error::TransactionError;

pub(crate) fn mount_image(
    engine: &Arc<Engine>,
    key: &Key<'_, ImageId>,
    request: &MountRequest,
) -> Result<PathBuf, MountError> {
    let image = lookup(&engine.catalog.read_images()?, key)?;
    if request.options.iter().any(|option| option == "rw") {
        return Err(MountError::Writable {
            image: image.id().clone(),
        });
    }
    let layer = match unmapped_layer(engine, &image)? {
        Some(layer) => layer,
        None => make_unmapped_layer(engine, &image)?,
    };
    let mut request = request.clone();
    if !request.options.iter().any(|option| option == "ro") {
        request.options.insert(0, "ro".to_owned());
    }
    let target = Target {
        layer,
        container: None,
    };
    mount_layer(engine, &target, &request)
}

pub(crate) fn unmount_image(
    engine: &Arc<Engine>,
    key: &Key<'_, ImageId>,
    how: Unmounting,
) -> Result<StillMounted, MountError> {
    let image = lookup(&engine.catalog.read_images()?, key)?;
    let layer = match unmapped_layer(engine, &image)? {
        Some(layer) => layer.id().clone(),
        None => top_layer(&image)?.clone(),
    };
    unmount_layer(engine, &layer, how)
}

/// The top layer, or the copy of it, that has no ID maps.
fn unmapped_layer(engine: &Arc<Engine>, image: &Image) -> Result<Option<Arc<Layer>>, MountError> {
    let layers = engine.catalog.read_layers()?;
    let top = top_layer(image)?;
    // The image's own layer has to be there whichever is mounted.
    let own = require(&layers, top.as_str())?;
    if own.id_maps().is_identity() {
        return Ok(Some(own));
    }
    for mapped in image.mapped_layers() {
        if let Some(copy) = by_id(&layers, mapped.as_str())?
            && copy.id_maps().is_identity()
        {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

fn make_unmapped_layer(engine: &Arc<Engine>, image: &Image) -> Result<Arc<Layer>, MountError> {
    let failed = |source: TransactionError| MountError::Copy {
        image: image.id().clone(),
        kind: source.kind(),
        source: Box::new(source),
    };
    let mut transaction = begin(engine).map_err(|error| failed(error.into()))?;
    let copy = transaction
        .unmapped_top_layer(image.id())
        .map_err(|error| failed(error.into()))?;
    transaction.commit().map_err(|error| failed(error.into()))?;
    let copy = copy.as_ref().unwrap_or(top_layer(image)?);
    let copy = require(&engine.catalog.read_layers()?, copy.as_str())?;
    if !copy.id_maps().is_identity() {
        // Neither the image nor its layer can be changed, and a copy that is noted nowhere
        // would never be removed.
        refuse_additional(&engine.catalog.read_images()?, image.id().as_str())?;
        refuse_additional(&engine.catalog.read_layers()?, copy.id().as_str())?;
    }
    Ok(copy)
}

fn top_layer(image: &Image) -> Result<&LayerId, MountError> {
    image.top_layer().ok_or_else(|| MountError::NoLayers {
        image: image.id().clone(),
    })
}
