//! The three kinds of items: layers, images and containers.

use std::fmt;

use layerhold_ids::{ContainerId, ImageId, LayerId};

use crate::records::error_kind::ErrorKind;

/// One of the three kinds of items that a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemKind {
    /// A layer.
    Layer,
    /// An image.
    Image,
    /// A container.
    Container,
}

impl ItemKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Image => "image",
            Self::Container => "container",
        }
    }

    /// Returns the kind of error for an unknown item of this kind.
    #[must_use]
    pub const fn unknown(self) -> ErrorKind {
        match self {
            Self::Layer => ErrorKind::LayerUnknown,
            Self::Image => ErrorKind::ImageUnknown,
            Self::Container => ErrorKind::ContainerUnknown,
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The ID of a layer, an image or a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemId {
    /// A layer's.
    Layer(LayerId),
    /// An image's.
    Image(ImageId),
    /// A container's.
    Container(ContainerId),
}

impl ItemId {
    /// Returns the kind of the item.
    #[must_use]
    pub const fn kind(&self) -> ItemKind {
        match self {
            Self::Layer(_) => ItemKind::Layer,
            Self::Image(_) => ItemKind::Image,
            Self::Container(_) => ItemKind::Container,
        }
    }

    /// Returns the ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Layer(id) => id.as_str(),
            Self::Image(id) => id.as_str(),
            Self::Container(id) => id.as_str(),
        }
    }
}

impl AsRef<str> for ItemId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
