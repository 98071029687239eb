//! Data items beside records: manifests, configurations, signatures, whatever callers keep there.

use crate::engine::Engine;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use layerhold_ids::Digest;
use layerhold_json_store::{BigDataError, JsonStore};
use layerhold_staging::{StagedAddition, TempArea, TempRoot};
use layerhold_sys::PathError;

use crate::catalog::big_data::DataError;
use crate::catalog::layout::FILE_MODE;
use crate::catalog::locked::Locked;
use crate::catalog::locks::InContext;
use crate::catalog::lookup::{lookup, lookup_to_change};
use crate::catalog::record_stores::{Records, View};
use crate::edit::update::Mutable;
use crate::records::{Container, Image, Layer};
use crate::spec::BigDataItem;

use crate::transaction::{
    complete_image_digest, digest_of, forget_in, note_container_item, note_item,
};

/// The largest item that is read into memory.
const MAX_ITEM: u64 = 1 << 30;
/// How much of what a caller hands in is read at a time.
const PIECE: usize = 128 * 1024;

pub(crate) fn layer_data_names(engine: &Engine, key: &str) -> Result<Vec<String>, DataError> {
    Ok(lookup(&engine.catalog.layers_view()?, key)?
        .big_data_names()
        .to_vec())
}

pub(crate) fn layer_data(engine: &Engine, key: &str, item: &str) -> Result<File, DataError> {
    let layers = engine.catalog.layers_view()?;
    let layer = lookup(&layers, key)?;
    let file = store_of(&layers, &layer, item)?
        .open_big_data(layer.id().as_str(), item)
        .map_err(failed(&layer, item))?;
    file.ok_or_else(|| not_found(&layer, item))
}

pub(crate) fn set_layer_data(
    engine: &Engine,
    key: &str,
    item: &str,
    data: &mut dyn Read,
) -> Result<(), DataError> {
    check_key(item)?;
    layerhold_sys::no_brief_lock("a caller's data is read");
    let layer = lookup_to_change(&engine.catalog.layers_view()?, key)?;
    // Declared before the guard, and so erased after it is released when something fails.
    let area = TempRoot::new(engine.catalog.layout.temp_root()).begin();
    let area = area.map_err(DataError::Staging)?;
    let staged = write_down(&area, &layer, item, data)?;
    let mut layers = engine.lock_layers()?;
    let note = |layer: &mut Layer| layer.add_big_data_name(item);
    layers
        .put_big_data(layer.id().as_str(), item, &staged, note)
        .map_err(failed(&layer, item))?;
    Ok(layers.save().of::<Layer>()?)
}

pub(crate) fn image_data_names(engine: &Engine, key: &str) -> Result<Vec<String>, DataError> {
    Ok(lookup(&engine.catalog.images_view()?, key)?
        .big_data_names()
        .to_vec())
}

pub(crate) fn image_data(engine: &Engine, key: &str, item: &str) -> Result<Vec<u8>, DataError> {
    let images = engine.catalog.images_view()?;
    let image = lookup(&images, key)?;
    read(store_of(&images, &image, item)?, &image, item)
}

pub(crate) fn image_data_size(engine: &Engine, key: &str, item: &str) -> Result<u64, DataError> {
    let images = engine.catalog.images_view()?;
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
    key: &str,
    item: &str,
) -> Result<Digest, DataError> {
    let images = engine.catalog.images_view()?;
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
    key: &str,
    mut item: BigDataItem,
) -> Result<(), DataError> {
    check_name(&item)?;
    complete_image_digest(&mut item)?;
    let mut images = engine.catalog.lock_images()?;
    let image = lookup_to_change(&images, key)?;
    set_image_item(&mut images, &image, &item)?;
    Ok(images.save().of::<Image>()?)
}

pub(crate) fn container_data_names(engine: &Engine, key: &str) -> Result<Vec<String>, DataError> {
    Ok(lookup(&engine.catalog.containers_view()?, key)?
        .big_data_names()
        .to_vec())
}

pub(crate) fn container_data(engine: &Engine, key: &str, item: &str) -> Result<Vec<u8>, DataError> {
    let containers = engine.catalog.containers_view()?;
    let container = lookup(&containers, key)?;
    read(store_of(&containers, &container, item)?, &container, item)
}

pub(crate) fn container_data_size(
    engine: &Engine,
    key: &str,
    item: &str,
) -> Result<u64, DataError> {
    let containers = engine.catalog.containers_view()?;
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
    key: &str,
    item: &str,
) -> Result<Digest, DataError> {
    let containers = engine.catalog.containers_view()?;
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
    key: &str,
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
    Ok(containers.save().of::<Container>()?)
}

