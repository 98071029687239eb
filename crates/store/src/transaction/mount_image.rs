//! Mounts images.
//!
//! An image is mounted without ID maps: every process sees the owners of its archive. An image that
//! was committed from a container with ID maps has a mapped top layer. The first mount creates a
//! copy without maps and notes it in the image for later mounts (Go: store.go, `MountImage`).

use std::path::PathBuf;
use std::sync::Arc;

use layerhold_ids::{ImageId, LayerId};

use crate::catalog::key::Key;
use crate::catalog::lookup::{by_id, lookup, refuse_additional, require};
use crate::engine::Engine;
use crate::mount::error::MountError;
use crate::mount::guard::{MountGuard, guard};
use crate::mount::layer::{
    MountRequest, MountTarget, StillMounted, Unmounting, mount_layer, unmount_layer,
};
use crate::records::{Image, Layer};
use crate::transaction::begin;
use crate::transaction::error::TransactionError;

pub(crate) fn mount_image(
    engine: &Arc<Engine>,
    key: &Key<'_, ImageId>,
    request: &MountRequest,
) -> Result<PathBuf, MountError> {
    let (target, request) = image_target(engine, key, request)?;
    mount_layer(engine, &target, &request)
}

pub(crate) fn mount_image_guard(
    engine: &Arc<Engine>,
    key: &Key<'_, ImageId>,
    request: &MountRequest,
) -> Result<MountGuard, MountError> {
    let (target, request) = image_target(engine, key, request)?;
    guard(engine, &target, &request)
}

/// Finds the layer that is mounted for an image, making it if need be, and how it is mounted.
fn image_target(
    engine: &Arc<Engine>,
    key: &Key<'_, ImageId>,
    request: &MountRequest,
) -> Result<(MountTarget, MountRequest), MountError> {
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
    let target = MountTarget {
        layer,
        container: None,
    };
    Ok((target, request))
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

/// Finds the top layer, or a copy of it, that has no ID maps.
fn unmapped_layer(engine: &Arc<Engine>, image: &Image) -> Result<Option<Arc<Layer>>, MountError> {
    let layers = engine.catalog.read_layers()?;
    let top = top_layer(image)?;
    // The image's own top layer must exist, even if a copy is mounted.
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
        // An image of an additional store cannot note a copy, and a copy that is noted nowhere
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
