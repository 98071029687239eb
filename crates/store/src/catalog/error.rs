//! Errors of locking, reading, finding and changing records.

use std::path::PathBuf;

use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::{Cancelled, PathError};

use crate::records::error_kind::{ErrorKind, error_kind};
use crate::records::kinds::{ItemId, ItemKind};

/// The records of a store cannot be locked, read or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The records of one kind cannot be read.
    #[error("cannot read the {kind} records")]
    Read {
        /// Which records.
        kind: ItemKind,
        /// Why.
        #[source]
        source: Box<layerhold_json_store::ReadError>,
    },
    /// The records of one kind cannot be changed.
    #[error("cannot change the {kind} records")]
    Change {
        /// Which records.
        kind: ItemKind,
        /// Why.
        #[source]
        source: Box<layerhold_json_store::ChangeError>,
    },
    /// The records of one kind cannot be saved. They stay as they were.
    #[error("cannot save the {kind} records")]
    Save {
        /// Which records.
        kind: ItemKind,
        /// Why.
        #[source]
        source: Box<layerhold_json_store::SaveError>,
    },
    /// The records of one kind cannot be opened.
    #[error("cannot open the {kind} records")]
    Open {
        /// Which records.
        kind: ItemKind,
        /// Why.
        #[source]
        source: Box<layerhold_json_store::OpenError>,
    },
    /// A lock cannot be taken.
    #[error("cannot lock the store")]
    Lock(#[from] layerhold_lockfile::LockError),
    /// The driver was shut down by another process and cannot be opened again.
    #[error("cannot open the graph driver again")]
    Driver(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The leftovers of a layer that a dead process was creating or deleting cannot be removed.
    #[error("cannot remove what is left of layer {layer}")]
    Unfinished {
        /// The layer.
        layer: LayerId,
    },
    /// A write cannot be announced to other processes.
    #[error(transparent)]
    Token(#[from] layerhold_lockfile::TokenError),
    /// The file of mount counts cannot be parsed.
    #[error("cannot read mount counts from {path}")]
    Mounts {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: layerhold_schema::RecordError,
    },
    /// A record file of the other kind of opening (transient or durable) cannot be parsed.
    #[error("cannot read records from {}", .path.display())]
    OtherRecords {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<layerhold_schema::RecordError>,
    },
    /// A file or directory cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
    /// The caller cancelled the operation.
    #[error("cannot complete the operation")]
    Cancelled(#[from] Cancelled),
}

error_kind!(AccessError, |error| match error {
    Self::Mounts { .. } | Self::OtherRecords { .. } => Some(ErrorKind::LoadError),
    _ => None,
});

/// A key names no item of the store, or more than one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No item of that kind has this ID, name or prefix.
    #[error("{key}: {kind} not known")]
    Unknown {
        /// What was looked for.
        kind: ItemKind,
        /// The text.
        key: String,
    },
    /// No item of any kind has this ID, name or prefix.
    #[error("{key}: identifier is not a layer, image, or container")]
    Nothing {
        /// The text.
        key: String,
    },
    /// Several items of that kind have IDs that begin with this text.
    #[error("{key}: more than one {kind} has an ID that begins like this")]
    Ambiguous {
        /// What was looked for.
        kind: ItemKind,
        /// The text.
        key: String,
    },
    /// The item cannot be changed: it is in an additional store, which is read-only.
    #[error("cannot change {kind} {id}: it is in the read-only store at {}", .store.display())]
    ReadOnly {
        /// What it is.
        kind: ItemKind,
        /// Its ID.
        id: String,
        /// The root of the additional store.
        store: PathBuf,
    },
    /// The item exists, but its record is damaged.
    #[error("{key}: the record of this {kind} is damaged")]
    Damaged {
        /// What was looked for.
        kind: ItemKind,
        /// The text.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<layerhold_json_store::Damaged>,
    },
}

error_kind!(LookupError, |error| match error {
    Self::Unknown { kind, .. } | Self::Ambiguous { kind, .. } => Some(kind.unknown()),
    Self::Nothing { .. } => Some(ErrorKind::NotAnId),
    Self::ReadOnly { .. } => Some(ErrorKind::ReadOnly),
    Self::Damaged { .. } => Some(ErrorKind::LoadError),
});

/// A change conflicts with what is in the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The ID is taken.
    #[error("the {} ID {id} is already in use", .id.kind())]
    Id {
        /// The ID.
        id: ItemId,
    },
    /// The name is taken.
    #[error("the {} name {name:?} is already in use by {holder}", .holder.kind())]
    Name {
        /// The name.
        name: String,
        /// The item that has the name.
        holder: ItemId,
    },
    /// The parent layer was removed.
    #[error("the parent layer {parent} has been removed")]
    ParentGone {
        /// The parent.
        parent: LayerId,
    },
    /// The parent layer belongs to a container.
    #[error("would-be parent layer {parent} is the layer of container {container}")]
    ParentIsContainer {
        /// The parent.
        parent: LayerId,
        /// The container that owns the layer.
        container: ContainerId,
    },
    /// The ID maps of the parent layer changed while a child was staged on it.
    #[error("the ID maps of parent layer {parent} changed while a child was staged on it; retry")]
    ParentMapsChanged {
        /// The parent.
        parent: LayerId,
    },
    /// A layer of that ID has another parent.
    #[error("the layer {id} that is already present has another parent")]
    OtherParent {
        /// The layer.
        id: LayerId,
    },
    /// The ID maps of a staged tree differ from those of the layer.
    #[error("the tree has other ID maps than layer {layer}")]
    OtherMaps {
        /// The layer.
        layer: LayerId,
    },
    /// The contents of a layer cannot be replaced while it, or a layer on top of it, is mounted.
    #[error("layer {layer} is mounted")]
    LayerMounted {
        /// The layer.
        layer: LayerId,
    },
    /// A layer of that ID has other contents.
    #[error("the layer {id} that is already present has other contents")]
    OtherContents {
        /// The layer.
        id: LayerId,
    },
    /// An image of that ID has another top layer.
    #[error("the image {image} that is already present has another top layer")]
    OtherTopLayer {
        /// The image.
        image: ImageId,
    },
    /// The top layer of an image was removed.
    #[error("the layer {layer} has been removed")]
    LayerGone {
        /// The layer.
        layer: LayerId,
    },
    /// The image of a container was removed.
    #[error("the image {image} has been removed")]
    ImageGone {
        /// The image.
        image: ImageId,
    },
    /// The item to be changed was removed.
    #[error("the {} {id} has been removed", .id.kind())]
    Gone {
        /// The item.
        id: ItemId,
    },
    /// The layer for a container belongs to another container.
    #[error("layer {layer} belongs to container {container}")]
    LayerTaken {
        /// The layer.
        layer: LayerId,
        /// The container that owns it.
        container: ContainerId,
    },
}

error_kind!(Conflict, |error| match error {
    Self::Id { .. } => Some(ErrorKind::DuplicateId),
    Self::Name { .. } => Some(ErrorKind::DuplicateName),
    Self::ParentGone { .. } | Self::LayerGone { .. } => Some(ErrorKind::LayerUnknown),
    Self::ParentIsContainer { .. } => Some(ErrorKind::ParentIsContainer),
    Self::OtherParent { .. } | Self::OtherContents { .. } | Self::OtherTopLayer { .. } =>
        Some(ErrorKind::DuplicateId),
    Self::ImageGone { .. } => Some(ErrorKind::ImageUnknown),
    Self::Gone { id } => Some(id.kind().unknown()),
    Self::LayerTaken { .. } => Some(ErrorKind::DuplicateId),
    Self::LayerMounted { .. } => Some(ErrorKind::LayerUsedByContainer),
    Self::OtherMaps { .. } => Some(ErrorKind::InvalidMappings),
    Self::ParentMapsChanged { .. } => None,
});

/// Lets `?` turn a file error into the variant `Access` of an error.
macro_rules! file_errors_are_access {
    ($error:ident) => {
        impl From<layerhold_sys::PathError> for $error {
            fn from(error: layerhold_sys::PathError) -> Self {
                Self::Access($crate::AccessError::Os(error))
            }
        }
    };
}

pub(crate) use file_errors_are_access;
