//! Failures to use something or to remove it.

use std::path::PathBuf;

use layerhold_driver::LayerError;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_sys::PathError;

use crate::records::error_kind::ErrorKind;
use crate::records::kinds::ItemKind;

use super::{AccessError, Conflict, DataError, LookupError};

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
    /// The image's top layer has ID maps, and the copy without them that is mounted instead cannot
    /// be made.
    #[error("cannot copy the top layer of image {image} without its ID maps")]
    Copy {
        /// The image.
        image: ImageId,
        /// Why.
        #[source]
        source: Box<crate::error::Error>,
    },
    /// Images can only be mounted for reading.
    #[error("image {image} can only be mounted read-only")]
    Writable {
        /// The image.
        image: ImageId,
    },
    /// The container has ID maps, its layer has not, and the driver cannot show the layer's files
    /// with owners shifted.
    #[error(
        "cannot mount layer {layer}: shifting not enabled; a container that is created with these ID maps now gets files with \
         the right owners"
    )]
    ShiftingNotEnabled {
        /// The layer.
        layer: LayerId,
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

/// A layer cannot be looked for in the additional layer stores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdditionalLayerError {
    /// What the store tells about the layer is no layer's record.
    #[error("the additional layer at {} does not tell what it is", path.display())]
    Info {
        /// The layer's directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: layerhold_schema::RecordError,
    },
    /// The driver cannot read it.
    #[error("cannot read an additional layer")]
    Driver(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl AdditionalLayerError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Access(error) => error.kind(),
            Self::Info { .. } | Self::Driver(_) => None,
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
    /// The flag is the library's own.
    #[error("the flag {flag:?} is not for callers")]
    ReservedFlag {
        /// The flag.
        flag: String,
    },
    /// The system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A directory of a container cannot be measured.
    #[error("cannot measure a directory")]
    Directory(#[source] Box<DirectoryError>),
    /// The archive that another program has of the layer cannot be read.
    #[error("cannot read the archive of an additional layer")]
    Blob(#[source] std::io::Error),
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
    /// What is staged could not be flushed.
    #[error("cannot flush the staged contents")]
    Sync(#[source] LayerError),
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
    /// What was removed from the store cannot be erased from the disk. The next writer tries again.
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
    /// A record file is damaged, empty or missing beside content. What it does not name is not
    /// garbage.
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
