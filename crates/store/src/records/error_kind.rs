//! The kinds of failure that callers of Go's containers/storage tell apart.

use std::error::Error;
use std::{fmt, io};

use layerhold_archive::ImportError;
use layerhold_lockfile::LockError;
use layerhold_sys::causes;

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
    /// The record has no big data item of that name.
    DataUnknown,
    /// The container has no file of that name.
    FileUnknown,
    /// The disk is full, or a quota is used up.
    OutOfSpace,
    /// The caller asked for the work to stop ([`Cancel`](layerhold_sys::Cancel)).
    Cancelled,
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
            Self::DataUnknown | Self::FileUnknown => "file does not exist",
            Self::OutOfSpace => "no space left on device",
            Self::Cancelled => "context canceled",
        }
    }
}

impl ErrorKind {
    /// Tells whether something that was named does not exist.
    #[must_use]
    pub const fn is_not_found(self) -> bool {
        matches!(
            self,
            Self::ContainerUnknown
                | Self::ImageUnknown
                | Self::LayerUnknown
                | Self::ParentUnknown
                | Self::NotALayer
                | Self::NotAnImage
                | Self::NotAContainer
                | Self::NotAnId
                | Self::DataUnknown
                | Self::FileUnknown
        )
    }

    /// Tells whether something else in the store is in the way: it has the ID or the name, or uses
    /// the item.
    #[must_use]
    pub const fn is_conflict(self) -> bool {
        matches!(
            self,
            Self::DuplicateId
                | Self::DuplicateName
                | Self::ImageUsedByContainer
                | Self::ParentIsContainer
                | Self::LayerHasChildren
                | Self::LayerUsedByContainer
                | Self::LayerUsedByImage
        )
    }

    /// The kind that the causes of an error tell: a full disk, work that was cancelled.
    pub(crate) fn of_causes(error: &(dyn Error + 'static)) -> Option<Self> {
        causes(error).find_map(Self::of_cause)
    }

    fn of_cause(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let kind = error.kind();
            let is_full = matches!(
                kind,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            return is_full.then_some(Self::OutOfSpace);
        }
        let is_cancelled = matches!(error.downcast_ref(), Some(ImportError::Cancelled))
            || matches!(error.downcast_ref(), Some(LockError::Cancelled { .. }));
        is_cancelled.then_some(Self::Cancelled)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Gives an error type its `kind()`, and the questions that callers ask most. The kind is that of
/// the expression, else that of the causes.
macro_rules! error_kind {
    ($error:ident, |$this:ident| $kind:expr) => {
        impl $error {
            /// Returns the kind of failure, if it is one that callers tell apart.
            #[must_use]
            pub fn kind(&self) -> Option<$crate::ErrorKind> {
                let $this = self;
                let kind: Option<$crate::ErrorKind> = $kind;
                kind.or_else(|| $crate::ErrorKind::of_causes(self))
            }

            /// Tells whether something that was named does not exist.
            #[must_use]
            pub fn is_not_found(&self) -> bool {
                self.kind().is_some_and($crate::ErrorKind::is_not_found)
            }

            /// Tells whether something else in the store is in the way: it has the ID or the name,
            /// or uses the item.
            #[must_use]
            pub fn is_conflict(&self) -> bool {
                self.kind().is_some_and($crate::ErrorKind::is_conflict)
            }

            /// Tells whether the disk is full, or a quota is used up.
            #[must_use]
            pub fn is_out_of_space(&self) -> bool {
                self.kind() == Some($crate::ErrorKind::OutOfSpace)
            }

            /// Tells whether the caller asked for the work to stop.
            #[must_use]
            pub fn is_cancelled(&self) -> bool {
                self.kind() == Some($crate::ErrorKind::Cancelled)
            }
        }
    };
}

pub(crate) use error_kind;
