//! User namespaces that the store chooses: the request of a container, and the limits of the store.

use std::num::NonZeroU32;
use std::path::PathBuf;

use layerhold_driver::LayerError;
use layerhold_idmap::{IdKind, IdMappings, KernelMapError, NotEnoughIds, SubIdError};
use layerhold_ids::LayerId;
use layerhold_sys::PathError;

use crate::records::error_kind::{ErrorKind, error_kind};

/// A request for a user namespace that the store chooses: host IDs that no other container of the
/// store has.
///
/// ```
/// use layerhold::{AutoUserNs, ContainerSpec};
///
/// let spec = ContainerSpec::new().auto_userns(AutoUserNs::new().initial_size(4096));
/// assert!(spec.auto_userns.is_some());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoUserNs {
    /// How many IDs it has; `None` for as many as the image needs.
    pub size: Option<NonZeroU32>,
    /// The least number of IDs if the size follows from the image.
    pub initial_size: u32,
    /// The file that is read instead of `/etc/passwd` of the image, if one is mounted there; a path
    /// on the host.
    pub passwd_file: Option<PathBuf>,
    /// The file that is read instead of `/etc/group` of the image.
    pub group_file: Option<PathBuf>,
    /// ID maps that are added as they are to the chosen ones; their host IDs may overlap with those
    /// of other containers.
    pub additional: IdMappings,
}

impl AutoUserNs {
    /// Asks for as many IDs as the image needs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many IDs it has, regardless of the limits of the store; 0 for as many as the image
    /// needs.
    #[must_use]
    pub fn size(mut self, size: u32) -> Self {
        self.size = NonZeroU32::new(size);
        self
    }

    /// Sets the least number of IDs if the size follows from the image.
    #[must_use]
    pub fn initial_size(mut self, size: u32) -> Self {
        self.initial_size = size;
        self
    }

    /// Sets the file that is read instead of `/etc/passwd` of the image.
    #[must_use]
    pub fn passwd_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.passwd_file = Some(path.into());
        self
    }

    /// Sets the file that is read instead of `/etc/group` of the image.
    #[must_use]
    pub fn group_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.group_file = Some(path.into());
        self
    }

    /// Sets ID maps that are added to the chosen ones.
    #[must_use]
    pub fn additional(mut self, maps: IdMappings) -> Self {
        self.additional = maps;
        self
    }
}

/// The limits of user namespaces that a store chooses (Go: `StoreOptions`, store.go).
///
/// ```
/// use layerhold::AutoUserNsPolicy;
///
/// let policy = AutoUserNsPolicy { max_size: 4096, ..AutoUserNsPolicy::default() };
/// assert_eq!((policy.user.as_str(), policy.min_size), ("containers", 1024));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoUserNsPolicy {
    /// The user whose ranges in `/etc/subuid` and `/etc/subgid` are divided among containers. A
    /// process with [`Privilege::UserNamespace`](crate::Privilege::UserNamespace) divides the IDs
    /// of its own user namespace.
    pub user: String,
    /// The least number of IDs of a namespace whose size follows from the image.
    pub min_size: u32,
    /// The greatest number of IDs of a namespace whose size follows from the image; 0 for no limit.
    pub max_size: u32,
}

impl Default for AutoUserNsPolicy {
    /// From 1024 to 65536 IDs of the user `containers`.
    fn default() -> Self {
        Self {
            user: "containers".to_owned(),
            min_size: 1024,
            max_size: 65536,
        }
    }
}

/// The store cannot choose a user namespace for a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserNsError {
    /// Fewer IDs are free than are needed.
    #[error("cannot choose {} {kind}s for the container, only {} are free", .source.wanted, .source.available)]
    NotEnough {
        /// For users or for groups.
        kind: IdKind,
        /// How many there are.
        #[source]
        source: NotEnoughIds,
    },
    /// The user whose ranges are to be shared out has none.
    #[error("{} gives user {user:?} no ranges to choose IDs from", .path.display())]
    NoRanges {
        /// The user.
        user: String,
        /// The file that should name it.
        path: PathBuf,
    },
    /// The image has greater IDs than a chosen user namespace may have.
    #[error(
        "the container needs a user namespace with size {wanted} that is bigger than the maximum value allowed with userns=auto {limit}"
    )]
    TooLarge {
        /// How many IDs it needs.
        wanted: u64,
        /// How many it may have.
        limit: u32,
    },
    /// The file of ranges is malformed.
    #[error("cannot read the ranges in {}", .path.display())]
    SubIds {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: SubIdError,
    },
    /// What the kernel says of the user namespace of this process makes no sense.
    #[error("cannot read {}", .path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KernelMapError,
    },
    /// Another transaction chose a user namespace on this thread, and holds the lock until it is
    /// committed or dropped. Waiting for it would never end. It counts as that of the thread on
    /// which it chose first.
    #[error(
        "cannot choose a user namespace while another transaction of this thread holds {}; commit or drop that one first",
        .path.display()
    )]
    ChosenByThisThread {
        /// The lock file.
        path: PathBuf,
    },
    /// A file of the host cannot be read.
    #[error(transparent)]
    Os(#[from] PathError),
    /// The image cannot be looked into.
    #[error("cannot look for users in layer {layer}")]
    MergedRecords {
        /// The top layer of the image.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
}

error_kind!(UserNsError, |error| match error {
    // Go notes in its log that it cannot find the ranges, and then there are none.
    Self::NotEnough { .. }
    | Self::NoRanges { .. }
    | Self::SubIds { .. }
    | Self::Kernel { .. }
    | Self::Os(_) => Some(ErrorKind::NoAvailableIds),
    _ => None,
});
