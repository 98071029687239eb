//! Putting a layer back from a temporary area.

use std::ffi::OsStr;

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, PathError, RenameHow};

use crate::context::Context;
use crate::disk::{DIFF, Home, optional};
use crate::layers::{put_symlink, read_link_file};

/// Puts a layer back that a dead process was removing, or had not moved to its place yet.
pub(crate) fn put_back(
    context: &Context,
    area: &Dir,
    name: &OsStr,
    id: &LayerId,
) -> Result<bool, LayerError> {
    let is_of = |home: &&Home| area.path().parent() == Some(&home.temp_root());
    let Some(home) = context.homes.main().find(is_of) else {
        return Ok(false);
    };
    let Some(layer) = open_if_dir(area, name)? else {
        return Ok(false);
    };
    if !layer.exists(DIFF)? || context.homes.find(id)?.is_some() {
        return Ok(false);
    }
    let dir = home.writable()?;
    // Opened by its path, as the home may be a mount of its own.
    let area = Dir::open_ambient(area.path())?;
    area.rename(name, &dir, id.as_str(), RenameHow::NoReplace)?;
    if let Some(link) = read_link_file(&layer)? {
        put_symlink(&dir, &link, id)?;
    }
    dir.sync()?;
    Ok(true)
}

fn open_if_dir(area: &Dir, name: &OsStr) -> Result<Option<Dir>, PathError> {
    match area.stat(name)? {
        Some(stat) if stat.is_dir() => optional(area.open_dir(name)),
        _ => Ok(None),
    }
}
