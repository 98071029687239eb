//! Removing layers (Go: drivers/overlay/overlay.go, `removeCommon`).
//!
//! The symbolic link goes first, the layer is renamed away next. A crash in between leaves a layer
//! whose short name is in its `link` file only, as good as before; if the rename fails, the link is
//! made again.

use std::ffi::OsStr;
use std::path::PathBuf;

use layerhold_driver::{LayerError, Trash, quarantine};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, PathError, RenameHow, remove_tree, under_lock_on_purpose};

use crate::additional::{refuse_external, release_layer};
use crate::core::Core;
use crate::homes::{Home, optional};
use crate::layer::{LayerDir, read_link_file};
use crate::link::{LinkName, layer_of_target};
use crate::link_index::put_symlink;
use crate::names::DIFF;
use crate::unmounting::unmount_unused;

/// Makes a layer disappear; nothing happens when there is none.
pub(crate) fn remove(core: &Core, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
    let Some(home) = core.homes.home_for_change(id)? else {
        return Ok(());
    };
    let dir = home.writable()?;
    let is_dir = dir
        .stat(id.as_str())?
        .is_some_and(|stat| stat.file_type() == FileType::Dir);
    let mut links = Vec::new();
    if is_dir {
        let layer = LayerDir::new(home.clone(), id.clone(), dir.open_dir(id.as_str())?);
        unmount_unused(core, &layer)?;
        release_layer(layer.dir(), trash)?;
        links = remove_links(&dir, &layer)?;
    }
    let moved = move_away(&home, &dir, id, trash);
    if moved.is_err() {
        for link in &links {
            // The layer is still there, and so are those on top of it.
            drop(put_symlink(&dir, link, id));
        }
    }
    moved
}

/// Moves a layer to the quarantine of its home.
pub(crate) fn quarantine_layer(core: &Core, id: &LayerId) -> Result<PathBuf, LayerError> {
    let layer = core.homes.require_writable(id)?;
    refuse_external(layer.dir())?;
    unmount_unused(core, &layer)?;
    let home = layer.home().writable()?;
    let links = remove_links(&home, &layer)?;
    let moved = quarantine(&layer.home().temp_root(), &home, id.as_str());
    if moved.is_err() {
        for link in &links {
            drop(put_symlink(&home, link, id));
        }
    }
    moved
}

fn move_away(home: &Home, dir: &Dir, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
    if let Ok(area) = trash.area(&home.temp_root())
        && area.stage_deletion(dir, id.as_str()).is_ok()
    {
        return Ok(());
    }
    // No room for the area, or not to be reached by a rename: slower, under the lock, but a full
    // disk must stay emptiable.
    let erase = || remove_tree(dir, id.as_str());
    Ok(under_lock_on_purpose(
        "a full disk must stay emptiable",
        erase,
    )?)
}

/// Puts a layer back that a dead process was removing, or had not put in its place yet.
pub(crate) fn put_back(
    core: &Core,
    area: &Dir,
    name: &OsStr,
    id: &LayerId,
) -> Result<bool, LayerError> {
    let is_of = |home: &&Home| area.path().parent() == Some(&home.temp_root());
    let Some(home) = core.homes.main().find(is_of) else {
        return Ok(false);
    };
    let Some(layer) = optional_dir(area, name)? else {
        return Ok(false);
    };
    if !layer.exists(DIFF)? || core.homes.find(id)?.is_some() {
        return Ok(false);
    }
    let dir = home.writable()?;
    // By its path, as the home may be a mount of its own.
    let area = Dir::open_ambient(area.path())?;
    area.rename(name, &dir, id.as_str(), RenameHow::NoReplace)?;
    if let Some(link) = read_link_file(&layer)? {
        put_symlink(&dir, &link, id)?;
    }
    dir.sync()?;
    Ok(true)
}

fn optional_dir(area: &Dir, name: &OsStr) -> Result<Option<Dir>, PathError> {
    match area.stat(name)? {
        Some(stat) if stat.is_dir() => optional(area.open_dir(name)),
        _ => Ok(None),
    }
}

/// Removes the symbolic links to a layer: the one it names, or any if it names none.
fn remove_links(home: &Dir, layer: &LayerDir) -> Result<Vec<LinkName>, LayerError> {
    let Some(links) = optional(home.open_dir(crate::names::LINKS))? else {
        return Ok(Vec::new());
    };
    let leads_here = |name: &str| {
        let target = links.read_link(name).ok();
        target.and_then(|target| layer_of_target(&target)).as_ref() == Some(layer.id())
    };
    let mut found = Vec::new();
    match read_link_file(layer.dir())? {
        Some(link) => found.extend(Some(link).filter(|link| leads_here(link.as_str()))),
        None => {
            for entry in links.entries()? {
                let link = LinkName::parse(entry?.name.as_encoded_bytes());
                found.extend(link.filter(|link| leads_here(link.as_str())));
            }
        }
    }
    for link in &found {
        match links.remove_file(link.as_str()) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(found)
}
