//! What can go wrong, one enum per family of operations.
//!
//! Each answers `kind()`, the kind that callers of the Go library tell apart, where there is one.

use std::path::PathBuf;

use layerhold_driver::LayerError;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::PathError;

use crate::item::{ItemId, ItemKind};
use crate::kind::ErrorKind;

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
    /// The records of one kind cannot be saved. They are as before.
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
    #[error(transparent)]
    Lock(#[from] layerhold_lockfile::LockError),
    /// The driver was shut down by another process and cannot be opened again.
    #[error("cannot open the graph driver again")]
    Driver(#[source] Box<OpenError>),
    /// What a dead process left of a layer cannot be removed.
    #[error("cannot remove what is left of layer {layer}")]
    Remains {
        /// The layer.
        layer: LayerId,
    },
    /// A write cannot be announced to other processes.
    #[error(transparent)]
    Token(#[from] layerhold_lockfile::TokenError),
    /// The file that counts mounts holds something else.
    #[error("{path} does not hold mount counts")]
    Mounts {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: layerhold_schema::RecordError,
    },
    /// A file or directory cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl AccessError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Mounts { .. } => Some(ErrorKind::LoadError),
            _ => None,
        }
    }
}

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Graph root or run root is empty.
    #[error("missing necessary StoreOptions: graph root and run root must be given")]
    IncompleteOptions,
    /// A directory cannot be used.
    #[error("cannot use the store at {root}")]
    Directory {
        /// The graph root.
        root: PathBuf,
        /// Why.
        #[source]
        source: PathError,
    },
    /// No driver fits.
    #[error("cannot open the graph driver of the store at {root}")]
    Driver {
        /// The graph root.
        root: PathBuf,
        /// Why.
        #[source]
        source: layerhold_driver::OpenError,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl OpenError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::IncompleteOptions => Some(ErrorKind::IncompleteOptions),
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}

/// A text names nothing in the store, or not one thing.
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
    /// The item is there, but its record is damaged.
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

impl LookupError {
    /// The kind that Go tells apart. An ambiguous prefix is unknown there.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Unknown { kind, .. } | Self::Ambiguous { kind, .. } => Some(kind.unknown()),
            Self::Nothing { .. } => Some(ErrorKind::NotAnId),
            Self::Damaged { .. } => Some(ErrorKind::LoadError),
        }
    }
}

/// Something in the store stands against a change.
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
        /// Who has it.
        holder: ItemId,
    },
    /// The layer below has gone.
    #[error("the parent layer {parent} has been removed")]
    ParentGone {
        /// The parent.
        parent: LayerId,
    },
    /// The layer below belongs to a container.
    #[error("would-be parent layer {parent} is the layer of container {container}")]
    ParentIsContainer {
        /// The parent.
        parent: LayerId,
        /// Whose layer it is.
        container: ContainerId,
    },
    /// The ID maps of the layer below changed while a child was staged on it.
    #[error("the ID maps of parent layer {parent} changed meanwhile; retry")]
    ParentMapsChanged {
        /// The parent.
        parent: LayerId,
    },
    /// A layer of that ID stands on another parent.
    #[error("the layer {id} that is already present has another parent")]
    OtherParent {
        /// The layer.
        id: LayerId,
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
    /// An image's top layer has gone.
    #[error("the layer {layer} has been removed")]
    LayerGone {
        /// The layer.
        layer: LayerId,
    },
    /// A container's image has gone.
    #[error("the image {image} has been removed")]
    ImageGone {
        /// The image.
        image: ImageId,
    },
    /// An item that was to be changed has gone.
    #[error("the {} {id} has been removed", .id.kind())]
    Gone {
        /// The item.
        id: ItemId,
    },
    /// The layer that a container was to get belongs to another.
    #[error("layer {layer} belongs to container {container}")]
    LayerTaken {
        /// The layer.
        layer: LayerId,
        /// Whose it is.
        container: ContainerId,
    },
}

impl Conflict {
    /// The kind that Go tells apart.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        Some(match self {
            Self::Id { .. } => ErrorKind::DuplicateId,
            Self::Name { .. } => ErrorKind::DuplicateName,
            Self::ParentGone { .. } | Self::LayerGone { .. } => ErrorKind::LayerUnknown,
            Self::ParentIsContainer { .. } => ErrorKind::ParentIsContainer,
            Self::OtherParent { .. } | Self::OtherContents { .. } | Self::OtherTopLayer { .. } => {
                ErrorKind::DuplicateId
            }
            Self::ImageGone { .. } => ErrorKind::ImageUnknown,
            Self::Gone { id } => id.kind().unknown(),
            Self::LayerTaken { .. } => ErrorKind::DuplicateId,
            Self::ParentMapsChanged { .. } => return None,
        })
    }
}

