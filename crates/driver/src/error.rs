//! What goes wrong with layers.

use std::path::PathBuf;

use layerhold_ids::LayerId;
use layerhold_sys::PathError;

/// A driver operation on a layer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The driver has no such layer (Go: `ErrLayerUnknown`).
    #[error("unknown layer {id}")]
    Unknown {
        /// The layer.
        id: LayerId,
    },
    /// The driver has something under this ID already.
    #[error("the driver already holds a layer {id}")]
    Exists {
        /// The layer.
        id: LayerId,
    },
    /// The layer is in an additional store, which is never written to.
    #[error("layer {id} belongs to the read-only store at {store}")]
    ReadOnlyStore {
        /// The layer.
        id: LayerId,
        /// The additional store.
        store: PathBuf,
    },
    /// The contents of the layer are another program's, which shows them for reading.
    #[error("the contents of the layer are in an additional layer store, at {}", path.display())]
    External {
        /// Where the program shows them.
        path: PathBuf,
    },
    /// The program that has the contents of the layer does not show them, now at least.
    #[error("the additional layer at {} is not there", path.display())]
    ExternalMissing {
        /// Where they should be.
        path: PathBuf,
    },
    /// The driver was opened for reading only.
    #[error("the {driver} driver at {home} is open for reading only")]
    ReadOnlyHome {
        /// The driver.
        driver: &'static str,
        /// Its home.
        home: PathBuf,
    },
    /// A staged layer was given as parent to a driver that did not make it.
    #[error("the staged parent was not made by the {driver} driver")]
    ForeignStaged {
        /// The driver that was asked.
        driver: &'static str,
    },
    /// A tree was given to a driver that did not make it.
    #[error("the tree was made by another driver")]
    ForeignTree,
    /// The driver knows no per-layer options.
    #[error("--storage-opt is not supported for {driver}")]
    StorageOptions {
        /// The driver.
        driver: &'static str,
    },
    /// The driver cannot honour a mount option.
    #[error("{driver} driver does not support mount options")]
    MountOptions {
        /// The driver.
        driver: &'static str,
        /// The first option it cannot honour.
        option: String,
    },
    /// The driver has no such ability.
    #[error("the {driver} driver cannot {operation}")]
    NotSupported {
        /// The driver.
        driver: &'static str,
        /// What it was asked to do.
        operation: &'static str,
    },
    /// An owner has no counterpart in a map.
    #[error("cannot map the owner {uid}:{gid} of {path}")]
    Map {
        /// The file.
        path: PathBuf,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Which map refused.
        #[source]
        source: layerhold_idmap::UnmappedError,
    },
    /// The user namespace that this process is in has no such owner.
    #[error(
        "cannot give {} the owner {uid}:{gid}, which this user namespace does not have: \
         the user needs more IDs in /etc/subuid and /etc/subgid, or the ID maps must keep to those that it has",
        path.display()
    )]
    OwnerNotAvailable {
        /// The file.
        path: PathBuf,
        /// Its user on disk.
        uid: u32,
        /// Its group on disk.
        gid: u32,
        /// What was refused.
        source: PathError,
    },
    /// The root of a user namespace has no counterpart on the host.
    #[error("cannot find the host owner of the layer's root directory")]
    RootPair(#[source] layerhold_idmap::UnmappedError),
    /// What was asked for is not a regular file of the layer.
    #[error("{path} is not a regular file")]
    NotRegular {
        /// Path below the layer's root.
        path: PathBuf,
    },
    /// A diff could not be unpacked.
    #[error("cannot unpack into layer")]
    Unpack(#[source] layerhold_archive::UnpackError),
    /// A diff is no tar archive, or could not be read.
    #[error("cannot read the layer archive")]
    Tar(#[source] layerhold_archive::layerhold_tar_format::ReadError),
    /// Two trees could not be compared.
    #[error("cannot compare the layer with its parent")]
    Compare(#[source] layerhold_archive::ChangesError),
    /// A tree could not be packed.
    #[error("cannot pack the layer")]
    Pack(#[source] layerhold_archive::PackError),
    /// What receives a packed layer failed.
    #[error("cannot write the packed layer")]
    Output(#[source] std::io::Error),
    /// No temporary area could be made.
    #[error("cannot make a temporary area for the layer")]
    TempArea(#[source] layerhold_staging::BeginError),
    /// Removed layers could not be erased completely; the next writer tries again.
    #[error("cannot erase removed layers")]
    Erase(#[source] layerhold_staging::CloseError),
    /// More layers than can be put together.
    #[error("max depth exceeded: {layers} layers are below layer {id}, and {limit} can be mounted")]
    MaxDepth {
        /// The layer.
        id: LayerId,
        /// How many there are.
        layers: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The kernel did not mount a layer.
    #[error("creating overlay mount to {}, mount_data={data:?}", target.display())]
    Mount {
        /// Where.
        target: PathBuf,
        /// The options.
        data: String,
        /// What the kernel said.
        #[source]
        source: Box<layerhold_sys::OverlayMountError>,
    },
    /// A mount program did not mount a layer.
    #[error("using mount program {}: {output}", program.display())]
    MountProgram {
        /// The program.
        program: PathBuf,
        /// The options.
        data: String,
        /// What it wrote to its standard error.
        output: String,
    },
    /// A layer is mounted and somebody uses the mount.
    #[error("layer {id} is mounted at {} and in use{}", path.display(), by(users))]
    Busy {
        /// The layer.
        id: LayerId,
        /// Where.
        path: PathBuf,
        /// Who uses it, as far as can be known.
        users: Vec<String>,
    },
    /// The list of the layers below a layer is lost, and cannot be rebuilt from the other layers.
    #[error(
        "the list of the layers below layer {id} is damaged, and no layer above it says what was in it"
    )]
    LowerLost {
        /// The layer.
        id: LayerId,
    },
    /// A layer below another one cannot be found.
    #[error("layer {id} is on a layer with the short name {link}, which no layer has")]
    LinkLost {
        /// The layer above.
        id: LayerId,
        /// The short name.
        link: String,
    },
    /// The short name of a layer is lost, and more than one could be meant by the layers above.
    #[error("the short name of layer {id} is lost, and it cannot be told which one it was")]
    LinkUnknown {
        /// The layer.
        id: LayerId,
    },
    /// A per-layer option cannot be used.
    #[error("{reason}")]
    StorageOption {
        /// What is wrong, in Go's words.
        reason: String,
    },
    /// `force_mask` needs a mount program that shows the real owners and modes.
    #[error(
        "{driver}: force_mask option for writeable layers is only supported with a mount_program"
    )]
    ForceMask {
        /// The driver.
        driver: &'static str,
    },
    /// A system call failed.
    #[error(transparent)]
    Os(#[from] PathError),
}

fn by(users: &[String]) -> String {
    if users.is_empty() {
        return String::new();
    }
    format!(" by {}", users.join(", "))
}

impl LayerError {
    /// Says what would help where an owner is none of the user namespace, which the kernel tells by
    /// "invalid argument".
    #[must_use]
    pub fn of_owner(source: PathError, uid: u32, gid: u32) -> Self {
        match source.kind() {
            std::io::ErrorKind::InvalidInput => Self::OwnerNotAvailable {
                path: source.path().to_owned(),
                uid,
                gid,
                source,
            },
            _ => source.into(),
        }
    }

    /// Tells whether the cause is that something is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::ExternalMissing { .. } => true,
            Self::Os(error) => error.is_not_found(),
            _ => false,
        }
    }
}
