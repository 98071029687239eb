//! Reads and writes big data items, and notes them in their records.

use std::collections::BTreeMap;
use std::sync::Arc;

use layerhold_ids::Digest;
use layerhold_json_store::{BigDataError, JsonStore};

use crate::catalog::error::{AccessError, LookupError, file_errors_are_access};
use crate::catalog::locked::Locked;
use crate::catalog::locks::WithKind;
use crate::catalog::lookup::ItemRecord;
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::records::big_data_item::{BigDataItem, MANIFEST, clear_noted, digest_of, note_item};
use crate::records::error_kind::{ErrorKind, error_kind};
use crate::records::kinds::ItemKind;
use crate::records::{Container, Image};

/// The largest big data item that is read into memory.
const MAX_ITEM: u64 = 1 << 30;

/// Writes a big data item of an image and notes it in the record. The caller saves the record.
pub(crate) fn set_image_item(
    images: &mut Locked<Image>,
    image: &Arc<Image>,
    item: &BigDataItem,
) -> Result<(), DataError> {
    let id = image.id().as_str();
    let forget = |image: &mut Image| {
        let record = image.record_mut();
        let (sizes, digests) = (&mut record.big_data_sizes, &mut record.big_data_digests);
        let had_any = clear_noted(sizes, digests, item);
        drop(image.refresh_digests());
        had_any
    };
    if forget(&mut image.as_ref().clone()) {
        let forget = |image: &mut Image| {
            let _had_any = forget(image);
        };
        drop(images.update(id, forget).for_kind::<Image>()?);
        images.save().for_kind::<Image>()?;
    }
    let note = |image: &mut Image| {
        note_item(image.record_mut(), item);
        // This cannot fail: the digests of a parsed record are valid, and so is that of the item.
        drop(image.refresh_digests());
    };
    let set = images.set_big_data(id, &item.key, &item.data, note);
    set.map_err(failed(image, &item.key))
}

/// Removes the size and digest of a big data item of a container that is about to be replaced.
pub(crate) fn forget_container_item(
    containers: &mut Locked<Container>,
    container: &Arc<Container>,
    item: &BigDataItem,
) -> Result<(), DataError> {
    let forget = |container: &mut Container| {
        let record = container.record_mut();
        clear_noted(
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
        drop(containers.update(id, forget).for_kind::<Container>()?);
        containers.save().for_kind::<Container>()?;
    }
    Ok(())
}

/// Refuses an item with an invalid name.
pub(crate) fn check_name(item: &BigDataItem) -> Result<(), DataError> {
    check_key(&item.key)
}

/// Refuses an invalid name of a big data item.
pub(crate) fn check_key(key: &str) -> Result<(), DataError> {
    let checked = layerhold_json_store::file_name_to_write(key);
    checked.map(drop).map_err(|source| DataError::InvalidName {
        key: key.to_owned(),
        source,
    })
}

/// Parses the recorded digest of a big data item.
pub(crate) fn recorded(item: &str, text: &str) -> Result<Digest, DataError> {
    text.parse().map_err(|_| DataError::DigestDamaged {
        key: item.to_owned(),
        text: text.to_owned(),
    })
}

/// Adds the record and the item to an error of the JSON store.
pub(crate) fn failed<R: ItemRecord>(
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

pub(crate) fn not_found<R: ItemRecord>(record: &Arc<R>, item: &str) -> DataError {
    DataError::NotFound {
        kind: R::ITEM,
        id: record.id().to_owned(),
        key: item.to_owned(),
    }
}

/// Returns the record store that has a record and its big data.
pub(crate) fn store_of<'v, R: ItemRecord>(
    view: &'v MergedRecords<R>,
    record: &Arc<R>,
    item: &str,
) -> Result<&'v JsonStore<R>, DataError> {
    let store = view.store_of(record.id());
    store
        .map(|store| &store.store)
        .ok_or_else(|| not_found(record, item))
}

/// Reads a big data item into memory.
pub(crate) fn read<R: ItemRecord>(
    store: &JsonStore<R>,
    record: &Arc<R>,
    item: &str,
) -> Result<Vec<u8>, DataError> {
    let data = store
        .read_big_data(record.id(), item, MAX_ITEM)
        .map_err(failed(record, item))?;
    data.ok_or_else(|| not_found(record, item))
}

/// Returns the size of a big data item: the recorded one, else that of its file.
pub(crate) fn size<R: ItemRecord>(
    view: &MergedRecords<R>,
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

/// Sums the sizes of all big data items of a record.
pub(crate) fn total<R: ItemRecord>(
    view: &MergedRecords<R>,
    record: &Arc<R>,
    items: &[String],
    recorded: &BTreeMap<String, i64>,
) -> Result<u64, DataError> {
    items.iter().try_fold(0u64, |sum, item| {
        Ok(sum.saturating_add(size(view, record, item, recorded.get(item).copied())?))
    })
}

/// Computes the digest to be recorded, unless it is given.
pub(crate) fn complete_image_digest(item: &mut BigDataItem) -> Result<(), DataError> {
    if item.digest.is_none() {
        if item.key.starts_with(MANIFEST) {
            return Err(DataError::DigestNeeded {
                key: item.key.clone(),
            });
        }
        item.digest = Some(digest_of(&item.data));
    }
    Ok(())
}

/// A big data item cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The name is empty, or its file would lie outside the directory of the big data items.
    #[error("{key:?} is not a valid name for a big data item")]
    InvalidName {
        /// The name.
        key: String,
        /// Why not.
        #[source]
        source: layerhold_json_store::KeyError,
    },
    /// The record has no big data item of this name.
    #[error("there is no big data item {key:?} for {kind} {id}")]
    NotFound {
        /// Layer, image or container.
        kind: ItemKind,
        /// Whose item.
        id: String,
        /// The item.
        key: String,
    },
    /// No temporary area can be made for the caller's data.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// The digest of a manifest was not given. It depends on the manifest's type and cannot be
    /// computed here.
    #[error(
        "cannot compute the digest of big data item {key:?}: it depends on the type of the manifest and has to be given"
    )]
    DigestNeeded {
        /// The item.
        key: String,
    },
    /// The recorded digest is not a digest.
    #[error("cannot use the recorded digest of big data item {key:?}: {text:?} is not a digest")]
    DigestDamaged {
        /// The item.
        key: String,
        /// The recorded text.
        text: String,
    },
    /// The item is too large to be read into memory.
    #[error("cannot read big data item {key:?}: it is larger than {limit} bytes")]
    TooLarge {
        /// The item.
        key: String,
        /// The limit.
        limit: u64,
    },
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The item cannot be read or written.
    #[error("cannot use a big data item of {kind} {id}")]
    Item {
        /// Layer, image or container.
        kind: ItemKind,
        /// Whose item.
        id: String,
        /// Why.
        #[source]
        source: Box<BigDataError>,
    },
    /// The data cannot be read from the caller.
    #[error("cannot read the data for big data item {key:?}")]
    Input {
        /// The item.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

file_errors_are_access!(DataError);
error_kind!(DataError, |error| match error {
    Self::InvalidName { .. } => Some(ErrorKind::InvalidBigDataName),
    Self::NotFound { .. } => Some(ErrorKind::DataUnknown),
    Self::DigestNeeded { .. } => Some(ErrorKind::DigestUnknown),
    Self::Lookup(error) => error.kind(),
    Self::Access(error) => error.kind(),
    _ => None,
});
