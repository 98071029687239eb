//! The layers below a layer.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;

use crate::homes::Homes;
use crate::layer::{LayerDir, LowerList};
use crate::link::LinkName;
use crate::link_index::LinkIndex;

/// The short name of a layer, rebuilt if it is lost.
pub(crate) fn link_of(homes: &Homes, layer: &LayerDir) -> Result<LinkName, LayerError> {
    if let Some(link) = layer.link()? {
        return Ok(link);
    }
    let index = LinkIndex::repaired(homes)?;
    index.link_of(layer).ok_or_else(|| LayerError::LinkUnknown {
        id: layer.id().clone(),
    })
}

/// The short names of the layers below a layer, nearest first, rebuilt if they are lost.
pub(crate) fn lower_of(homes: &Homes, layer: &LayerDir) -> Result<Vec<LinkName>, LayerError> {
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

/// Finds the layers below `above` by their short names.
pub(crate) fn resolve(
    homes: &Homes,
    above: &LayerDir,
    links: &[LinkName],
) -> Result<Vec<LayerDir>, LayerError> {
    resolve_each(homes, above, links, |layer, _| Ok(layer))
}

/// Finds the layers below `above` by their short names, and keeps of each what `take` makes of it.
/// There may be hundreds; a process may have few files open.
pub(crate) fn resolve_each<T>(
    homes: &Homes,
    above: &LayerDir,
    links: &[LinkName],
    mut take: impl FnMut(LayerDir, &LinkName) -> Result<T, LayerError>,
) -> Result<Vec<T>, LayerError> {
    let mut found = Vec::with_capacity(links.len());
    let mut index = None;
    for link in links {
        let mut layer = layer_of_link(homes, link)?;
        if layer.is_none() {
            // All that is lost is rebuilt at once; where nothing can be written the answer is used
            // nevertheless.
            let index = match &index {
                Some(index) => index,
                None => index.insert(LinkIndex::repaired(homes)?),
            };
            layer = index.layer_of(link)?;
        }
        let layer = layer.ok_or_else(|| LayerError::LinkLost {
            id: above.id().clone(),
            link: link.to_string(),
        })?;
        found.push(take(layer, link)?);
    }
    Ok(found)
}

/// The layers below a layer, nearest first.
pub(crate) fn below(homes: &Homes, layer: &LayerDir) -> Result<Vec<LayerDir>, LayerError> {
    resolve(homes, layer, &lower_of(homes, layer)?)
}

/// The layers below a layer, nearest first, as far as the files say by themselves; nothing is
/// rebuilt for the answer.
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
    let mut below = Vec::with_capacity(links.len());
    for link in &links {
        match layer_of_link(homes, link)? {
            Some(layer) => below.push(layer.id().clone()),
            None => return Ok(None),
        }
    }
    Ok(Some(below))
}

/// Whether any of the layers below a layer is in one of the homes, by the list of that layer.
pub(crate) fn knows_any_parent(homes: &Homes, id: &LayerId) -> Result<Option<bool>, LayerError> {
    let Some(layer) = homes.find(id)? else {
        return Ok(None);
    };
    let LowerList::Links(links) = layer.lower()? else {
        return Ok(None);
    };
    for link in &links {
        if layer_of_link(homes, link)?.is_some() {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

fn layer_of_link(homes: &Homes, link: &LinkName) -> Result<Option<LayerDir>, LayerError> {
    for home in homes.all() {
        if let Some(layer) = home.layer_of_link(link)? {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}
