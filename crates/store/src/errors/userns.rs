//! Failures to choose a user namespace.

use std::path::PathBuf;

use layerhold_driver::LayerError;
use layerhold_idmap::{IdKind, KernelMapError, NotEnoughIds, SubIdError};
use layerhold_ids::LayerId;
use layerhold_sys::PathError;

use crate::records::error_kind::ErrorKind;

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
    View {
        /// The top layer of the image.
        layer: LayerId,
        /// Why.
        #[source]
        source: Box<LayerError>,
    },
}

impl UserNsError {
    /// The kind that Go tells apart, if any.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            // Go notes in its log that it cannot find the ranges, and then there are none.
            Self::NotEnough { .. }
            | Self::NoRanges { .. }
            | Self::SubIds { .. }
            | Self::Kernel { .. }
            | Self::Os(_) => Some(ErrorKind::NoAvailableIds),
            _ => None,
        }
    }
}
