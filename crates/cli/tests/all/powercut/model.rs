//! What a worker's part of the store is to hold.

use std::collections::{BTreeMap, BTreeSet};

use super::fixtures::Fixtures;

/// The part of a store that one worker changes. What others have in it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Images by ID, with their names.
    pub(super) images: BTreeMap<String, BTreeSet<String>>,
    /// Containers by ID.
    pub(super) containers: BTreeMap<String, Box_>,
    /// Layers that no image has, by ID.
    pub(super) imported: BTreeMap<String, Imported>,
    /// Digests of all layers that have one.
    pub(super) digests: BTreeSet<String>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Box_ {
    pub(super) image: String,
    pub(super) names: BTreeSet<String>,
    /// Data items, by key.
    pub(super) data: BTreeSet<String>,
}

/// A layer that was imported by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Imported {
    pub(super) digest: String,
    pub(super) parent: String,
}

impl State {
    /// Puts together what follows from the rest.
    pub(super) fn completed(mut self, fixtures: &Fixtures) -> Self {
        let of_images = self.images.keys().flat_map(|id| fixtures.layers_of(id));
        let imported = self.imported.values().map(|layer| layer.digest.clone());
        self.digests = of_images.chain(imported).collect();
        self
    }

    /// Images that no container uses.
    pub(super) fn unused_images(&self) -> Vec<String> {
        let used: BTreeSet<_> = self.containers.values().map(|one| &one.image).collect();
        let unused = self.images.keys().filter(|id| !used.contains(id));
        unused.cloned().collect()
    }

    /// Imported layers that no other layer has below it.
    pub(super) fn leaves(&self) -> Vec<String> {
        let parents: BTreeSet<_> = self.imported.values().map(|one| &one.parent).collect();
        let leaves = self.imported.keys().filter(|id| !parents.contains(id));
        leaves.cloned().collect()
    }
}
