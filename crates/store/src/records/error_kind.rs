//! Kinds of failure that callers tell apart, most of them as in Go's containers/storage.

use std::error::Error;
use std::fmt;

use layerhold_archive::CodecError;
use layerhold_lockfile::LockError;
use layerhold_sys::{causes, is_cancelled, is_out_of_space};

/// A kind of failure that callers tell apart (Go: types/errors.go, errors.go).
///
/// Every error of this crate answers `kind()`. Tools that print what Go prints take the text from
/// here, never from an error message.
///
/// ```
/// use layerhold::ErrorKind;
///
/// assert_eq!(ErrorKind::LayerUnknown.text(), "layer not known");
/// ```
///
/// Callers seldom need to match variants:
///
/// ```
/// # use layerhold::StoreOptions;
/// use layerhold::{DeleteMode, ErrorKind, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
/// # let store = Store::open(options)?;
/// match store.delete_image("alpine", DeleteMode::Delete) {
///     Ok(layers) => println!("deleted with {} layers", layers.len()),
///     Err(error) if error.is_not_found() => println!("there is no such image"),
///     Err(error) if error.is_conflict() => println!("it is in use: {error}"),
///     Err(error) if error.kind() == Some(ErrorKind::LockTimeout) => println!("try again later"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
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
    /// The parent of a layer has no record. Errors of this crate never have this kind: they report
    /// such a parent as an unknown layer, and a check finds it.
    ParentUnknown,
    /// The ID for a new item is taken.
    DuplicateId,
    /// A name for a new item is taken.
    DuplicateName,
    /// A read-only store gives one name to several images. Errors of this crate never have this
    /// kind: the names are corrected in memory.
    DuplicateImageNames,
    /// A read-only store gives one name to several layers. Errors of this crate never have this
    /// kind.
    DuplicateLayerNames,
    /// The image has a container.
    ImageUsedByContainer,
    /// The layer of a container cannot be the parent of a new layer.
    ParentIsContainer,
    /// The layer has children.
    LayerHasChildren,
    /// The layer belongs to a container.
    LayerUsedByContainer,
    /// The layer belongs to an image.
    LayerUsedByImage,
    /// The layer is not mounted.
    LayerNotMounted,
    /// The size is not recorded and cannot be computed.
    SizeUnknown,
    /// The digest of a big data item cannot be computed.
    DigestUnknown,
    /// The name is not valid for a big data item.
    InvalidBigDataName,
    /// The store, or the additional store with the item, is read-only.
    ReadOnly,
    /// An option that opening needs is missing.
    IncompleteOptions,
    /// A record file cannot be parsed.
    LoadError,
    /// The ID names no layer.
    NotALayer,
    /// The ID names no image.
    NotAnImage,
    /// The ID names no container.
    NotAContainer,
    /// The ID names nothing.
    NotAnId,
    /// The driver or this library does not support the operation.
    NotSupported,
    /// ID maps overlap or are otherwise invalid.
    InvalidMappings,
    /// No range of IDs is free for a user namespace.
    NoAvailableIds,
    /// The record has no big data item of that name.
    DataUnknown,
    /// The container has no file of that name.
    FileUnknown,
    /// The disk is full, or a quota is used up.
    OutOfSpace,
    /// The caller cancelled the operation ([`Cancel`](layerhold_sys::Cancel)).
    Cancelled,
    /// A lock did not become free in the time that
    /// [`StoreOptions::with_lock_timeout`](crate::StoreOptions::with_lock_timeout) gives.
    LockTimeout,
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
            Self::LockTimeout => "lock is held by another process",
        }
    }
}

impl ErrorKind {
    /// Tells whether a named item, file or big data item does not exist.
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

    /// Tells whether another item is in the way: it has the ID or name, or uses the item.
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

    /// Finds the kind in the causes of an error: a full disk, a cancelled operation, a lock that
    /// did not become free in time, a codec that is not built in.
    pub(crate) fn of_causes(error: &(dyn Error + 'static)) -> Option<Self> {
        if is_out_of_space(error) {
            return Some(Self::OutOfSpace);
        }
        if is_cancelled(error) {
            return Some(Self::Cancelled);
        }
        causes(error).find_map(|cause| {
            if let Some(LockError::TimedOut { .. }) = cause.downcast_ref() {
                return Some(Self::LockTimeout);
            }
            match cause.downcast_ref() {
                Some(CodecError::NotBuiltIn { .. }) => Some(Self::NotSupported),
                _ => None,
            }
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Gives an error type `kind()` and the most common questions. The kind is that of the expression,
/// else that of the causes.
macro_rules! error_kind {
    ($error:ident, |$this:ident| $kind:expr) => {
        impl $error {
            /// Returns the kind of failure, if callers tell it apart.
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

            /// Tells whether the caller cancelled the operation.
            #[must_use]
            pub fn is_cancelled(&self) -> bool {
                self.kind() == Some($crate::ErrorKind::Cancelled)
            }
        }
    };
}

pub(crate) use error_kind;
