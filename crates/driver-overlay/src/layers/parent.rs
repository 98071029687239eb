//! The parent of a layer that is staged, which may be staged itself.

use std::sync::Arc;

use layerhold_driver::LayerError;
use layerhold_sys::Dir;

use super::layer::{Layer, LayerDir};
use super::link::LinkName;
use super::parents::{link_of, lower_of, nearest_parent, parents_of};
use crate::disk::Homes;

/// The parent of a layer.
#[derive(Debug, Clone)]
pub(crate) enum Parent {
    None,
    Committed(Layer),
    Staged(Arc<StagedNode>),
}

/// A staged layer, as those staged on top of it know it.
///
/// Its short name is chosen when it is staged. Its children list that name before it has an ID: the
/// ID is only in the symbolic link, which is made when it is committed.
#[derive(Debug)]
pub(crate) struct StagedNode {
    pub(crate) dir: LayerDir,
    pub(crate) link: LinkName,
    /// The short names of all parents, nearest first.
    pub(crate) lower: Vec<LinkName>,
    pub(crate) parent: Parent,
}

impl Parent {
    /// The parent of a committed layer.
    pub(crate) fn of(homes: &Homes, layer: &Layer) -> Result<Self, LayerError> {
        let nearest = nearest_parent(homes, layer, &lower_of(homes, layer)?)?;
        Ok(nearest.map_or(Self::None, Self::Committed))
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    fn dir(&self) -> Option<&LayerDir> {
        match self {
            Self::None => None,
            Self::Committed(layer) => Some(layer.dir()),
            Self::Staged(node) => Some(&node.dir),
        }
    }

    /// Opens the uppermost directory of contents.
    pub(crate) fn open_diff(&self) -> Result<Option<Dir>, LayerError> {
        self.dir().map(LayerDir::open_diff).transpose()
    }

    /// The short names of the parents of a child of this layer, nearest first.
    pub(crate) fn lower_of_child(&self, homes: &Homes) -> Result<Vec<LinkName>, LayerError> {
        let (link, lower) = match self {
            Self::None => return Ok(Vec::new()),
            Self::Committed(layer) => (link_of(homes, layer)?, lower_of(homes, layer)?),
            Self::Staged(node) => (node.link.clone(), node.lower.clone()),
        };
        Ok(std::iter::once(link).chain(lower).collect())
    }

    /// The directories of this layer and of all its parents, nearest first.
    pub(crate) fn dirs(&self, homes: &Homes) -> Result<Vec<LayerDir>, LayerError> {
        let mut found = Vec::new();
        let mut here = self;
        loop {
            match here {
                Self::None => return Ok(found),
                Self::Staged(node) => {
                    found.push(node.dir.clone());
                    here = &node.parent;
                }
                Self::Committed(layer) => {
                    found.push(layer.dir().clone());
                    let parents = parents_of(homes, layer)?;
                    found.extend(parents.into_iter().map(Layer::into_dir));
                    return Ok(found);
                }
            }
        }
    }
}
