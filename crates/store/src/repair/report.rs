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

/// Something that a repair does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Something is made anew.
    Rebuild {
        /// With what something was wrong.
        subject: Subject,
        /// What was wrong.
        damage: String,
    },
    /// Bytes that are no record go to a side file.
    SetAside {
        /// What is wrong with them.
        damage: String,
    },
    /// A layer is removed, and what it held is moved to where people can look at it.
    Quarantine {
        /// The layer.
        layer: LayerId,
        /// Where it is now; `None` when it was not moved.
        place: Option<PathBuf>,
    },
    /// Something is removed.
    Remove(Removable),
}

/// Something that could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What.
    pub action: Action,
    /// Why.
    pub error: RepairError,
}

/// Something that stays because a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// What.
    pub what: Removable,
    /// The container.
    pub held_by: ContainerId,
}

impl RepairReport {
    /// Tells whether everything was done that was to be done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.kept.is_empty()
    }
}
