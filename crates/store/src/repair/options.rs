//! What a repair may do.

use crate::check::Containers;

/// What a repair may do.
///
/// ```
/// use layerhold::check::Containers;
/// use layerhold::repair::{RepairMode, RepairOptions};
///
/// let options = RepairOptions::new().with_mode(RepairMode::DryRun);
/// assert_eq!(options.containers, Containers::Keep);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairOptions {
    /// Whether damaged containers are removed.
    pub containers: Containers,
    /// Whether anything is done at all.
    pub mode: RepairMode,
}

/// Whether a repair does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairMode {
    /// It does.
    #[default]
    Repair,
    /// It only says what it would do.
    DryRun,
}

impl RepairOptions {
    /// Repairs everything but containers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether damaged containers are removed.
    #[must_use]
    pub fn with_containers(mut self, containers: Containers) -> Self {
        self.containers = containers;
        self
    }

    /// Sets whether anything is done.
    #[must_use]
    pub fn with_mode(mut self, mode: RepairMode) -> Self {
        self.mode = mode;
        self
    }
}
