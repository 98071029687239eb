//! Copies an image from an additional store, where it cannot be changed.
//!
//! Go does the same when such an image gets a name, or is created again under its ID (Go: store.go,
//! `CreateImage`, `updateNames`). There it fails or removes names if another image has one of its
//! names by now. Here, names that other images of this store have stay theirs: a lookup finds the
//! same image as before.

use std::sync::Arc;

use layerhold_ids::ImageId;

use crate::catalog::big_data::read;
use crate::catalog::error::LookupError;
use crate::catalog::lookup::by_id;
use crate::catalog::record_stores::{RecordStore, Records};
use crate::catalog::snapshot::Snapshot;
use crate::records::Image;
use crate::records::big_data_item::BigDataItem;
use crate::spec::ImageSpec;
use crate::spec::error::StageError;

/// An image that is only in an additional store.
pub(super) struct OnlyAdditional {
    image: Arc<Image>,
    store: Arc<RecordStore<Image>>,
}

/// Finds an image of that ID that is only in an additional store.
pub(super) fn only_additional(
    view: &Snapshot,
    id: &ImageId,
) -> Result<Option<OnlyAdditional>, LookupError> {
    if view.images.additional_root(id.as_str()).is_none() {
        return Ok(None);
    }
    let image = by_id(&view.images, id.as_str())?;
    let store = view.images.store_of(id.as_str()).map(Arc::clone);
    Ok(image
        .zip(store)
        .map(|(image, store)| OnlyAdditional { image, store }))
}

/// Completes a specification from the image's record.
pub(super) fn copy_from_additional(
    view: &Snapshot,
    known: &OnlyAdditional,
    spec: &mut ImageSpec,
) -> Result<(), StageError> {
    let record = known.image.record();
    let free = record
        .names
        .iter()
        .filter(|name| view.images.holder_of(name).is_none() && !spec.names.contains(name));
    let names: Vec<String> = free.cloned().collect();
    spec.names.extend(names);
    spec.names_history.extend(record.names_history.clone());
    spec.top_layer = spec
        .top_layer
        .take()
        .or_else(|| known.image.top_layer().cloned());
    spec.created = spec.created.or(Some(record.created));
    spec.digest = spec.digest.take().or_else(|| known.image.digest());
    if spec.metadata.is_empty() {
        spec.metadata.clone_from(&record.metadata);
    }
    for (name, value) in record.flags.iter() {
        if spec.flags.get(name).is_none() {
            spec.flags.set(name, value.clone());
        }
    }
    for key in &record.big_data_names {
        if spec.big_data.iter().any(|item| item.key == *key) {
            continue;
        }
        spec.big_data.push(BigDataItem {
            key: key.clone(),
            data: read(&known.store.store, &known.image, key)?,
            // An unrecorded digest stays unrecorded.
            digest: record
                .big_data_digests
                .get(key)
                .and_then(|text| text.parse().ok()),
        });
    }
    Ok(())
}
