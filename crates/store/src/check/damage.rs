//! What can be wrong.

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
    /// A record file is empty: not even a list of nothing is in it.
    #[error("{} is empty: what it named is lost (with [] in it, it would say that it names nothing)", path.display())]
    RecordFileEmpty {
        /// Which records.
        kind: ItemKind,
        /// The file.
        path: PathBuf,
    },
    /// A record file is missing although there is content that its records would name.
    #[error("{} is missing, but there is content that it should name", path.display())]
    RecordFileMissing {
        /// Which records.
        kind: ItemKind,
        /// The file.
        path: PathBuf,
    },
    /// A part of a record file is no usable record: the end of a torn file, or one element of the
    /// list.
    #[error("a part of a file of {kind} records is no usable record")]
    Record {
        /// Which records.
        kind: ItemKind,
        /// Where, and why.
        #[source]
        source: Box<layerhold_json_store::Damaged>,
    },
    /// There is no record that can be used, and one can be made of what else is there.
    #[error("its record is lost{}", without(unknown))]
    RecordLost {
        /// What of the record is not known any more, in words.
        unknown: Vec<&'static str>,
    },
    /// There is no record that can be used, something may need it, and none can be made.
    #[error("its record is lost, and none can be made: {why}")]
    RecordBeyondHelp {
        /// What is not known, in words.
        why: &'static str,
    },
    /// One name was found in two records. The later one has it.
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
    /// The note of a commit or a deletion that was cut off.
    #[error("a commit or a deletion was cut off")]
    UnfinishedChange,
    /// A directory or a tar-split file of an item that has no record.
    #[error("{} belongs to {kind} {id}, which has no record", path.display())]
    Orphan {
        /// What it would belong to.
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
    /// A layer is counted as mounted and is not.
    #[error("it is counted as mounted {count} times at {}, and is not mounted", path.display())]
    StaleMount {
        /// Where it should be mounted.
        path: PathBuf,
        /// The count.
        count: u32,
    },
    /// The file that counts mounts cannot be understood.
    #[error("the mounts are not counted any more")]
    MountCounts(#[source] Box<AccessError>),
    /// A layer is mounted, and nobody counts it.
    #[error("it is mounted at {}, and nobody counts that", path.display())]
    UncountedMount {
        /// Where it is mounted.
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
    /// The layer below has no record.
    #[error("the layer below it, {parent}, is missing")]
    ParentMissing {
        /// The missing layer.
        parent: LayerId,
    },
    /// The layer below is damaged.
    #[error("the layer below it, {parent}, is damaged")]
    ParentDamaged {
        /// The damaged layer.
        parent: LayerId,
    },
    /// The layer is below itself.
    #[error("it stands on itself")]
    Loop,
    /// Neither an image nor a container uses it, and nothing will.
    #[error("no image or container uses it")]
    Unreferenced,
    /// How its tar was made is not known any more.
    #[error("its tar-split file is missing")]
    TarSplitMissing,
    /// How its tar was made cannot be read.
    #[error("its tar-split file is damaged")]
    TarSplit(#[source] Box<RebuildError>),
    /// Its tar has another digest than recorded, although each file by itself is as recorded.
    #[error("its tar has the digest {actual} and should have {expected}")]
    Digest {
        /// The recorded digest.
        expected: DiffId,
        /// That of the tar.
        actual: DiffId,
    },
    /// Its tar has the digest recorded, and another size than recorded.
    #[error("its tar has {actual} bytes, and {expected} are recorded")]
    Size {
        /// The recorded size.
        expected: i64,
        /// That of the tar.
        actual: u64,
    },
    /// A file is not what was imported.
    #[error("{}: {change}", path.display())]
    File {
        /// The file, from the root of the layer, with a slash before it.
        path: PathBuf,
        /// In which way.
        change: FileChange,
    },
    /// More files than are worth listing are not what was imported.
    #[error("and {count} more files")]
    MoreFiles {
        /// How many are not listed.
        count: u64,
    },
    /// Files belong to the owner of the store instead of whom the image says, as with
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
    /// Whether the layer is damaged cannot be found out: what was to be read could not be, and the
    /// error shows no damage. A permission or a descriptor may be missing, the disk may fail, the
    /// layer may be of a form that is not known here.
    #[error("it cannot be looked at")]
    Unknown(#[source] Box<LayerError>),
    /// A container, or one made of the image, has more layers below than can be mounted. The image
    /// can be saved.
    #[error(
        "it has {layers} layers, and containers with more than {limit} below cannot be mounted"
    )]
    TooDeep {
        /// How many there are.
        layers: usize,
        /// How many there may be.
        limit: usize,
    },

    /// What it is counted with is not what it takes; see [`Store::usage`](crate::Store::usage).
    #[error("it is counted with {} bytes and {} inodes, and has {} and {}", recorded.bytes, recorded.inodes, found.bytes, found.inodes)]
    Counter {
        /// What was noted.
        recorded: DiskUsage,
        /// What there is.
        found: DiskUsage,
    },

    // ---- data items ----
    /// A data item has no file.
    #[error("the data item {key:?} is missing")]
    ItemMissing {
        /// Its name.
        key: String,
    },
    /// A data item has another size than recorded.
    #[error("the data item {key:?} has {actual} bytes and should have {expected}")]
    ItemSize {
        /// Its name.
        key: String,
        /// The recorded size.
        expected: i64,
        /// That of the file.
        actual: u64,
    },
    /// A data item has another digest than recorded.
    #[error("the data item {key:?} does not have the digest {expected}")]
    ItemDigest {
        /// Its name.
        key: String,
        /// The recorded digest.
        expected: String,
    },
    /// A data item cannot be read.
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
    /// A layer that stood in for its top layer under other ID maps has no record.
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

/// In which way a file is not what was imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileChange {
    /// It is there and should not be.
    #[error("was added")]
    Added,
    /// It is not there and should be.
    #[error("is missing")]
    Removed,
    /// It holds other bytes. For the file itself, not for what is recorded of it.
    #[error("has other content")]
    Content,
    /// It cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// What is recorded of it beside its content differs.
    #[error("{}", list(.0))]
    Attributes(Vec<AttributeChange>),
}

impl Damage {
    /// Tells whether this is a leftover of a process that died, which does no harm.
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
    /// What is there.
    pub actual: String,
}

/// An attribute of a file that a layer's tar states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// File, directory, link, device or pipe.
    Type,
    /// Owner.
    User,
    /// Group.
    Group,
    /// Permissions, set-ID bits and sticky bit, in octal.
    Mode,
    /// Length in bytes.
    Size,
    /// Time of the last modification, in whole seconds since 1970.
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
