//! Trees that the caller fills, and that become the contents of a layer.

use std::any::Any;

use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;

use crate::apply::LayerTarget;
use crate::error::LayerError;
use crate::stage::LayerAccess;

/// The layer that a tree is for, which decides on which filesystem it is made.
#[derive(Debug, Clone, Copy)]
pub enum TreeFor<'a> {
    /// A layer that is not staged yet.
    New(LayerAccess),
    /// A committed layer. It must not be in an additional store.
    Layer(&'a LayerId),
}

/// The description of a tree.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TreeRequest<'a> {
    /// The layer it is for.
    pub wanted: TreeFor<'a>,
    /// The maps of that layer, which decide the owner of the root directory.
    pub id_maps: IdMappings,
}

impl<'a> TreeRequest<'a> {
    /// Describes an unmapped tree.
    #[must_use]
    pub fn new(wanted: TreeFor<'a>) -> Self {
        Self {
            wanted,
            id_maps: IdMappings::default(),
        }
    }

    /// Sets the ID maps.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }
}

/// Where the attributes of a layer's root directory come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TreeRoot {
    /// The parent; without one, the driver. This is right when the source of the tree does not
    /// mention the root.
    #[default]
    LikeParent,
    /// The tree, as it was filled.
    AsFilled,
}

/// A tree that belongs to no layer yet, made by [`Driver::stage_tree`](crate::Driver::stage_tree).
///
/// Nothing in it depends on parents, so it can be filled before ID, parent and even the existence
/// of its layer are known. It becomes the contents of a new layer by
/// [`StagedLayer::adopt`](crate::StagedLayer::adopt), of an existing one by
/// [`Driver::replace_tree`](crate::Driver::replace_tree). Dropping it erases it.
///
/// What a crash leaves: a directory whose lock is free, removed by
/// [`Maintenance::recover`](crate::Maintenance::recover).
#[must_use = "a tree that is dropped is erased"]
pub trait StagedTree: LayerTarget {
    /// Erases the tree and reports failures, which dropping it does not.
    ///
    /// # Errors
    ///
    /// When an entry cannot be removed. The next recovery removes what is left.
    fn erase(self: Box<Self>) -> Result<(), LayerError>;

    /// Lets a driver recognise its own trees, when it gets them back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}
