//! Removing layers (Go: drivers/overlay/overlay.go, `removeCommon`).
//!
//! The symbolic link goes first, the layer is renamed away next. A crash in between leaves a layer whose short name is in its
//! `link` file only, as good as before; if the rename fails, the link is made again.

use layerhold_driver::{LayerError, Trash};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, remove_tree};

use crate::additional::release_layer;
use crate::core::Core;
use crate::homes::{Home, optional};
use crate::layer::{LayerDir, read_link_file};
use crate::link::{LinkName, layer_of_target};
use crate::repair::put_symlink;
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

fn move_away(home: &Home, dir: &Dir, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
    if let Ok(area) = trash.area(&home.temp_root())
        && area.stage_deletion(dir, id.as_str()).is_ok()
    {
        return Ok(());
    }
    // No room for the area, or not to be reached by a rename: slower, under the lock, but a full disk must stay
    // emptiable.
    Ok(remove_tree(dir, id.as_str())?)
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
