//! The kinds of damage that a check finds.

use std::path::PathBuf;

use layerhold_driver::{DriverDamage, LayerError};
use layerhold_ids::{DiffId, ImageId, LayerId};
use layerhold_tar_split::RebuildError;

use crate::catalog::big_data::DataError;
use crate::catalog::error::AccessError;
use crate::records::kinds::ItemKind;
use crate::usage::DiskUsage;

/// What is wrong with a store, or with a layer, an image or a container in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    // ---- record files ----
    /// A record file is empty: it does not even hold an empty list.
    #[error("{} is empty, so the items that it named are lost (a file without records holds [])", path.display())]
    RecordFileEmpty {
        /// Which records.
        kind: ItemKind,
        /// The file.
        path: PathBuf,
    },
    /// A record file is missing although there are contents that its records would name.
    #[error("{} is missing, but there are contents that it should name", path.display())]
    RecordFileMissing {
        /// Which records.
        kind: ItemKind,
        /// The file.
        path: PathBuf,
    },
    /// A part of a record file is not a usable record: the end of a torn file, or one element of
    /// the list.
    #[error("a part of a file of {kind} records is no usable record")]
    Record {
        /// Which records.
        kind: ItemKind,
        /// Where, and why.
        #[source]
        source: Box<layerhold_json_store::Damaged>,
    },
    /// There is no usable record, and one can be rebuilt from what else is there.
    #[error("its record is lost{}", without(unknown))]
    RecordLost {
        /// The parts of the record that are unknown, in words.
        unknown: Vec<&'static str>,
    },
    /// There is no usable record, something may need it, and none can be rebuilt.
    #[error("its record is lost, and none can be made: {why}")]
    RecordBeyondHelp {
        /// What is unknown, in words.
        why: &'static str,
    },
    /// One name is in two records. The later one keeps it.
    #[error("the name {name} is in two {kind} records, {lost_by} and {kept_by}")]
    NameTwice {
        /// Which records.
        kind: ItemKind,
        /// The name.
        name: String,
        /// The record that loses it.
        lost_by: String,
        /// The record that keeps it.
        kept_by: String,
    },

    // ---- leftovers ----
    /// A temporary area whose owner is dead.
    #[error("{} was left by a process that died", path.display())]
    AbandonedArea {
        /// The area.
        path: PathBuf,
    },
    /// A file that was to replace a record file, left by a process that died.
    #[error("{} was left by a save that was cut off", path.display())]
    TemporaryFile {
        /// The file.
        path: PathBuf,
    },
    /// The intent of a commit or a deletion that was cut off.
    #[error("a commit or a deletion was cut off")]
    UnfinishedChange,
    /// An orphan: a directory or a tar-split file of an item that has no record.
    #[error("{} belongs to {kind} {id}, which has no record", path.display())]
    Orphan {
        /// The kind of item.
        kind: ItemKind,
        /// The ID in its name.
        id: String,
        /// The directory or file.
        path: PathBuf,
    },
    /// The driver found something wrong with its home.
    #[error("the driver's home is damaged")]
    Home(#[source] Box<DriverDamage>),

    // ---- mounts ----
    /// A layer has a mount count and is not mounted.
    #[error("it is counted as mounted {count} times at {}, and is not mounted", path.display())]
    StaleMount {
        /// The path where it should be mounted.
        path: PathBuf,
        /// The count.
        count: u32,
    },
    /// The file with the mount counts cannot be parsed.
    #[error("the mount counts cannot be read")]
    MountCounts(#[source] Box<AccessError>),
    /// A layer is mounted and has no mount count.
    #[error("it is mounted at {}, and has no mount count", path.display())]
    UncountedMount {
        /// The path where it is mounted.
        path: PathBuf,
    },

    // ---- layers ----
    /// The driver holds contents that no record names.
    #[error("the driver holds a layer that has no record")]
    NoRecord,
    /// There is a record, and the driver holds no contents.
    #[error("the driver holds no contents of it")]
    NoContents,
    /// Work on the layer began and was cut off.
    #[error("it was never completed")]
    Incomplete,
    /// The parent has no record.
    #[error("its parent {parent} is missing")]
    ParentMissing {
        /// The missing layer.
        parent: LayerId,
    },
    /// The parent is damaged.
    #[error("its parent {parent} is damaged")]
    ParentDamaged {
        /// The damaged layer.
        parent: LayerId,
    },
    /// The layer is its own ancestor.
    #[error("it is its own ancestor")]
    Loop,
    /// No image or container uses it.
    #[error("no image or container uses it")]
    Unreferenced,
    /// Its tar-split file is missing.
    #[error("its tar-split file is missing")]
    TarSplitMissing,
    /// Its tar-split file cannot be read.
    #[error("its tar-split file is damaged")]
    TarSplit(#[source] Box<RebuildError>),
    /// Its tar does not have the recorded digest, although each file is as recorded.
    #[error("its tar has the digest {actual} and should have {expected}")]
    Digest {
        /// The recorded digest.
        expected: DiffId,
        /// The actual value.
        actual: DiffId,
    },
    /// Its tar has the recorded digest, but not the recorded size.
    #[error("its tar has {actual} bytes, and {expected} are recorded")]
    Size {
        /// The recorded size.
        expected: i64,
        /// The actual value.
        actual: u64,
    },
    /// A file is not what was imported.
    #[error("{}: {change}", path.display())]
    File {
        /// The path of the file in the layer, with a leading slash.
        path: PathBuf,
        /// The difference.
        change: FileChange,
    },
    /// More files than are listed are not what was imported.
    #[error("and {count} more files")]
    MoreFiles {
        /// How many are not listed.
        count: u64,
    },
    /// Files belong to the owner of the store instead of the owners in the image, as with
    /// `ignore_chown_errors`, which is not given.
    #[error(
        "{files} files belong to the owner of the store, as with ignore_chown_errors, and not to the owners in the image"
    )]
    OwnersIgnored {
        /// How many.
        files: u64,
    },
    /// What the driver keeps about the layer is damaged.
    #[error("what the driver keeps about it is damaged")]
    Driver(#[source] Box<DriverDamage>),
    /// The tree of the layer cannot be opened.
    #[error("its tree cannot be opened")]
    Unreadable(#[source] Box<LayerError>),
    /// Whether the layer is damaged is unknown: it could not be read, and the error shows no
    /// damage. A permission or a descriptor may be missing, the disk may fail, or the format of the
    /// layer may be unknown.
    #[error("it cannot be checked")]
    Unknown(#[source] Box<LayerError>),
    /// A container, or one of the image, has more parents than can be mounted. The image can still
    /// be exported.
    #[error(
        "it has {layers} layers, and containers with more than {limit} below cannot be mounted"
    )]
    TooDeep {
        /// How many there are.
        layers: usize,
        /// How many there may be.
        limit: usize,
    },

    /// The recorded usage is not the actual one; see [`Store::usage`](crate::Store::usage).
    #[error("it is counted with {} bytes and {} inodes, and has {} and {}", recorded.bytes, recorded.inodes, found.bytes, found.inodes)]
    Counter {
        /// The recorded usage.
        recorded: DiskUsage,
        /// The actual usage.
        found: DiskUsage,
    },

    // ---- big data items ----
    /// A big data item has no file.
    #[error("the data item {key:?} is missing")]
    ItemMissing {
        /// Its name.
        key: String,
    },
    /// A big data item does not have the recorded size.
    #[error("the data item {key:?} has {actual} bytes and should have {expected}")]
    ItemSize {
        /// Its name.
        key: String,
        /// The recorded size.
        expected: i64,
        /// The size of the file.
        actual: u64,
    },
    /// A big data item does not have the recorded digest.
    #[error("the data item {key:?} does not have the digest {expected}")]
    ItemDigest {
        /// Its name.
        key: String,
        /// The recorded digest.
        expected: String,
    },
    /// A big data item cannot be read.
    #[error("the data item {key:?} cannot be read")]
    ItemUnreadable {
        /// Its name.
        key: String,
        /// Why.
        #[source]
        source: Box<DataError>,
    },

    // ---- images and containers ----
    /// A layer of it has no record.
    #[error("its layer {layer} is missing")]
    LayerMissing {
        /// The missing layer.
        layer: LayerId,
    },
    /// A mapped layer (a copy of the top layer for other ID maps) has no record.
    #[error("the copy {layer} of its top layer is missing")]
    CopyMissing {
        /// The missing layer.
        layer: LayerId,
    },
    /// A layer of it is damaged.
    #[error("its layer {layer} is damaged")]
    LayerDamaged {
        /// The damaged layer.
        layer: LayerId,
    },
    /// The image it was made of has no record.
    #[error("its image {image} is missing")]
    ImageMissing {
        /// The missing image.
        image: ImageId,
    },
    /// The image it was made of is damaged.
    #[error("its image {image} is damaged")]
    ImageDamaged {
        /// The damaged image.
        image: ImageId,
    },
}

/// How a file differs from what was imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileChange {
    /// It exists and should not.
    #[error("was added")]
    Added,
    /// It does not exist and should.
    #[error("is missing")]
    Removed,
    /// Its content differs.
    #[error("has other content")]
    Content,
    /// It cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// The error.
        reason: String,
    },
    /// Its attributes differ.
    #[error("{}", list(.0))]
    Attributes(Vec<AttributeChange>),
}

