//! Converts whiteouts of an overlay to those of archives (Go: `pkg/archive/archive_linux.go`,
//! `ConvertWrite`).

use layerhold_sys::{Dir, FileType, PathError};
use layerhold_tar_format::{EntryKind, Header};

use crate::changes::{Lower, LowerError};
use crate::entry_path::{os, shown, split};
use crate::pack::entry::{Opened, TreeEntry};
use crate::pack::error::refused;
use crate::pack::{OverlayLayers, PackError};
use crate::whiteout::{OPAQUE_NAME, WHITEOUT_PREFIX};

/// Rewrites the header of a whiteout, and returns the header of the opaque whiteout that has to
/// follow a directory.
pub(super) fn convert(
    layers: &OverlayLayers,
    found: &TreeEntry,
    path: &[u8],
    header: &mut Header,
) -> Result<Option<Header>, PackError> {
    if let Opened::Dir(dir) = &found.open {
        return opaque_header(layers, dir, path, header);
    }
    if is_whiteout(layers, found).map_err(|source| refused(path, source))? {
        become_whiteout(path, header);
    }
    Ok(None)
}

fn is_whiteout(layers: &OverlayLayers, found: &TreeEntry) -> Result<bool, PathError> {
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
    // All whiteouts of an overlay are hard links to one inode.
    header.link_name.clear();
}

fn opaque_header(
    layers: &OverlayLayers,
    dir: &Dir,
    path: &[u8],
    of: &Header,
) -> Result<Option<Header>, PackError> {
    let is_marked = is_marked(layers, dir).map_err(|source| refused(path, source))?;
    if !is_marked || !hides_something(layers, path)? {
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

fn is_marked(layers: &OverlayLayers, dir: &Dir) -> Result<bool, PathError> {
    // A file of that name, which fuse-overlayfs creates, is packed by itself.
    Ok(layers.form.marks(dir, "opaque")? && !dir.exists(OPAQUE_NAME)?)
}

/// Whether the merged lower layers have this name.
fn hides_something(layers: &OverlayLayers, path: &[u8]) -> Result<bool, PackError> {
    let lower = layers.lower().map_err(|source| PackError::Lower {
        entry: shown(path),
        source,
    })?;
    let mut level = Some(Lower::new(lower, layers.form));
    for component in path.split(|byte| *byte == b'/') {
        let Some(mut here) = level else {
            return Ok(false);
        };
        level = match here.find(os(component)) {
            Ok(Some(found)) => found.below,
            Ok(None) => return Ok(false),
            // The contents of a renamed directory are unknown here; a mark too many does no harm.
            Err(LowerError::Redirected { .. }) => return Ok(true),
            Err(LowerError::Read(source)) => return Err(refused(path, source)),
        };
    }
    Ok(true)
}
