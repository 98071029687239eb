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
    /// Repair or dry run.
    pub mode: RepairMode,
}

/// Repair or dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairMode {
    /// Apply repairs.
    #[default]
    Repair,
    /// Report only.
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

    /// Sets whether repairs are applied or only reported.
    #[must_use]
    pub fn with_mode(mut self, mode: RepairMode) -> Self {
        self.mode = mode;
        self
    }
}