/// A big data item cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Items may not have this name: it is empty, or its file would lie outside the item's directory.
    #[error("{key:?} is not a valid name for a big data item")]
    InvalidName {
        /// The name.
        key: String,
        /// Why not.
        #[source]
        source: layerhold_json_store::KeyError,
    },
    /// There is no item of this name.
    #[error("there is no big data item {key:?} for {kind} {id}")]
    NotFound {
        /// Layer, image or container.
        kind: ItemKind,
        /// Whose item.
        id: String,
        /// The item.
        key: String,
    },
    /// The item's digest was not given and cannot be computed here.
    #[error("the digest of {key:?} depends on its type and was not given")]
    DigestNeeded {
        /// The item.
        key: String,
    },
    /// The record names a digest that is none.
    #[error("the recorded digest of {key:?} is not a digest: {text:?}")]
    DigestDamaged {
        /// The item.
        key: String,
        /// What the record says.
        text: String,
    },
    /// The item is larger than what is read into memory.
    #[error("big data item {key:?} is larger than {limit} bytes")]
    TooLarge {
        /// The item.
        key: String,
        /// The limit.
        limit: u64,
    },
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
    /// The item cannot be read or written.
    #[error("cannot use a data item of {kind} {id}")]
    Item {
        /// Layer, image or container.
        kind: ItemKind,
        /// Whose item.
        id: String,
        /// Why.
        #[source]
        source: Box<layerhold_json_store::BigDataError>,
    },
    /// The data cannot be read from the caller.
    #[error("cannot read the data to be stored as {key:?}")]
    Input {
        /// The item.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl DataError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::InvalidName { .. } => Some(ErrorKind::InvalidBigDataName),
            Self::DigestNeeded { .. } => Some(ErrorKind::DigestUnknown),
            Self::Lookup(error) => error.kind(),
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}

/// Something cannot be added to a transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// Parent, template, top layer or image does not exist.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Something in the store, or in the same transaction, stands against it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The stream is no tar that can be unpacked.
    #[error("cannot import the layer")]
    Import(#[source] Box<layerhold_archive::ImportError>),
    /// The driver refuses.
    #[error("cannot prepare the layer")]
    Driver(#[source] LayerError),
    /// A temporary area cannot be used.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A data item is wrong.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Ranges of an ID map overlap.
    #[error("invalid mappings specified")]
    Mappings(#[source] layerhold_idmap::OverlapError),
    /// How the tar was made cannot be written down.
    #[error("cannot record how the layer's tar was made")]
    Record(#[source] std::io::Error),
    /// One of the two SELinux labels is given and the other is not.
    #[error("ProcessLabel and Mountlabel must either not be specified or both specified")]
    Labels,
    /// The system gives no random bytes that make an ID.
    #[error("cannot make a random ID")]
    NoRandomness,
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl StageError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Conflict(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Access(error) => error.kind(),
            Self::Mappings(_) => Some(ErrorKind::InvalidMappings),
            Self::Driver(LayerError::Unknown { .. }) => Some(ErrorKind::LayerUnknown),
            _ => None,
        }
    }
}

/// A transaction cannot be committed. The store is as it was before, unless `rollback` says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The store changed since the transaction began.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The contents could not be flushed.
    #[error("cannot flush the staged contents")]
    Sync(#[source] LayerError),
    /// A layer could not be moved into place.
    #[error("cannot put layer {id} in place")]
    Layer {
        /// The layer.
        id: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// A data item could not be moved into place.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Something staged could not be moved into place.
    #[error("cannot move what belongs to {id} into place")]
    Move {
        /// The item.
        id: ItemId,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
    /// A step failed, and undoing the steps before it failed too: incomplete layers are left for the next opener.
    #[error("the commit failed and could not be undone completely: {rollback}")]
    Rollback {
        /// What failed while undoing.
        rollback: Box<CommitError>,
        /// What failed first.
        #[source]
        source: Box<CommitError>,
    },
}

impl CommitError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Conflict(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Access(error) => error.kind(),
            Self::Rollback { source, .. } => source.kind(),
            _ => None,
        }
    }
}

/// A record cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The flag is the library's own.
    #[error("the flag {flag:?} is not for callers")]
    ReservedFlag {
        /// The flag.
        flag: String,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl UpdateError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Access(error) => error.kind(),
            Self::ReservedFlag { .. } => None,
        }
    }
}

