//! Overlayfs's whiteouts, written as those of archives (Go:
//! `pkg/archive/archive_linux.go`, `ConvertWrite`).

use std::path::Path;

use layerhold_sys::{Dir, FileType, OpenOptions, PathError, stat_file};
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{os, split};
use crate::pack::OverlayLayers;
use crate::pack::entry::{Found, Opened};
use crate::whiteout::{OPAQUE_NAME, WHITEOUT_PREFIX};

/// Rewrites the header of a whiteout, and gives the header of the opaque whiteout
/// that has to follow a directory.
pub(super) fn convert(
    layers: &OverlayLayers,
    found: &Found,
    path: &[u8],
    header: &mut Header,
) -> Result<Option<Header>, PathError> {
    if let Opened::Dir(dir) = &found.open {
        return opaque_header(layers, dir, path, header);
    }
    if is_whiteout(layers, found)? {
        become_whiteout(path, header);
    }
    Ok(None)
}

fn is_whiteout(layers: &OverlayLayers, found: &Found) -> Result<bool, PathError> {
    match &found.open {
        Opened::File(file) if found.stat.size == 0 => layers.form.marks(file, "whiteout"),
        Opened::Nothing => {
            Ok(found.stat.file_type() == FileType::CharDevice && found.stat.rdev == 0)
        }
        _ => Ok(false),
    }
}

fn become_whiteout(path: &[u8], header: &mut Header) {
    let (parent, name) = split(path);
    let mut whiteout = parent.to_vec();
    if !whiteout.is_empty() {
        whiteout.push(b'/');
    }
    whiteout.extend_from_slice(WHITEOUT_PREFIX.as_bytes());
    whiteout.extend_from_slice(name);
    header.name = whiteout;
    header.kind = EntryKind::Regular;
    header.mode = 0;
    header.size = 0;
    // All whiteouts of an overlay are one inode with many names.
    header.link_name.clear();
}

fn opaque_header(
    layers: &OverlayLayers,
    dir: &Dir,
    path: &[u8],
    of: &Header,
) -> Result<Option<Header>, PathError> {
    // A file of that name, as fuse-overlayfs makes it, is packed on its own.
    let is_marked = layers.form.marks(dir, "opaque")? && !dir.exists(OPAQUE_NAME)?;
    if !is_marked || !hides_something(&layers.lower, path)? {
        return Ok(None);
    }
    let name = [path, b"/", OPAQUE_NAME.as_bytes()].concat();
    let mut header = Header::new(EntryKind::Regular, name);
    header.mode = of.mode & 0o777;
    header.uid = of.uid;
    header.gid = of.gid;
    header.user_name.clone_from(&of.user_name);
    header.group_name.clone_from(&of.group_name);
    Ok(Some(header))
}

/// Whether a lower layer has something of this name that is not deleted by the
/// layers above it.
fn hides_something(lower: &[Dir], path: &[u8]) -> Result<bool, PathError> {
    for layer in lower {
        let mut ancestor = path;
        while !ancestor.is_empty() {
            match type_in(layer, ancestor)? {
                Some(Lower::Whiteout) => return Ok(false),
                Some(Lower::Something) if ancestor.len() == path.len() => return Ok(true),
                _ => {}
            }
            ancestor = split(ancestor).0;
        }
    }
    Ok(false)
}

enum Lower {
    Whiteout,
    Something,
}

fn type_in(layer: &Dir, path: &[u8]) -> Result<Option<Lower>, PathError> {
    let place = match layer.open_in_root(Path::new(os(path)), OpenOptions::path_only()) {
        Ok(place) => place,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(error),
    };
    let stat = stat_file(&place)?;
    let is_whiteout = stat.file_type() == FileType::CharDevice && stat.rdev == 0;
    Ok(Some(if is_whiteout {
        Lower::Whiteout
    } else {
        Lower::Something
    }))
}
