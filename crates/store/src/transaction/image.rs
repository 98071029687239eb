//! Adding images to a transaction.

use std::collections::BTreeMap;

use layerhold_ids::{ImageId, LayerId, dedupe_names};
use layerhold_schema::{ImageRecord, Timestamp};

use super::area::digest_of;
use super::copy_from_additional::{copy_from_additional, only_additional};
use super::{NewImage, Transaction, check, fresh_id, name_conflict};
use crate::catalog::big_data::DataError;
use crate::catalog::error::Conflict;
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::records::Image;
use crate::records::kinds::ItemId;
use crate::spec::{BigDataItem, ImageIfPresent, ImageSpec, NameConflict};
use crate::transaction::error::StageError;

/// Items with such names are manifests; how they are digested depends on their type.
const MANIFEST_PREFIX: &str = "manifest";

impl Transaction {
    /// Adds an image.
    ///
    /// An image of that ID that is only in an additional store is no hindrance: what the
    /// specification leaves open is taken over from it, and the new image hides it.
    ///
    /// Go: `Store.CreateImage`.
    ///
    /// # Errors
    ///
    /// [`StageError::Lookup`] when its top layer is neither in the store nor in the transaction;
    /// [`StageError::Conflict`] when its ID or a name is taken; [`StageError::Data`] for a data
    /// item of an impossible name, or a manifest without a digest.
    pub fn create_image(&mut self, mut spec: ImageSpec) -> Result<ImageId, StageError> {
        let view = self.engine.snapshot()?;
        spec.names = dedupe_names(std::mem::take(&mut spec.names));
        let id = match spec.id.take() {
            Some(id) => id,
            None => fresh_id!(ImageId)?,
        };
        check::refuse_reserved(&spec.flags)?;
        self.check_image(&view, &id, &spec)?;
        for item in &mut spec.big_data {
            complete_digest(item)?;
        }
        if let Some(known) = only_additional(&view, &id)? {
            copy_from_additional(&view, &known, &mut spec)?;
        }
        if let Some(layer) = &spec.top_layer {
            self.require_layer(&view, layer)?;
        }
        let data = self.image_area().data_items(&spec.big_data)?;
        let mut record = Image::new(record_of(&id, &spec))
            .map_err(StageError::invalid(ItemId::Image(id.clone())))?;
        record
            .refresh_digests()
            .map_err(StageError::invalid(ItemId::Image(id.clone())))?;
        self.images.push(NewImage {
            record,
            data,
            items: spec.big_data,
            name_conflict: spec.name_conflict,
            if_present: spec.if_present,
        });
        Ok(id)
    }

    fn check_image(
        &self,
        view: &Snapshot,
        id: &ImageId,
        spec: &ImageSpec,
    ) -> Result<(), StageError> {
        if self.new_image(id).is_some() {
            return Err(Conflict::Id {
                id: ItemId::Image(id.clone()),
            }
            .into());
        }
        match (view.image_by_id(id)?, spec.if_present) {
            (Some(_), ImageIfPresent::Refuse) if view.images.is_own(id.as_str()) => {
                return Err(Conflict::Id {
                    id: ItemId::Image(id.clone()),
                }
                .into());
            }
            (Some(known), ImageIfPresent::Update)
                if known.top_layer() != spec.top_layer.as_ref() =>
            {
                return Err(Conflict::OtherTopLayer { image: id.clone() }.into());
            }
            _ => {}
        }
        for name in &spec.names {
            // Two images of one transaction cannot have one name, whatever may move.
            if let Some(new) = self
                .images
                .iter()
                .find(|new| new.record.names().contains(name))
            {
                return Err(name_conflict(name, ItemId::Image(new.record.id().clone())).into());
            }
            let held_by_itself = view.images.holder_of(name) == Some(id.as_str());
            if spec.name_conflict == NameConflict::Refuse && !held_by_itself {
                check::name_is_free(&view.images, name)?;
            }
        }
        Ok(())
    }

    fn require_layer(&self, view: &Snapshot, layer: &LayerId) -> Result<(), StageError> {
        self.layer_record(view, layer).map(drop)
    }
}

/// Fills in the digest that will be recorded.
fn complete_digest(item: &mut BigDataItem) -> Result<(), DataError> {
    if item.digest.is_none() {
        if item.key.starts_with(MANIFEST_PREFIX) {
            return Err(DataError::DigestNeeded {
                key: item.key.clone(),
            });
        }
        item.digest = Some(digest_of(&item.data));
    }
    Ok(())
}

/// Fills in the digest of an item of an image.
pub(crate) fn complete_image_digest(item: &mut BigDataItem) -> Result<(), DataError> {
    complete_digest(item)
}

fn record_of(id: &ImageId, spec: &ImageSpec) -> ImageRecord {
    let mut record = ImageRecord {
        id: id.to_string(),
        digest: spec
            .digest
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        names: spec.names.clone(),
        names_history: spec.names_history.clone(),
        layer: spec
            .top_layer
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        metadata: spec.metadata.clone(),
        created: spec.created.unwrap_or_else(Timestamp::now),
        flags: spec.flags.clone(),
        ..ImageRecord::default()
    };
    if spec.name_conflict == NameConflict::Move {
        // Names that move are given as Go's `AddNames` gives them, which also notes them in the
        // history.
        spec.names
            .iter()
            .for_each(|name| record.add_name_to_history(name));
    }
    for item in &spec.big_data {
        note_item(&mut record, item);
    }
    record
}

/// Notes a data item in the record of an image.
pub(crate) fn note_item(record: &mut ImageRecord, item: &BigDataItem) {
    note_in(
        &mut record.big_data_names,
        &mut record.big_data_sizes,
        &mut record.big_data_digests,
        item,
    );
}

/// Takes out what is noted of a data item that is about to be replaced, unless the same is to be
/// noted of what replaces it. Tells whether there was anything: then the record is to be saved
/// before the item is written, or a crash could leave a record that says of the new data what was
/// true of the old.
pub(crate) fn forget_in(
    sizes: &mut BTreeMap<String, i64>,
    digests: &mut BTreeMap<String, String>,
    item: &BigDataItem,
) -> bool {
    let size = i64::try_from(item.data.len()).unwrap_or(i64::MAX);
    let digest = item.digest.as_ref().map(ToString::to_string);
    let is_other_size = sizes.get(&item.key).is_some_and(|known| *known != size);
    let is_other = digests
        .get(&item.key)
        .is_some_and(|known| Some(known) != digest.as_ref());
    if is_other || is_other_size {
        drop(digests.remove(&item.key));
        let _size = sizes.remove(&item.key);
    }
    is_other || is_other_size
}

/// Notes a data item in the three fields that records of images and containers have for them.
pub(super) fn note_in(
    names: &mut Vec<String>,
    sizes: &mut BTreeMap<String, i64>,
    digests: &mut BTreeMap<String, String>,
    item: &BigDataItem,
) {
    if !names.contains(&item.key) {
        names.push(item.key.clone());
    }
    let size = i64::try_from(item.data.len()).unwrap_or(i64::MAX);
    sizes.insert(item.key.clone(), size);
    if let Some(digest) = &item.digest {
        digests.insert(item.key.clone(), digest.to_string());
    }
}
