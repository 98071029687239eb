//! Trees that somebody else fills, to become the contents of a layer.

use std::any::Any;

use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;

use crate::apply::LayerTarget;
use crate::error::LayerError;
use crate::stage::LayerAccess;

/// Which layer a tree is for, which decides the filesystem that it is made on.
#[derive(Debug, Clone, Copy)]
pub enum TreeFor<'a> {
    /// A layer that is not staged yet.
    New(LayerAccess),
    /// A layer that has its ID. It must not belong to an additional store.
    Layer(&'a LayerId),
}

/// What a tree is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TreeRequest<'a> {
    /// Which layer it is for.
    pub wanted: TreeFor<'a>,
    /// The maps of that layer, which decide whom the root directory belongs to.
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

/// Who says what attributes the root directory of a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TreeRoot {
    /// The layer below; without one, the driver. This is right when what the tree was filled from
    /// does not mention the root.
    #[default]
    LikeParent,
    /// Whoever filled the tree.
    AsFilled,
}

/// A tree that belongs to no layer yet, made by [`Driver::stage_tree`](crate::Driver::stage_tree).
///
/// Nothing in it depends on the layers below, so it can be filled before ID, parent and even the
/// existence of its layer are known. It becomes the contents of a new layer by
/// [`StagedLayer::adopt`](crate::StagedLayer::adopt), of an existing one by
/// [`Driver::replace_tree`](crate::Driver::replace_tree). Dropping it erases it.
///
/// What a crash leaves: a directory whose lock is free, removed by
/// [`Maintenance::recover`](crate::Maintenance::recover).
#[must_use = "a tree that is dropped is erased"]
pub trait StagedTree: LayerTarget {
    /// Erases the tree and tells what went wrong, which dropping cannot.
    ///
    /// # Errors
    ///
    /// When something cannot be removed. What is left is removed by the next recovery.
    fn erase(self: Box<Self>) -> Result<(), LayerError>;

    /// Lets a driver recognise its own trees when they come back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}
