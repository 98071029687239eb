//! Staged trees: the caller fills a tree from any source, and it becomes the contents of a layer.
//!
//! | step | what happens | a crash after it leaves |
//! |---|---|---|
//! | 1 | [`Store::stage_tree`](crate::Store::stage_tree) creates an empty tree | a tree whose lock is free, removed by a writer |
//! | 2 | the caller fills it and passes the facts to record: [`TreeToFill::filled`] | the same |
//! | 3 | it becomes a new layer, in a [`Transaction`](crate::Transaction), or the contents of an existing one ([`replace`]) | the layer as it was before, or as it is meant to be |
//!
//! Only the third step takes a lock, while it renames and saves records. A tree that is dropped
//! before is erased.
//!
//! Go: `Store.PrepareStagedLayer`, `Store.ApplyStagedLayer`, `Store.CleanupStagedLayer`. There, the
//! caller passes an object that fills the tree, and must call the last one on every error path.

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

/// The purpose of a staged tree.
///
/// ```
/// use layerhold::{LayerAccess, TreeSpec};
///
/// let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
/// # drop(spec);
/// ```
#[derive(Debug, Clone)]
pub struct TreeSpec {
    purpose: Purpose,
    id_maps: Option<IdMappings>,
}

#[derive(Debug, Clone)]
enum Purpose {
    New(LayerAccess),
    Layer(LayerId),
}

impl TreeSpec {
    /// Stages a tree for a new layer. Its ID, parent and everything else can be decided after the
    /// tree is filled.
    #[must_use]
    pub fn for_new_layer(access: LayerAccess) -> Self {
        Self {
            purpose: Purpose::New(access),
            id_maps: None,
        }
    }

    /// Stages a tree that replaces the contents of an existing layer and has its ID maps.
    #[must_use]
    pub fn for_layer(layer: &Layer) -> Self {
        Self {
            purpose: Purpose::Layer(layer.id().clone()),
            id_maps: Some(layer.id_maps()),
        }
    }

    /// Sets the ID maps of a new layer; without this they are those of a layer without a parent.
    #[must_use]
    pub fn id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = Some(maps);
        self
    }
}

/// A complete staged tree with the facts to record.
#[derive(Debug)]
#[must_use = "a tree that is dropped is erased"]
pub struct FilledTree {
    state: TreeState,
    facts: TreeFacts,
}

/// A staged tree through all its steps.
#[derive(Debug)]
pub(crate) struct TreeState {
    pub(crate) tree: Box<dyn StagedTree>,
    pub(crate) maps: IdMappings,
    pub(crate) tar_split: Option<StagedAddition>,
    /// The area that the tar-split file is in.
    pub(crate) area: Option<TempArea>,
}

impl FilledTree {
    /// Returns the facts to record.
    #[must_use]
    pub fn facts(&self) -> &TreeFacts {
        &self.facts
    }

    /// Erases the tree and reports errors, which dropping cannot.
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
    let is_new = matches!(spec.purpose, Purpose::New(_));
    let maps = if is_new && driver.supports_shifting(&maps) {
        // As in every new layer: mounts shift the owners.
        IdMappings::IDENTITY
    } else {
        maps
    };
    let purpose = match &spec.purpose {
        Purpose::New(access) => TreeFor::New(*access),
        Purpose::Layer(id) => TreeFor::Layer(id),
    };
    let request = TreeRequest::new(purpose).with_id_maps(maps.clone());
    let tree = driver.stage_tree(&request).map_err(StageError::Driver)?;
    Ok(TreeToFill::new(
        TreeState {
            tree,
            maps,
            tar_split: None,
            area: None,
        },
        TempRoot::new(engine.catalog.layout.temp_root()),
        engine.options.import_options(),
    ))
}
