//! Trees that somebody else fills, to become the contents of a layer: from parts of an archive,
//! from another store, from anywhere.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 1 | [`Store::stage_tree`] makes an empty tree | a tree whose lock is free, removed by a writer |
//! | 2 | the caller fills it and says what it found out: [`TreeToFill::filled`] | the same |
//! | 3 | it becomes a layer: a new one with a [`Transaction`](crate::Transaction), or what an existing one holds ([`replace`]) | the layer as it was before, or as it is meant to be |
//!
//! Only the third step takes a lock, for as long as it takes to rename and to save records. What is
//! dropped before is erased.
//!
//! Go: `Store.PrepareStagedLayer`, `Store.ApplyStagedLayer`, `Store.CleanupStagedLayer`, where the
//! caller hands in an object that fills the tree, and has to call the third on every way out.

mod fill;
pub(crate) mod replace;
mod facts;

use std::sync::Arc;

use layerhold_driver::{LayerAccess, StagedTree, TreeFor, TreeRequest};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_staging::{StagedAddition, TempArea, TempRoot};

use crate::engine::Engine;
use crate::records::Layer;
use crate::spec::error::StageError;

pub use facts::TreeFacts;
pub use fill::TreeToFill;

/// What a tree is for.
///
/// ```
/// use layerhold::{LayerAccess, TreeSpec};
///
/// let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
/// # drop(spec);
/// ```
#[derive(Debug, Clone)]
pub struct TreeSpec {
    wanted: Wanted,
    id_maps: Option<IdMappings>,
}

#[derive(Debug, Clone)]
enum Wanted {
    New(LayerAccess),
    Layer(LayerId),
}

impl TreeSpec {
    /// A tree for a layer that is still to be made. Its ID, its parent and all else can be decided
    /// when the tree is filled.
    #[must_use]
    pub fn for_new_layer(access: LayerAccess) -> Self {
        Self {
            wanted: Wanted::New(access),
            id_maps: None,
        }
    }

    /// A tree to replace what an existing layer holds, owned as that layer is.
    #[must_use]
    pub fn for_layer(layer: &Layer) -> Self {
        Self {
            wanted: Wanted::Layer(layer.id().clone()),
            id_maps: Some(layer.id_maps()),
        }
    }

    /// Sets the maps of the owners in a new layer; without this they are those of a layer without a
    /// parent.
    #[must_use]
    pub fn id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = Some(maps);
        self
    }
}

/// A tree that is complete, with what is to be recorded of it.
#[derive(Debug)]
#[must_use = "a tree that is dropped is erased"]
pub struct FilledTree {
    state: TreeState,
    facts: TreeFacts,
}

/// What a tree consists of, from the first step to the last.
#[derive(Debug)]
pub(crate) struct TreeState {
    pub(crate) tree: Box<dyn StagedTree>,
    pub(crate) maps: IdMappings,
    pub(crate) tar_split: Option<StagedAddition>,
    /// Where the tar-split file is.
    pub(crate) area: Option<TempArea>,
}

impl FilledTree {
    /// Returns what is to be recorded of it.
    #[must_use]
    pub fn facts(&self) -> &TreeFacts {
        &self.facts
    }

    /// Erases the tree and tells what went wrong, which dropping cannot.
    ///
    /// Go: `Store.CleanupStagedLayer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Driver`] when something cannot be removed. What is left is removed by the next
    /// writer.
    pub fn discard(self) -> Result<(), StageError> {
        self.state.tree.erase().map_err(StageError::Driver)
    }

    pub(crate) fn into_state(self) -> (TreeState, TreeFacts) {
        (self.state, self.facts)
    }
}

pub(crate) fn stage_tree(engine: &Arc<Engine>, spec: TreeSpec) -> Result<TreeToFill, StageError> {
    let driver = Arc::clone(&engine.use_driver()?.driver);
    let maps = spec
        .id_maps
        .unwrap_or_else(|| engine.options.id_maps.clone());
    let is_new = matches!(spec.wanted, Wanted::New(_));
    let maps = if is_new && driver.supports_shifting(&maps) {
        // As in every new layer: mounts show the owners shifted.
        IdMappings::IDENTITY
    } else {
        maps
    };
    let wanted = match &spec.wanted {
        Wanted::New(access) => TreeFor::New(*access),
        Wanted::Layer(id) => TreeFor::Layer(id),
    };
    let request = TreeRequest::new(wanted).with_id_maps(maps.clone());
    let tree = driver.stage_tree(&request).map_err(StageError::Driver)?;
    Ok(TreeToFill::new(
        TreeState {
            tree,
            maps,
            tar_split: None,
            area: None,
        },
        TempRoot::new(engine.catalog.layout.temp_root()),
    ))
}
