//! Judges records that name something missing.
//!
//! The missing item may be lost, or be in an image store or additional store that this store does
//! not name. Records do not say which. It counts as lost unless one of these is found:
//!
//! - a tar-split file of a layer that has neither record nor contents here: these are in an image
//!   store;
//! - an additional store that is named and does not exist, because its disk is not mounted;
//! - for a store that names no other: an image with big data items and no layer here; a container
//!   with neither image nor parent here; a layer of which the driver knows no parent.

use layerhold_ids::ImageId;

use super::inspection::Inspection;
use super::verdict::Verdict;
use crate::records::kinds::ItemKind;
use crate::records::{Container, Image, Layer};

impl Inspection<'_> {
    /// The verdict on a layer whose parent has no record.
    pub(super) fn verdict_without_parent(&self, layer: &Layer) -> Verdict {
        let is_of_stranger = |container: &Container| {
            let image = container.image();
            container.layer() == layer.id()
                && image.is_some_and(|image| self.is_image_elsewhere(image))
        };
        let is_elsewhere = self.names_no_other()
            && (self.containers.values().any(|one| is_of_stranger(one))
                || matches!(
                    self.driver.maintenance().knows_any_parent(layer.id()),
                    Ok(Some(false))
                ));
        self.missing(ItemKind::Layer, is_elsewhere)
    }

    /// The verdict on an image with a layer that has no record.
    pub(super) fn verdict_without_layer(&self, image: &Image) -> Verdict {
        let chain = image.top_layer().map(|top| self.chain(top));
        match chain.as_ref().and_then(|chain| chain.last()) {
            Some(lowest) => self.verdict_without_parent(lowest),
            None => {
                let is_elsewhere = self.names_no_other() && self.has_no_layer(image);
                self.missing(ItemKind::Layer, is_elsewhere)
            }
        }
    }

    /// Tells whether an image has no record, or one with big data items and no layer here.
    fn is_image_elsewhere(&self, image: &ImageId) -> bool {
        match self.images.get(image) {
            Some(image) => self.has_no_layer(image),
            None => !self.has_image(image),
        }
    }

    fn has_no_layer(&self, image: &Image) -> bool {
        let is_whole = !image.record().big_data_names.is_empty();
        is_whole && image.top_layer().is_some_and(|top| !self.is_recorded(top))
    }

    /// The verdict on a container whose image has no record.
    pub(super) fn verdict_without_image(&self, container: &Container) -> Verdict {
        let own = self.layers.get(container.layer());
        let parent = own.and_then(|layer| layer.parent());
        let has_no_parent = parent.is_some_and(|parent| !self.is_recorded(parent));
        let is_elsewhere = self.names_no_other() && has_no_parent;
        self.missing(ItemKind::Image, is_elsewhere)
    }

    fn missing(&self, kind: ItemKind, is_elsewhere: bool) -> Verdict {
        if is_elsewhere || self.has_unseen_stores {
            return Verdict::Unjudged;
        }
        self.damaged_unless_lost(&[kind])
    }

    /// Tells whether this store names no other store.
    fn names_no_other(&self) -> bool {
        let engine = self.engine;
        engine.catalog.layout.image_store.is_none()
            && engine.catalog.layers.additional().next().is_none()
    }
}
