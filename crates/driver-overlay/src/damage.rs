//! Damage to short names and to lists of lower layers, and mending it.

use std::path::PathBuf;

use layerhold_driver::{DriverDamage, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::Durability;

use crate::core::Core;
use crate::homes::{Home, is_no_link};
use crate::layer::{LayerDir, LowerList};
use crate::link::{LinkName, layer_of_target};
use crate::link_index::{LinkIndex, put_symlink, write_link, write_lower};
use crate::names::{LINK, LINKS, LOWER, STAGING};
use crate::staging_dirs::{abandoned, recover};

/// What is wrong with a layer.
pub(crate) fn damage(
    core: &Core,
    id: &LayerId,
    parent: Option<&LayerId>,
) -> Result<Vec<DriverDamage>, LayerError> {
    let Some(layer) = core.homes.find(id)? else {
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
            "does not list the layers below",
        )),
        LowerList::Base if parent.is_some() => found.push(DriverDamage::repairable(
            layer.path().join(LOWER),
            "is missing, although the layer has a parent",
        )),
        LowerList::Links(links) if !is_on(core, &links, parent)? => {
            found.push(DriverDamage::repairable(
                layer.path().join(LOWER),
                "does not lead to the parent of the layer",
            ))
        }
        _ => {}
    }
    Ok(found)
}

fn has_symlink(layer: &LayerDir, link: &LinkName) -> Result<bool, LayerError> {
    let Some(links) = layer.home().open_links()? else {
        return Ok(false);
    };
    match links.read_link(link.as_str()) {
        Ok(target) => Ok(layer_of_target(&target).as_ref() == Some(layer.id())),
        Err(error) if is_no_link(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the parent is among the layers below. It need not be the nearest: copies that Go makes
/// of layers have the layer they are copies of below them. A parent that has lost its name is no
/// reason to change its children.
fn is_on(core: &Core, links: &[LinkName], parent: Option<&LayerId>) -> Result<bool, LayerError> {
    let Some(parent) = parent else {
        return Ok(true);
    };
    let Some(parent) = core.homes.find(parent)? else {
        return Ok(true);
    };
    Ok(parent.link()?.is_none_or(|link| links.contains(&link)))
}

/// Makes short name, symbolic link and list anew.
pub(crate) fn repair(
    core: &Core,
    id: &LayerId,
    parent: Option<&LayerId>,
) -> Result<(), LayerError> {
    if core.homes.home_for_change(id)?.is_none() {
        return Ok(());
    }
    let layer = core.homes.require_writable(id)?;
    // Whatever the other layers tell comes first; the parent's word is for what they do not tell.
    drop(LinkIndex::repaired(&core.homes)?);
    let link = match layer.link()? {
        Some(link) => link,
        None => {
            let link = LinkName::generate()?;
            write_link(layer.dir(), &link, Durability::Durable)?;
            link
        }
    };
    if !has_symlink(&layer, &link)? {
        put_symlink(&layer.home().writable()?, &link, id)?;
    }
    let is_right = match layer.lower()? {
        LowerList::Damaged => false,
        LowerList::Base => parent.is_none(),
        LowerList::Links(links) => is_on(core, &links, parent)?,
    };
    if !is_right {
        let lower = lower_from(core, id, parent)?;
        write_lower(layer.dir(), &lower, Durability::Durable)?;
    }
    Ok(())
}

/// The list of a layer on this parent.
fn lower_from(
    core: &Core,
    id: &LayerId,
    parent: Option<&LayerId>,
) -> Result<Vec<LinkName>, LayerError> {
    let Some(parent) = parent else {
        return Ok(Vec::new());
    };
    let parent = core.homes.require(parent)?;
    let lost = || LayerError::LowerLost { id: id.clone() };
    let link = parent.link()?.ok_or_else(lost)?;
    let below = match parent.lower()? {
        LowerList::Base => Vec::new(),
        LowerList::Links(links) => links,
        LowerList::Damaged => return Err(lost()),
    };
    Ok(std::iter::once(link).chain(below).collect())
}

/// Symbolic links to layers that are gone, and trees whose owners are.
pub(crate) fn home_damage(core: &Core) -> Result<Vec<DriverDamage>, LayerError> {
    let mut found = Vec::new();
    for home in core.homes.main() {
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

fn is_stray(home: &Home, name: &std::path::Path) -> Result<bool, LayerError> {
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

/// Removes a symbolic link if it is still one to a layer that is gone, and a tree if its owner
/// still is.
pub(crate) fn repair_home(core: &Core, found: &DriverDamage) -> Result<(), LayerError> {
    for home in core.homes.main() {
        if found.path.parent() == Some(&home.path().join(STAGING)) {
            recover(home)?;
        }
        let place: PathBuf = home.path().join(LINKS);
        if let Ok(name) = found.path.strip_prefix(&place)
            && is_stray(home, name)?
        {
            home.writable()?.open_dir(LINKS)?.remove_file(name)?;
        }
    }
    Ok(())
}
