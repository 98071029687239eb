//! Adds images to a transaction.

use layerhold_ids::{ImageId, LayerId, dedupe_names};
use layerhold_schema::{ImageRecord, Timestamp};

use super::copy_from_additional::{copy_from_additional, only_additional};
use super::{NewImage, Transaction, check, fresh_id, name_conflict};
use crate::catalog::big_data::complete_image_digest;
use crate::catalog::error::Conflict;
use crate::catalog::record_stores::Records;
use crate::catalog::snapshot::Snapshot;
use crate::records::Image;
use crate::records::big_data_item::{MANIFEST, note_item};
use crate::records::kinds::ItemId;
use crate::spans::{note_id, operation};
use crate::spec::error::StageError;
use crate::spec::{ImageIfPresent, ImageSpec, ManifestRule, NameConflict};

impl Transaction {
    /// Adds an image.
    ///
    /// An image of the same ID may be in an additional store. Then the specification is completed
    /// from it, and the new image hides it.
    ///
    /// Go: `Store.CreateImage`.
    ///
    /// # Errors
    ///
    /// [`StageError::Lookup`] when its top layer is neither in the store nor in the transaction;
    /// [`StageError::Conflict`] when its ID or a name is taken; [`StageError::Data`] for a big data
    /// item with an invalid name, or a manifest without a digest; [`StageError::NoManifest`]
    /// without a manifest, unless the specification allows it.
    pub fn create_image(&mut self, mut spec: ImageSpec) -> Result<ImageId, StageError> {
        let span = operation!("create_image", kind = "image");
        let view = self.engine.snapshot()?;
        spec.names = dedupe_names(std::mem::take(&mut spec.names));
        let id = match spec.id.take() {
            Some(id) => id,
            None => fresh_id!(ImageId)?,
        };
        note_id(&span, &id);
        check::refuse_reserved(&spec.flags)?;
        self.check_image(&view, &id, &spec)?;
        for item in &mut spec.big_data {
            complete_image_digest(item)?;
        }
        if let Some(known) = only_additional(&view, &id)? {
            copy_from_additional(&view, &known, &mut spec)?;
        }
        if let Some(layer) = &spec.top_layer {
            self.require_layer(&view, layer)?;
        }
        let has_manifest = spec.big_data.iter().any(|item| item.key == MANIFEST);
        if spec.manifest == ManifestRule::Required && !has_manifest {
            return Err(StageError::NoManifest { image: id });
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
            // Two images of one transaction cannot have the same name, even if names may move.
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
        // Names that move are added as by Go's `AddNames`, which also notes them in the history.
        spec.names
            .iter()
            .for_each(|name| record.add_name_to_history(name));
    }
    for item in &spec.big_data {
        note_item(&mut record, item);
    }
    record
}
