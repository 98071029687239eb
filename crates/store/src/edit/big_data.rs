//! Big data items, as callers read and write them: manifests, configurations, signatures.

use std::fs::File;
use std::io;
use std::io::{Read, Write};
use std::sync::Arc;

use layerhold_ids::{ContainerId, Digest, ImageId, LayerId};
use layerhold_json_store::BigDataError;
use layerhold_staging::{StagedAddition, TempArea, TempRoot};
use layerhold_sys::PathError;

use crate::catalog::big_data::{
    DataError, check_key, check_name, complete_image_digest, failed, forget_container_item,
    not_found, read, recorded, set_image_item, size, store_of,
};
use crate::catalog::key::Key;
use crate::catalog::layout::FILE_MODE;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::{lookup, lookup_to_change};
use crate::engine::Engine;
use crate::records::big_data_item::{BigDataItem, digest_of, note_container_item};
use crate::records::{Container, Image, Layer};

/// The bytes of the caller's data that are read at once.
const CHUNK_LEN: usize = 128 * 1024;

pub(crate) fn layer_data_names(
    engine: &Engine,
    key: &Key<'_, LayerId>,
) -> Result<Vec<String>, DataError> {
    Ok(lookup(&engine.catalog.read_layers()?, key)?
        .big_data_names()
        .to_vec())
}

pub(crate) fn layer_data(
    engine: &Engine,
    key: &Key<'_, LayerId>,
    item: &str,
) -> Result<File, DataError> {
    let layers = engine.catalog.read_layers()?;
    let layer = lookup(&layers, key)?;
    let file = store_of(&layers, &layer, item)?
        .open_big_data(layer.id().as_str(), item)
        .map_err(failed(&layer, item))?;
    file.ok_or_else(|| not_found(&layer, item))
}

pub(crate) fn set_layer_data(
    engine: &Engine,
    key: &Key<'_, LayerId>,
    item: &str,
    data: &mut dyn Read,
) -> Result<(), DataError> {
    check_key(item)?;
    layerhold_sys::no_brief_lock("a caller's data is read");
    let layer = lookup_to_change(&engine.catalog.read_layers()?, key)?;
    // Declared before the guard, so on failure the area is erased after the lock is released.
    let area = TempRoot::new(engine.catalog.layout.temp_root()).begin();
    let area = area.map_err(DataError::Staging)?;
    let staged = write_down(&area, &layer, item, data)?;
    let mut layers = engine.lock_layers()?;
    let note = |layer: &mut Layer| layer.add_big_data_name(item);
    layers
        .put_big_data(layer.id().as_str(), item, &staged, note)
        .map_err(failed(&layer, item))?;
    Ok(layers.save().for_kind::<Layer>()?)
}

pub(crate) fn image_data_names(
    engine: &Engine,
    key: &Key<'_, ImageId>,
) -> Result<Vec<String>, DataError> {
    Ok(lookup(&engine.catalog.read_images()?, key)?
        .big_data_names()
        .to_vec())
}

pub(crate) fn image_data(
    engine: &Engine,
    key: &Key<'_, ImageId>,
    item: &str,
) -> Result<Vec<u8>, DataError> {
    let images = engine.catalog.read_images()?;
    let image = lookup(&images, key)?;
    read(store_of(&images, &image, item)?, &image, item)
}

pub(crate) fn image_data_size(
    engine: &Engine,
    key: &Key<'_, ImageId>,
    item: &str,
) -> Result<u64, DataError> {
    let images = engine.catalog.read_images()?;
    let image = lookup(&images, key)?;
    size(
        &images,
        &image,
        item,
        image.record().big_data_sizes.get(item).copied(),
    )
}

pub(crate) fn image_data_digest(
    engine: &Engine,
    key: &Key<'_, ImageId>,
    item: &str,
) -> Result<Digest, DataError> {
    let images = engine.catalog.read_images()?;
    let image = lookup(&images, key)?;
    if let Some(text) = image.record().big_data_digests.get(item) {
        return recorded(item, text);
    }
    let mut found = BigDataItem::new(item, read(store_of(&images, &image, item)?, &image, item)?);
    complete_image_digest(&mut found)?;
    Ok(found.digest.unwrap_or_else(|| digest_of(&found.data)))
}

pub(crate) fn set_image_data(
    engine: &Engine,
    key: &Key<'_, ImageId>,
    mut item: BigDataItem,
) -> Result<(), DataError> {
    check_name(&item)?;
    complete_image_digest(&mut item)?;
    let mut images = engine.catalog.lock_images()?;
    let image = lookup_to_change(&images, key)?;
    set_image_item(&mut images, &image, &item)?;
    Ok(images.save().for_kind::<Image>()?)
}

pub(crate) fn container_data_names(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<Vec<String>, DataError> {
    Ok(lookup(&engine.catalog.read_containers()?, key)?
        .big_data_names()
        .to_vec())
}

pub(crate) fn container_data(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    item: &str,
) -> Result<Vec<u8>, DataError> {
    let containers = engine.catalog.read_containers()?;
    let container = lookup(&containers, key)?;
    read(store_of(&containers, &container, item)?, &container, item)
}

pub(crate) fn container_data_size(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    item: &str,
) -> Result<u64, DataError> {
    let containers = engine.catalog.read_containers()?;
    let container = lookup(&containers, key)?;
    size(
        &containers,
        &container,
        item,
        container.record().big_data_sizes.get(item).copied(),
    )
}

pub(crate) fn container_data_digest(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    item: &str,
) -> Result<Digest, DataError> {
    let containers = engine.catalog.read_containers()?;
    let container = lookup(&containers, key)?;
    match container.record().big_data_digests.get(item) {
        Some(text) => recorded(item, text),
        None => {
            let store = store_of(&containers, &container, item)?;
            Ok(digest_of(&read(store, &container, item)?))
        }
    }
}

pub(crate) fn set_container_data(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
    mut item: BigDataItem,
) -> Result<(), DataError> {
    check_name(&item)?;
    item.digest.get_or_insert_with(|| digest_of(&item.data));
    let mut containers = engine.catalog.lock_containers()?;
    let container = lookup_to_change(&containers, key)?;
    forget_container_item(&mut containers, &container, &item)?;
    let note = |container: &mut Container| note_container_item(container.record_mut(), &item);
    containers
        .set_big_data(container.id().as_str(), &item.key, &item.data, note)
        .map_err(failed(&container, &item.key))?;
    Ok(containers.save().for_kind::<Container>()?)
}

/// Writes the caller's data to a temporary file, before any lock is taken.
fn write_down(
    area: &TempArea,
    layer: &Arc<Layer>,
    item: &str,
    data: &mut dyn Read,
) -> Result<StagedAddition, DataError> {
    let staged = area.stage_addition();
    let mut file = staged.create_file(FILE_MODE)?;
    let mut piece = vec![0; CHUNK_LEN];
    loop {
        let read = match data.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let id = layer.id().to_string();
                let key = item.to_owned();
                return Err(failed(layer, item)(BigDataError::Source {
                    id,
                    key,
                    source,
                }));
            }
        };
        let filled = piece.get(..read).unwrap_or_default();
        file.write_all(filled)
            .map_err(|cause| PathError::new("write", staged.path(), cause))?;
    }
    file.sync_data()
        .map_err(|cause| PathError::new("sync", staged.path(), cause))?;
    Ok(staged)
}
