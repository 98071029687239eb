//! Finds the parent of a layer.

use std::collections::BTreeSet;

use layerhold_driver::Stacking;
use layerhold_idmap::IdMappings;
use layerhold_ids::{DiffId, LayerId};

use super::search::{CannotRebuild, Search};
use crate::check::attributes::Compared;
use crate::check::compare::{Comparison, IgnoredDifferences};
use crate::check::contents::entries;
use crate::check::tree::{Links, Tree};
use crate::records::big_data_item::digest_of;

impl Search<'_, '_> {
    /// Finds the parent of a layer by one of these, in this order: what the driver keeps (overlay);
    /// the container whose layer it is; an ID that was computed from that of the parent
    /// (docs/format/podman.md); or, where each layer is a full copy (vfs), the one other layer that
    /// has all files which are not its own.
    pub(super) fn parent(
        &self,
        id: &LayerId,
        diff: Option<&DiffId>,
    ) -> Result<Option<LayerId>, CannotRebuild> {
        if let Some(parents) = self
            .inspection
            .driver
            .maintenance()
            .parents(id)
            .ok()
            .flatten()
        {
            return Ok(parents.into_iter().next());
        }
        if let Some(container) = self.container_of(id) {
            let Some(image) = container.image() else {
                return Ok(None);
            };
            let image = self
                .inspection
                .images
                .get(image)
                .ok_or(CannotRebuild::Parent)?;
            // Its parent may be a mapped layer instead.
            return match image.mapped_layers() {
                [] => Ok(image.top_layer().cloned()),
                _ => Err(CannotRebuild::Parent),
            };
        }
        if let Some(diff) = diff
            && let Some(parent) = self.parent_by_id(id, diff)
        {
            return Ok(parent);
        }
        if self.inspection.driver.capabilities().stacking != Stacking::Copies {
            return Err(CannotRebuild::Parent);
        }
        self.parent_by_tree(id)
    }

    /// The parent from which the ID was computed.
    fn parent_by_id(&self, id: &LayerId, diff: &DiffId) -> Option<Option<LayerId>> {
        if id.as_str() == diff.hex() {
            return Some(None);
        }
        let mut others = self.other_layers(id).into_iter();
        let is_parent = |other: &LayerId| {
            let text = format!("{other}+{}", diff.hex());
            digest_of(text.as_bytes()).hex() == id.as_str()
        };
        others.find(is_parent).map(Some)
    }

    /// All layers but one, with or without a record.
    fn other_layers(&self, id: &LayerId) -> BTreeSet<LayerId> {
        let recorded = self.inspection.layers.keys();
        let held = self.inspection.held.iter().flatten();
        recorded
            .chain(held)
            .filter(|other| *other != id)
            .cloned()
            .collect()
    }

    /// The only parent, or `None`, with which the layer's own files give the tree that it has.
    fn parent_by_tree(&self, id: &LayerId) -> Result<Option<LayerId>, CannotRebuild> {
        if self.is_tree(id, None) {
            return Ok(None);
        }
        let mut fitting = self.inspection.layers.values().filter(|layer| {
            let is_image_layer = layer.diff_id().is_some() && layer.id() != id;
            is_image_layer && self.is_tree(id, Some(layer.id()))
        });
        match (fitting.next(), fitting.next()) {
            (Some(parent), None) => Ok(Some(parent.id().clone())),
            _ => Err(CannotRebuild::Parent),
        }
    }

    /// Tells whether a layer is what its own entries make of a parent, by the rules of this library
    /// or those of the Go library.
    fn is_tree(&self, id: &LayerId, parent: Option<&LayerId>) -> bool {
        let all = [Links::OfLayer, Links::OfAll];
        all.into_iter()
            .any(|links| self.is_tree_by(id, parent, links))
    }

    fn is_tree_by(&self, id: &LayerId, parent: Option<&LayerId>, links: Links) -> bool {
        let inspection = &*self.inspection;
        let mut chain = parent.map_or(Vec::new(), |parent| inspection.chain(parent));
        if chain.last().is_some_and(|lowest| lowest.parent().is_some()) {
            return false;
        }
        chain.reverse();
        let mut tree = Tree::default();
        for (depth, layer) in chain.iter().enumerate() {
            match entries(inspection, layer.id(), depth) {
                Some(entries) => tree.apply(&entries, links),
                None => return false,
            }
        }
        // A layer without a tar-split file has no files of its own, or belongs to a container that
        // writes to it.
        if let Some(entries) = entries(inspection, id, chain.len()) {
            tree.apply(&entries, links);
        } else if parent.is_some() {
            return false;
        }
        let Ok(view) = inspection.driver.view(id, "") else {
            return false;
        };
        let mut is_same = true;
        let comparison = Comparison {
            root: view.root(),
            maps: &IdMappings::IDENTITY,
            ignored: IgnoredDifferences::new(&inspection.engine.options),
            read_below: 0,
            compared: Compared {
                users: false,
                capabilities: false,
            },
            is_first_enough: true,
            cancel: inspection.cancel(),
        };
        let compared = comparison.run(&tree, &mut |_, _| is_same = false);
        compared.is_ok() && is_same
    }
}
