//! From a layer to its parents.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;

use super::layer::Layer;
use super::link::LinkName;
use super::link_index::LinkIndex;
use super::lower::LowerList;
use crate::disk::{Homes, OpenHome};

/// The short name of a layer, rebuilt if it is lost.
pub(super) fn link_of(homes: &Homes, layer: &Layer) -> Result<LinkName, LayerError> {
    if let Some(link) = layer.link()? {
        return Ok(link);
    }
    let index = LinkIndex::repaired(homes)?;
    index.link_of(layer).ok_or_else(|| LayerError::LinkUnknown {
        id: layer.id().clone(),
    })
}

/// The short names of the parents of a layer, nearest first, rebuilt if they are lost.
pub(crate) fn lower_of(homes: &Homes, layer: &Layer) -> Result<Vec<LinkName>, LayerError> {
    match layer.lower()? {
        LowerList::Base => return Ok(Vec::new()),
        LowerList::Links(links) => return Ok(links),
        LowerList::Damaged => {}
    }
    let index = LinkIndex::repaired(homes)?;
    index.lower_of(layer).ok_or_else(|| LayerError::LowerLost {
        id: layer.id().clone(),
    })
}

/// Finds the parents of `child` by their short names, and keeps of each what `take` makes of it.
/// There may be hundreds, and a process may have few files open.
pub(crate) fn resolve_each<T>(
    homes: &Homes,
    child: &Layer,
    links: &[LinkName],
    mut take: impl FnMut(Layer, &LinkName) -> Result<T, LayerError>,
) -> Result<Vec<T>, LayerError> {
    let search = Search::new(homes);
    let mut found = Vec::with_capacity(links.len());
    let mut index = None;
    for link in links {
        let mut layer = search.layer_of_link(link)?;
        if layer.is_none() {
            // All that is lost is rebuilt at once. Where nothing can be written the answer is used
            // nevertheless.
            let index = match &index {
                Some(index) => index,
                None => index.insert(LinkIndex::repaired(homes)?),
            };
            layer = index.layer_of(link)?;
        }
        let layer = layer.ok_or_else(|| LayerError::LinkLost {
            id: child.id().clone(),
            link: link.to_string(),
        })?;
        found.push(take(layer, link)?);
    }
    Ok(found)
}

/// Finds the first of the parents of `child` with these short names.
pub(crate) fn nearest_parent(
    homes: &Homes,
    child: &Layer,
    links: &[LinkName],
) -> Result<Option<Layer>, LayerError> {
    let nearest = links.get(..1).unwrap_or_default();
    Ok(resolve_each(homes, child, nearest, |layer, _| Ok(layer))?.pop())
}

/// The parents of a layer, nearest first.
pub(crate) fn parents_of(homes: &Homes, layer: &Layer) -> Result<Vec<Layer>, LayerError> {
    let links = lower_of(homes, layer)?;
    resolve_each(homes, layer, &links, |layer, _| Ok(layer))
}

/// The parents of a layer, nearest first, as far as the files say by themselves; nothing is rebuilt
/// for the answer.
pub(crate) fn known_parents(
    homes: &Homes,
    id: &LayerId,
) -> Result<Option<Vec<LayerId>>, LayerError> {
    let Some(layer) = homes.find(id)? else {
        return Ok(None);
    };
    let links = match layer.lower()? {
        LowerList::Base => return Ok(Some(Vec::new())),
        LowerList::Links(links) => links,
        LowerList::Damaged => return Ok(None),
    };
    let search = Search::new(homes);
    let mut parents = Vec::with_capacity(links.len());
    for link in &links {
        match search.layer_of_link(link)? {
            Some(layer) => parents.push(layer.id().clone()),
            None => return Ok(None),
        }
    }
    Ok(Some(parents))
}

/// Whether any parent in the list of a layer is in one of the homes.
pub(crate) fn knows_any_parent(homes: &Homes, id: &LayerId) -> Result<Option<bool>, LayerError> {
    let Some(layer) = homes.find(id)? else {
        return Ok(None);
    };
    let LowerList::Links(links) = layer.lower()? else {
        return Ok(None);
    };
    let search = Search::new(homes);
    for link in &links {
        if search.layer_of_link(link)?.is_some() {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// Whether the parents of a layer are `parent` and the parents of that one, by what both say. Only
/// the nearest parent is opened.
pub(crate) fn stands_on(
    homes: &Homes,
    layer: &Layer,
    parent: Option<&LayerId>,
) -> Result<bool, LayerError> {
    let links = match (layer.lower()?, parent) {
        (LowerList::Base, parent) => return Ok(parent.is_none()),
        (LowerList::Links(links), Some(_)) => links,
        _ => return Ok(false),
    };
    let Some((first, others)) = links.split_first() else {
        return Ok(false);
    };
    let Some(nearest) = Search::new(homes).layer_of_link(first)? else {
        return Ok(false);
    };
    Ok(Some(nearest.id()) == parent
        && match nearest.lower()? {
            LowerList::Base => others.is_empty(),
            LowerList::Links(links) => links == others,
            LowerList::Damaged => false,
        })
}

/// The homes, each opened once for a whole list of short names.
struct Search(Vec<OpenHome>);

impl Search {
    fn new(homes: &Homes) -> Self {
        Self(homes.all().map(OpenHome::new).collect())
    }

    fn layer_of_link(&self, link: &LinkName) -> Result<Option<Layer>, LayerError> {
        for home in &self.0 {
            if let Some(layer) = home.layer_of_link(link)? {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }
}
