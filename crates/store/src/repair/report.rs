//! What a repair did.

use std::path::PathBuf;

use layerhold_ids::{ContainerId, LayerId};

use super::error::RepairError;
use crate::check::{Removable, Subject};

/// What a repair did, or would do.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// What was done, in this order; of a dry run, what would be done.
    pub done: Vec<Action>,
    /// What could not be done, and why.
    pub failed: Vec<Failure>,
    /// What stayed because of a container that was not to be removed.
    pub kept: Vec<Kept>,
    /// Bytes that were freed.
    pub bytes: u64,
}

/// A step of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Something is rebuilt.
    Rebuild {
        /// What was damaged.
        subject: Subject,
        /// The damage.
        damage: String,
    },
    /// Bytes that are not a record go to a side file.
    SetAside {
        /// The damage.
        damage: String,
    },
    /// A layer is removed, and its contents are moved to the quarantine.
    Quarantine {
        /// The layer.
        layer: LayerId,
        /// Where the contents are now; `None` when they were not moved.
        place: Option<PathBuf>,
    },
    /// Something is removed.
    Remove(Removable),
}

/// A step that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What.
    pub action: Action,
    /// Why.
    pub error: RepairError,
}

/// What stays because a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// What.
    pub what: Removable,
    /// The container.
    pub held_by: ContainerId,
}

impl RepairReport {
    /// Tells whether every step succeeded and nothing was kept.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.kept.is_empty()
    }
}