impl Damage {
    /// Tells whether this is a leftover of a dead process, which does no harm.
    #[must_use]
    pub fn is_leftover(&self) -> bool {
        matches!(
            self,
            Self::AbandonedArea { .. } | Self::TemporaryFile { .. }
        )
    }
}

/// An attribute of a file that is not what was imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {actual}, not {expected}")]
#[non_exhaustive]
pub struct AttributeChange {
    /// Which attribute.
    pub what: Attribute,
    /// What was imported, as a number or text.
    pub expected: String,
    /// The actual value, as a number or text.
    pub actual: String,
}

/// An attribute of a file in a layer's tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// The type: file, directory, link, device or pipe.
    Type,
    /// Owner.
    User,
    /// Group.
    Group,
    /// Permissions, set-ID bits and sticky bit, in octal.
    Mode,
    /// Size in bytes.
    Size,
    /// Modification time, in whole seconds since 1970.
    Modified,
    /// Target of a symbolic link.
    Target,
    /// Major and minor number of a device node.
    Device,
    /// An extended attribute; its name is in both texts.
    Extended,
}

impl std::fmt::Display for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Type => "its type",
            Self::User => "its owner",
            Self::Group => "its group",
            Self::Mode => "its mode",
            Self::Size => "its size",
            Self::Modified => "its time",
            Self::Target => "its target",
            Self::Device => "its device number",
            Self::Extended => "its extended attribute",
        })
    }
}

fn without(unknown: &[&str]) -> String {
    match unknown {
        [] => String::new(),
        unknown => format!(", and with it {}", unknown.join(", ")),
    }
}

fn list(changes: &[AttributeChange]) -> String {
    let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
