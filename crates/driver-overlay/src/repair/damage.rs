//! Damage to short names and to `lower` files, and repairing it.

use std::path::Path;

use layerhold_driver::{DriverDamage, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::Durability;

use crate::context::Context;
use crate::disk::{Home, LINK, LINKS, LOWER, STAGING, abandoned, recover};
use crate::layers::{
    Layer, LinkIndex, LinkName, LowerList, is_no_link, layer_of_target, put_symlink, read_symlink,
    write_link, write_lower,
};

/// What is wrong with a layer.
pub(crate) fn damage(
    context: &Context,
    id: &LayerId,
    parent: Option<&LayerId>,
) -> Result<Vec<DriverDamage>, LayerError> {
    let Some(layer) = context.homes.find(id)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    match layer.link()? {
        None => found.push(DriverDamage::repairable(
            layer.path().join(LINK),
            "holds no short name",
        )),
        Some(link) if !has_symlink(&layer, &link)? => found.push(DriverDamage::repairable(
            layer.home().path().join(LINKS).join(link.as_str()),
            format!("is no link to layer {id}"),
        )),
        Some(_) => {}
    }
    match layer.lower()? {
        LowerList::Damaged => found.push(DriverDamage::repairable(
            layer.path().join(LOWER),
            "does not list the parents",
        )),
        LowerList::Base if parent.is_some() => found.push(DriverDamage::repairable(
            layer.path().join(LOWER),
            "is missing, although the layer has a parent",
        )),
        LowerList::Links(links) if !names_parent(context, &links, parent)? => {
            found.push(DriverDamage::repairable(
                layer.path().join(LOWER),
                "does not lead to the parent of the layer",
            ))
        }
        _ => {}
    }
    Ok(found)
}

fn has_symlink(layer: &Layer, link: &LinkName) -> Result<bool, LayerError> {
    let Some(links) = layer.home().open_links()? else {
        return Ok(false);
    };
    Ok(read_symlink(&links, link)?.as_ref() == Some(layer.id()))
}

/// Whether the list names the parent. The parent need not be the nearest: a copy that Go makes of a
/// layer has that layer as its nearest parent. The list is not changed because of a parent that has
/// lost its name.
fn names_parent(
    context: &Context,
    links: &[LinkName],
    parent: Option<&LayerId>,
) -> Result<bool, LayerError> {
    let Some(parent) = parent else {
        return Ok(true);
    };
    let Some(parent) = context.homes.find(parent)? else {
        return Ok(true);
    };
    Ok(parent.link()?.is_none_or(|link| links.contains(&link)))
}

/// Rebuilds short name, symbolic link and `lower` file.
pub(crate) fn repair(
    context: &Context,
    id: &LayerId,
    parent: Option<&LayerId>,
) -> Result<(), LayerError> {
    if context.homes.home_for_change(id)?.is_none() {
        return Ok(());
    }
    let layer = context.homes.require_writable(id)?;
    // What the other layers tell comes first. The parent of the record completes the rest.
    drop(LinkIndex::repaired(&context.homes)?);
    let link = match layer.link()? {
        Some(link) => link,
        None => {
            let link = LinkName::generate()?;
            write_link(layer.handle(), &link, Durability::Durable)?;
            link
        }
    };
    if !has_symlink(&layer, &link)? {
        put_symlink(&layer.home().writable()?, &link, id)?;
    }
    let is_right = match layer.lower()? {
        LowerList::Damaged => false,
        LowerList::Base => parent.is_none(),
        LowerList::Links(links) => names_parent(context, &links, parent)?,
    };
    if !is_right {
        let lower = lower_from(context, id, parent)?;
        write_lower(layer.handle(), &lower, Durability::Durable)?;
    }
    Ok(())
}

/// The list of a child of this parent.
fn lower_from(
    context: &Context,
    id: &LayerId,
    parent: Option<&LayerId>,
) -> Result<Vec<LinkName>, LayerError> {
    let Some(parent) = parent else {
        return Ok(Vec::new());
    };
    let parent = context.homes.require(parent)?;
    let lost = || LayerError::LowerLost { id: id.clone() };
    let link = parent.link()?.ok_or_else(lost)?;
    let grandparents = match parent.lower()? {
        LowerList::Base => Vec::new(),
        LowerList::Links(links) => links,
        LowerList::Damaged => return Err(lost()),
    };
    Ok(std::iter::once(link).chain(grandparents).collect())
}

/// Symbolic links to layers that are gone, and trees of dead processes.
pub(crate) fn home_damage(context: &Context) -> Result<Vec<DriverDamage>, LayerError> {
    let mut found = Vec::new();
    for home in context.homes.main() {
        let trees = abandoned(home)?.into_iter();
        found.extend(trees.map(|tree| {
            DriverDamage::repairable(
                tree,
                "is a tree that a dead process was filling for a layer",
            )
        }));
        let Some(links) = home.open_links()? else {
            continue;
        };
        for entry in links.entries()? {
            let name = entry?.name;
            if is_stray(home, name.as_ref())? {
                found.push(DriverDamage::repairable(
                    links.path().join(&name),
                    "is a link to a layer that does not exist",
                ));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_stray(home: &Home, name: &Path) -> Result<bool, LayerError> {
    let Some(links) = home.open_links()? else {
        return Ok(false);
    };
    match links.read_link(name) {
        Ok(target) => match layer_of_target(&target) {
            Some(id) => Ok(!home.holds(&id)?),
            None => Ok(false),
        },
        Err(error) if is_no_link(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes a symbolic link that still leads to a layer that is gone, or the trees of dead
/// processes.
pub(crate) fn repair_home(context: &Context, found: &DriverDamage) -> Result<(), LayerError> {
    for home in context.homes.main() {
        if found.path.parent() == Some(&home.path().join(STAGING)) {
            recover(home)?;
        }
        let place = home.path().join(LINKS);
        if let Ok(name) = found.path.strip_prefix(&place)
            && is_stray(home, name)?
        {
            home.writable()?.open_dir(LINKS)?.remove_file(name)?;
        }
    }
    Ok(())
}
