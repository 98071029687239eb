//! The kinds of failure that callers of Go's containers/storage tell apart.

use std::fmt;

/// A kind of failure that the Go library gives a text of its own (Go: types/errors.go, errors.go).
///
/// Every error of this crate answers `kind()`; tools that have to print what Go prints take the
/// text from here and never from a message.
///
/// ```
/// use layerhold::ErrorKind;
///
/// assert_eq!(ErrorKind::LayerUnknown.text(), "layer not known");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No container of that ID, name or prefix.
    ContainerUnknown,
    /// No image of that ID, name or prefix.
    ImageUnknown,
    /// No layer of that ID, name or prefix.
    LayerUnknown,
    /// The parent that a layer's record names has no record. No error of this library is of that
    /// kind: such a layer is told to be unknown where it is needed, and found by a check.
    ParentUnknown,
    /// The ID asked for a new item is taken.
    DuplicateId,
    /// A name asked for a new item is taken.
    DuplicateName,
    /// A read-only store gives one name to several images. No error of this library is of that
    /// kind: the names are put right in memory.
    DuplicateImageNames,
    /// A read-only store gives one name to several layers; as for images.
    DuplicateLayerNames,
    /// The image has a container.
    ImageUsedByContainer,
    /// A new layer may not stand on the layer of a container.
    ParentIsContainer,
    /// The layer has children.
    LayerHasChildren,
    /// The layer belongs to a container.
    LayerUsedByContainer,
    /// The layer belongs to an image.
    LayerUsedByImage,
    /// The layer is not mounted.
    LayerNotMounted,
    /// The size is recorded nowhere and cannot be found out.
    SizeUnknown,
    /// The digest of a big data item cannot be computed.
    DigestUnknown,
    /// A big data item may not have that name.
    InvalidBigDataName,
    /// The store, or the part of it that would have to change, is read-only.
    ReadOnly,
    /// An option needed for opening is missing.
    IncompleteOptions,
    /// A record file cannot be made sense of.
    LoadError,
    /// The ID names no layer.
    NotALayer,
    /// The ID names no image.
    NotAnImage,
    /// The ID names no container.
    NotAContainer,
    /// The ID names nothing.
    NotAnId,
    /// The driver or this library cannot do that.
    NotSupported,
    /// Maps of user or group IDs overlap or are otherwise wrong.
    InvalidMappings,
    /// No free range of IDs for a user namespace.
    NoAvailableIds,
}

impl ErrorKind {
    /// Returns the text that Go's library uses.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ContainerUnknown => "container not known",
            Self::ImageUnknown => "image not known",
            Self::LayerUnknown => "layer not known",
            Self::ParentUnknown => "parent of layer not known",
            Self::DuplicateId => "that ID is already in use",
            Self::DuplicateName => "that name is already in use",
            Self::DuplicateImageNames => {
                "read-only image store assigns the same name to multiple images"
            }
            Self::DuplicateLayerNames => {
                "read-only layer store assigns the same name to multiple layers"
            }
            Self::ImageUsedByContainer => "image is in use by a container",
            Self::ParentIsContainer => "would-be parent layer is a container",
            Self::LayerHasChildren => "layer has children",
            Self::LayerUsedByContainer => "layer is in use by a container",
            Self::LayerUsedByImage => "layer is in use by an image",
            Self::LayerNotMounted => "layer is not mounted",
            Self::SizeUnknown => "size is not known",
            Self::DigestUnknown => "could not compute digest of item",
            Self::InvalidBigDataName => "not a valid name for a big data item",
            Self::ReadOnly => "called a write method on a read-only store",
            Self::IncompleteOptions => "missing necessary StoreOptions",
            Self::LoadError => "error loading storage metadata",
            Self::NotALayer => "identifier is not a layer",
            Self::NotAnImage => "identifier is not an image",
            Self::NotAContainer => "identifier is not a container",
            Self::NotAnId => "identifier is not a layer, image, or container",
            Self::NotSupported => "not supported",
            Self::InvalidMappings => "invalid mappings specified",
            Self::NoAvailableIds => "not enough unused IDs in user namespace",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
