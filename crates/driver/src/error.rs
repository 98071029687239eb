//! The errors of operations on layers.

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
    /// The driver already has a layer with this ID.
    #[error("cannot add layer {id}: the driver already has a layer with this ID")]
    Exists {
        /// The layer.
        id: LayerId,
    },
    /// The layer is in an additional store, which is never written to.
    #[error("cannot change layer {id}: it is in the read-only store at {store}")]
    ReadOnlyStore {
        /// The layer.
        id: LayerId,
        /// The additional store.
        store: PathBuf,
    },
    /// Another program has the contents of the layer, and shows them for reading.
    #[error(
        "cannot change the contents of the layer: they are in the additional layer store at {}",
        path.display()
    )]
    External {
        /// Where the program shows them.
        path: PathBuf,
    },
    /// The program that has the contents of the layer does not show them now.
    #[error(
        "cannot read the additional layer at {}: its program does not show it now",
        path.display()
    )]
    ExternalMissing {
        /// Where they should be.
        path: PathBuf,
    },
    /// The driver was opened for reading only.
    #[error("cannot write to {home}: the {driver} driver is open for reading only")]
    ReadOnlyHome {
        /// The driver.
        driver: &'static str,
        /// Its home.
        home: PathBuf,
    },
    /// A staged layer was given as parent to a driver that did not make it.
    #[error("cannot use the staged parent: it was not made by the {driver} driver")]
    ForeignStaged {
        /// The driver that was asked.
        driver: &'static str,
    },
    /// A tree was given to a driver that did not make it.
    #[error("cannot use the tree: it was made by another driver")]
    ForeignTree,
    /// The driver has no per-layer options.
    #[error("--storage-opt is not supported for {driver}")]
    StorageOptions {
        /// The driver.
        driver: &'static str,
    },
    /// The driver does not support a mount option.
    #[error("{driver} driver does not support mount options")]
    MountOptions {
        /// The driver.
        driver: &'static str,
        /// The first option that it does not support.
        option: String,
    },
    /// The driver does not support the operation.
    #[error("the {driver} driver cannot {operation}")]
    NotSupported {
        /// The driver.
        driver: &'static str,
        /// The operation, as the end of a sentence that begins with "cannot".
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
    /// The process may not set this owner.
    #[error(
        "cannot give {} the owner {uid}:{gid}, which takes root or the root of a user namespace \
         (`podman unshare`), or the option ignore_chown_errors=true of the driver",
        path.display()
    )]
    OwnerRefused {
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
    /// The path is not a regular file of the layer.
    #[error("cannot open {path}: it is not a regular file")]
    NotRegular {
        /// Path below the layer's root.
        path: PathBuf,
    },
    /// A diff could not be unpacked.
    #[error("cannot unpack into the layer")]
    Unpack(#[source] layerhold_archive::UnpackError),
    /// A diff is no tar archive, or could not be read.
    #[error("cannot read the layer archive")]
    Tar(#[source] layerhold_archive::layerhold_tar_format::ReadError),
    /// Two trees could not be compared.
    #[error("cannot compare the layer with its parent")]
    Compare(#[source] layerhold_archive::ChangesError),
    /// The directories of stacked layers could not be listed.
    #[error(transparent)]
    Merged(#[from] layerhold_archive::MergedError),
    /// A tree could not be packed.
    #[error("cannot pack the layer")]
    Pack(#[source] layerhold_archive::PackError),
    /// The writer of a packed layer failed.
    #[error("cannot write the packed layer")]
    Output(#[source] std::io::Error),
    /// No temporary area could be made.
    #[error("cannot make a temporary area for the layer")]
    TempArea(#[source] layerhold_staging::BeginError),
    /// Removed layers could not be erased completely. The next writer tries again.
    #[error("cannot erase removed layers")]
    Erase(#[source] layerhold_staging::CloseError),
    /// The layer has more parents than can be mounted.
    #[error("max depth exceeded: {layers} layers are below layer {id}, and {limit} can be mounted")]
    MaxDepth {
        /// The layer.
        id: LayerId,
        /// How many parents it has.
        layers: usize,
        /// How many can be mounted.
        limit: usize,
    },
    /// The kernel could not mount a layer.
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
    /// A mount program could not mount a layer.
    #[error("using mount program {}: {output}", program.display())]
    MountProgram {
        /// The program.
        program: PathBuf,
        /// The options.
        data: String,
        /// What it wrote to its standard error.
        output: String,
    },
    /// A layer is mounted, and the mount is in use.
    #[error("cannot unmount layer {id} at {}: it is in use{}", path.display(), by(users))]
    Busy {
        /// The layer.
        id: LayerId,
        /// Where.
        path: PathBuf,
        /// The processes that use it, as far as they can be found out.
        users: Vec<String>,
    },
    /// The list of the parents of a layer is lost, and cannot be rebuilt from the other layers.
    #[error(
        "cannot find the parents of layer {id}: its list is damaged, and no child of it repeats it"
    )]
    LowerLost {
        /// The layer.
        id: LayerId,
    },
    /// A parent of a layer cannot be found.
    #[error("cannot find a parent of layer {id}: it has the short name {link}, which no layer has")]
    LinkLost {
        /// The child.
        id: LayerId,
        /// The short name.
        link: String,
    },
    /// The short name of a layer is lost, and its children may mean more than one.
    #[error(
        "cannot rebuild the short name of layer {id}: the other layers do not tell which one it was"
    )]
    LinkUnknown {
        /// The layer.
        id: LayerId,
    },
    /// A per-layer option cannot be used.
    #[error("{reason}")]
    StorageOption {
        /// The reason, in the words of Go's library.
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
    /// Wraps the failure of setting an owner. The kernel answers "invalid argument" for an owner
    /// that the user namespace does not have, and "not permitted" outside of one. The error then
    /// says what helps.
    #[must_use]
    pub fn of_owner(source: PathError, uid: u32, gid: u32) -> Self {
        match source.kind() {
            std::io::ErrorKind::InvalidInput => Self::OwnerNotAvailable {
                path: source.path().to_owned(),
                uid,
                gid,
                source,
            },
            std::io::ErrorKind::PermissionDenied => Self::OwnerRefused {
                path: source.path().to_owned(),
                uid,
                gid,
                source,
            },
            _ => source.into(),
        }
    }

    /// Tells whether a layer, a file or a directory was not found.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::ExternalMissing { .. } => true,
            Self::Os(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// Tells whether the ID is taken, or the layer in use.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Exists { .. } | Self::Busy { .. })
    }

    /// Tells whether the disk is full, or a quota used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Os(error) => error.is_out_of_space(),
            Self::Unpack(error) => error.is_out_of_space(),
            Self::TempArea(error) => error.is_out_of_space(),
            Self::Output(error) => matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn causes_are_told_apart() {
        let os = |kind: ErrorKind| LayerError::Os(PathError::new("write", "f", kind.into()));
        let taken = || LayerError::Exists {
            id: "a".parse().unwrap(),
        };
        let output = |kind: ErrorKind| LayerError::Output(kind.into());
        for (error, expected) in [
            (os(ErrorKind::NotFound), [true, false, false]),
            (os(ErrorKind::StorageFull), [false, false, true]),
            (os(ErrorKind::QuotaExceeded), [false, false, true]),
            (output(ErrorKind::StorageFull), [false, false, true]),
            (output(ErrorKind::BrokenPipe), [false, false, false]),
            (taken(), [false, true, false]),
            (LayerError::ForeignTree, [false, false, false]),
        ] {
            let actual = [
                error.is_not_found(),
                error.is_conflict(),
                error.is_out_of_space(),
            ];
            assert_eq!(actual, expected, "{error:?}");
        }
    }
}