/// A layer cannot be mounted or unmounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The layer is not mounted.
    #[error("layer {layer} is not mounted")]
    NotMounted {
        /// The layer.
        layer: LayerId,
    },
    /// No layer is mounted there.
    #[error("no layer is mounted at {path}")]
    NotMountedAt {
        /// The path.
        path: PathBuf,
    },
    /// The image has no layers, so there is nothing to mount.
    #[error("image {image} has no layers")]
    NoLayers {
        /// The image.
        image: ImageId,
    },
    /// The image's top layer has ID maps, and the copy without them that is mounted instead cannot be made.
    #[error("cannot copy the top layer of image {image} without its ID maps")]
    Copy {
        /// The image.
        image: ImageId,
        /// Why.
        #[source]
        source: Box<crate::any_error::Error>,
    },
    /// Images can only be mounted for reading.
    #[error("image {image} can only be mounted read-only")]
    Writable {
        /// The image.
        image: ImageId,
    },
    /// The driver refuses.
    #[error("cannot mount or unmount layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl MountError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Copy { source, .. } => source.kind(),
            Self::Access(error) => error.kind(),
            Self::NotMounted { .. } | Self::NotMountedAt { .. } => Some(ErrorKind::LayerNotMounted),
            _ => None,
        }
    }
}

/// A difference cannot be made, measured or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// No such layer, image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// Something in the store stands against it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The size is recorded nowhere.
    #[error("the size of {what} is not known")]
    SizeUnknown {
        /// The item.
        what: String,
    },
    /// How the tar was made cannot be written down.
    #[error("cannot record how the layer's tar was made")]
    Record(#[source] std::io::Error),
    /// The system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A directory of a container cannot be measured.
    #[error("cannot measure a directory")]
    Directory(#[source] Box<DirectoryError>),
    /// The tar cannot be compressed this way.
    #[error("cannot compress")]
    Compress(#[source] layerhold_archive::CodecError),
    /// The stream is no tar that can be unpacked.
    #[error("cannot apply to layer {layer}")]
    Apply {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<layerhold_archive::ImportError>,
    },
    /// The driver refuses.
    #[error("cannot read or write layer {layer}")]
    Driver {
        /// The layer.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
    /// A temporary area cannot be used.
    #[error("cannot use a temporary area")]
    Staging(#[source] layerhold_staging::BeginError),
    /// A data item cannot be measured.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl DiffError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Conflict(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Access(error) => error.kind(),
            Self::SizeUnknown { .. } => Some(ErrorKind::SizeUnknown),
            _ => None,
        }
    }
}

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
    /// What was removed from the store cannot be erased from the disk. The next opener tries again.
    #[error("removed, but not yet erased from the disk")]
    Erase(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

fn article(kind: &ItemKind) -> &'static str {
    match kind {
        ItemKind::Layer => "a layer",
        ItemKind::Image => "an image",
        ItemKind::Container => "a container",
    }
}

impl DeleteError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
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
        }
    }
}

/// A directory or file of a container or image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// No such image or container.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The file name would lead out of the directory.
    #[error("{name:?} does not name a file below the directory")]
    InvalidName {
        /// The name.
        name: PathBuf,
    },
    /// The file is larger than what is read into memory.
    #[error("{name:?} is larger than {limit} bytes")]
    TooLarge {
        /// The name.
        name: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file or directory cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl DirectoryError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}

/// Garbage cannot be collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// A record file is damaged, empty or missing beside content. What it does not name is not garbage.
    #[error("refusing to collect garbage: the {kind} records are damaged: {reason}")]
    Damaged {
        /// Which records.
        kind: ItemKind,
        /// What is wrong.
        reason: String,
    },
    /// The driver cannot list its layers or remove one.
    #[error("cannot list or remove layers of the driver")]
    Driver(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A file cannot be used.
    #[error(transparent)]
    Os(#[from] PathError),
}

impl CollectError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Damaged { .. } => Some(ErrorKind::LoadError),
            Self::Access(error) => error.kind(),
            _ => None,
        }
    }
}

/// A store cannot be shut down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Layers are mounted, and unmounting was not asked for.
    #[error("a layer is mounted")]
    Mounted {
        /// The layers.
        layers: Vec<LayerId>,
    },
    /// A layer cannot be unmounted.
    #[error("cannot unmount")]
    Unmount(#[source] Box<MountError>),
    /// The driver cannot release its home.
    #[error("cannot clean up the driver's home")]
    Driver(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl ShutdownError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Mounted { .. } => Some(ErrorKind::LayerUsedByContainer),
            Self::Unmount(error) => error.kind(),
            Self::Access(error) => error.kind(),
            Self::Driver(_) => None,
        }
    }
}
