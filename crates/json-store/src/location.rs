//! Sets of locations.

use std::collections::BTreeSet;

use crate::options::{Access, LocationId, Options};

/// Locations that differ from their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocationSet(BTreeSet<LocationId>);

impl LocationSet {
    pub(crate) fn insert(&mut self, location: LocationId) {
        self.0.insert(location);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = LocationId> {
        self.0.iter().copied()
    }

    /// Leaves out locations that are never written.
    pub(crate) fn retain_writable(&mut self, options: &Options) {
        self.0.retain(|location| {
            let location = options.locations.get(location.position());
            location.is_some_and(|location| location.access == Access::ReadWrite)
        });
    }
}
