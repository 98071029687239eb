//! What it means that something is missing which a record names.
//!
//! It may be gone, or be in a store that this opening does not name: an image store, an additional
//! store. Records do not say which. It is taken for gone unless something speaks against that:
//!
//! - a tar-split file of a layer that has neither record nor contents here: those are in an image
//!   store;
//! - a store that is named and is not there, because its disk is not mounted;
//! - for an opening that names no other store: an image with data items of which no layer is here;
//!   a container of which neither image nor parent is here; a layer of which the driver knows none
//!   of the layers below.

use layerhold_ids::ImageId;

use super::inspection::Inspection;
use super::verdict::Verdict;
use crate::records::kinds::ItemKind;
use crate::records::{Container, Image, Layer};

impl Inspection<'_> {
    /// What a layer means whose parent has no record.
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

    /// What an image means of which a layer has no record.
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

    /// Tells whether an image has no record, or one that names data items and layers of which none
    /// is here.
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

    /// What a container means whose image has no record.
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

    /// Tells whether the opening names no store but its own.
    fn names_no_other(&self) -> bool {
        let engine = self.engine;
        engine.catalog.layout.split.is_none() && engine.catalog.layers.additional().next().is_none()
    }
}
