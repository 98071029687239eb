//! Removing layers (Go: drivers/overlay/overlay.go, `removeCommon`).
//!
//! The symbolic link is removed first, the layer is renamed away next. A crash between the two
//! leaves a layer whose short name is in its `link` file only, which is as good as before. If the
//! rename fails, the link is made again.

use layerhold_driver::{LayerError, Trash};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, best_effort};

use crate::context::Context;
use crate::disk::{LINKS, optional};
use crate::layers::{Layer, LinkName, layer_of_target, put_symlink, read_link_file, release_layer};
use crate::mount::unmount_unused;

/// Makes a layer disappear. Nothing happens when there is none.
pub(crate) fn remove(context: &Context, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
    let Some(home) = context.homes.home_for_change(id)? else {
        return Ok(());
    };
    let dir = home.writable()?;
    let is_dir = dir
        .stat(id.as_str())?
        .is_some_and(|stat| stat.file_type() == FileType::Dir);
    let mut links = Vec::new();
    if is_dir {
        let layer = Layer::new(home.clone(), id.clone(), dir.open_dir(id.as_str())?);
        unmount_unused(context, &layer)?;
        release_layer(layer.handle(), trash)?;
        links = remove_links(&dir, &layer)?;
    }
    let moved = trash.take(&home.temp_root(), &dir, id.as_str());
    if moved.is_err() {
        restore_links(&dir, &links, id);
    }
    moved
}

/// Removes the symbolic links to a layer: the one that it names, or any if it names none.
pub(crate) fn remove_links(home: &Dir, layer: &Layer) -> Result<Vec<LinkName>, LayerError> {
    let Some(links) = optional(home.open_dir(LINKS))? else {
        return Ok(Vec::new());
    };
    let leads_here = |name: &str| {
        let target = links.read_link(name).ok();
        target.and_then(|target| layer_of_target(&target)).as_ref() == Some(layer.id())
    };
    let mut found = Vec::new();
    match read_link_file(layer.handle())? {
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

/// Makes symbolic links again to a layer that could not be moved: it is still there, and so are its
/// children.
pub(crate) fn restore_links(home: &Dir, links: &[LinkName], id: &LayerId) {
    for link in links {
        best_effort(put_symlink(home, link, id));
    }
}
