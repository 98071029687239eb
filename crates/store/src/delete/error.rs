//! Why an item cannot be deleted.

use layerhold_driver::LayerError;
use layerhold_ids::{ContainerId, ImageId, LayerId};

use crate::catalog::error::{AccessError, LookupError, file_errors_are_access};
use crate::mount::error::MountError;
use crate::records::error_kind::{ErrorKind, error_kind};
use crate::records::kinds::ItemKind;

/// Something cannot be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// No such item of the kind that was to be deleted.
    #[error("{key}: identifier is not {}", article(.kind))]
    NotA {
        /// What was to be deleted.
        kind: ItemKind,
        /// The text.
        key: String,
    },
    /// The text names nothing at all, or not one thing.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The layer has children.
    #[error("layer {layer} is used by layer {child}")]
    HasChildren {
        /// The layer.
        layer: LayerId,
        /// One of them.
        child: LayerId,
    },
    /// The layer is the top layer of an image.
    #[error("layer {layer} is used by image {image}")]
    UsedByImage {
        /// The layer.
        layer: LayerId,
        /// One of them.
        image: ImageId,
    },
    /// The layer is that of a container.
    #[error("layer {layer} is used by container {container}")]
    UsedByContainer {
        /// The layer.
        layer: LayerId,
        /// The container.
        container: ContainerId,
    },
    /// The image has containers.
    #[error("image {image} is used by container {container}")]
    ImageUsedByContainer {
        /// The image.
        image: ImageId,
        /// One of them.
        container: ContainerId,
    },
    /// The layer cannot be unmounted.
    #[error("cannot unmount before deleting")]
    Unmount(#[source] Box<MountError>),
    /// The driver refuses.
    #[error("cannot remove layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// The driver cannot list its layers.
    #[error("cannot list the layers of the driver")]
    List(#[source] LayerError),
    /// What was removed from the store cannot be erased from the disk. The next writer tries again.
    #[error("removed, but not yet erased from the disk")]
    Erase(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

file_errors_are_access!(DeleteError);
error_kind!(DeleteError, |error| match error {
    Self::NotA {
        kind: ItemKind::Layer,
        ..
    } => Some(ErrorKind::NotALayer),
    Self::NotA {
        kind: ItemKind::Image,
        ..
    } => Some(ErrorKind::NotAnImage),
    Self::NotA {
        kind: ItemKind::Container,
        ..
    } => Some(ErrorKind::NotAContainer),
    Self::Lookup(error) => error.kind(),
    Self::HasChildren { .. } => Some(ErrorKind::LayerHasChildren),
    Self::UsedByImage { .. } => Some(ErrorKind::LayerUsedByImage),
    Self::UsedByContainer { .. } => Some(ErrorKind::LayerUsedByContainer),
    Self::ImageUsedByContainer { .. } => Some(ErrorKind::ImageUsedByContainer),
    Self::Unmount(error) => error.kind(),
    Self::Access(error) => error.kind(),
    _ => None,
});

fn article(kind: &ItemKind) -> &'static str {
    match kind {
        ItemKind::Layer => "a layer",
        ItemKind::Image => "an image",
        ItemKind::Container => "a container",
    }
}