/// Writes a data item of an image, and notes it in the record. The record is not saved afterwards.
pub(crate) fn set_image_item(
    images: &mut Locked<Image>,
    image: &Arc<Image>,
    item: &BigDataItem,
) -> Result<(), DataError> {
    let id = image.id().as_str();
    let forget = |image: &mut Image| {
        let record = image.record_mut();
        let (sizes, digests) = (&mut record.big_data_sizes, &mut record.big_data_digests);
        let had_any = forget_in(sizes, digests, item);
        drop(image.refresh_digests());
        had_any
    };
    if forget(&mut image.as_ref().clone()) {
        let forget = |image: &mut Image| {
            let _had_any = forget(image);
        };
        drop(images.update(id, forget).of::<Image>()?);
        images.save().of::<Image>()?;
    }
    let note = |image: &mut Image| {
        note_item(image.record_mut(), item);
        // The digests of a record that was served are valid, and so is that of the item.
        drop(image.refresh_digests());
    };
    let set = images.set_big_data(id, &item.key, &item.data, note);
    set.map_err(failed(image, &item.key))
}

fn forget_container_item(
    containers: &mut Locked<Container>,
    container: &Arc<Container>,
    item: &BigDataItem,
) -> Result<(), DataError> {
    let forget = |container: &mut Container| {
        let record = container.record_mut();
        forget_in(
            &mut record.big_data_sizes,
            &mut record.big_data_digests,
            item,
        )
    };
    if forget(&mut container.as_ref().clone()) {
        let id = container.id().as_str();
        let forget = |container: &mut Container| {
            let _had_any = forget(container);
        };
        drop(containers.update(id, forget).of::<Container>()?);
        containers.save().of::<Container>()?;
    }
    Ok(())
}

/// Writes what a caller hands in down where it can be renamed from, before a lock is taken.
fn write_down(
    area: &TempArea,
    layer: &Arc<Layer>,
    item: &str,
    data: &mut dyn Read,
) -> Result<StagedAddition, DataError> {
    let staged = area.stage_addition();
    let mut file = staged.create_file(FILE_MODE)?;
    let mut piece = vec![0; PIECE];
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

pub(crate) fn check_name(item: &BigDataItem) -> Result<(), DataError> {
    check_key(&item.key)
}

fn check_key(key: &str) -> Result<(), DataError> {
    let checked = layerhold_json_store::file_name_to_write(key);
    checked.map(drop).map_err(|source| DataError::InvalidName {
        key: key.to_owned(),
        source,
    })
}

fn recorded(item: &str, text: &str) -> Result<Digest, DataError> {
    text.parse().map_err(|_| DataError::DigestDamaged {
        key: item.to_owned(),
        text: text.to_owned(),
    })
}

/// Which kind of record it is, and which item is meant, for errors.
pub(crate) fn failed<R: Mutable>(
    record: &Arc<R>,
    item: &str,
) -> impl FnOnce(BigDataError) -> DataError {
    let (id, key) = (record.id().to_owned(), item.to_owned());
    move |error| match error {
        BigDataError::Key { source, .. } => DataError::InvalidName { key, source },
        BigDataError::Source { source, .. } => DataError::Input { key, source },
        source => DataError::Item {
            kind: R::ITEM,
            id,
            source: Box::new(source),
        },
    }
}

fn not_found<R: Mutable>(record: &Arc<R>, item: &str) -> DataError {
    DataError::NotFound {
        kind: R::ITEM,
        id: record.id().to_owned(),
        key: item.to_owned(),
    }
}

/// The store that keeps a record and its data.
fn store_of<'v, R: Mutable>(
    view: &'v View<R>,
    record: &Arc<R>,
    item: &str,
) -> Result<&'v JsonStore<R>, DataError> {
    let store = view.store_of(record.id());
    store
        .map(|store| &store.store)
        .ok_or_else(|| not_found(record, item))
}

pub(crate) fn read<R: Mutable>(
    store: &JsonStore<R>,
    record: &Arc<R>,
    item: &str,
) -> Result<Vec<u8>, DataError> {
    let data = store
        .read_big_data(record.id(), item, MAX_ITEM)
        .map_err(failed(record, item))?;
    data.ok_or_else(|| not_found(record, item))
}

pub(crate) fn size<R: Mutable>(
    view: &View<R>,
    record: &Arc<R>,
    item: &str,
    recorded: Option<i64>,
) -> Result<u64, DataError> {
    if let Some(size) = recorded.and_then(|size| u64::try_from(size).ok()) {
        return Ok(size);
    }
    let size = store_of(view, record, item)?
        .big_data_size(record.id(), item)
        .map_err(failed(record, item))?;
    size.ok_or_else(|| not_found(record, item))
}

/// Adds the sizes of all data items of a record up.
pub(crate) fn total<R: Mutable>(
    view: &View<R>,
    record: &Arc<R>,
    items: &[String],
    recorded: &std::collections::BTreeMap<String, i64>,
) -> Result<u64, DataError> {
    items.iter().try_fold(0u64, |sum, item| {
        Ok(sum.saturating_add(size(view, record, item, recorded.get(item).copied())?))
    })
}
