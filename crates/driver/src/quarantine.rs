//! Where damaged layers are put, for people to look at.

use std::path::{Path, PathBuf};

use layerhold_sys::{Dir, RenameHow};

use crate::error::LayerError;

/// The directory in the root of temporary areas that damaged layers are moved to. Go's tools and
/// ours look for layers nowhere below that root, and for abandoned areas under other names.
pub const QUARANTINE: &str = "layerhold-quarantine";
const MODE: u32 = 0o700;

/// Moves the directory of a layer, `name` in `layers`, into the quarantine below a root of
/// temporary areas, which must be in the same filesystem: nothing is copied. Returns its place.
///
/// # Errors
///
/// When it cannot be moved; it is where it was then.
pub fn quarantine(temp_root: &Path, layers: &Dir, name: &str) -> Result<PathBuf, LayerError> {
    let root = Dir::create_ambient_all(temp_root, MODE)?;
    let quarantine = root.ensure_dir(QUARANTINE, MODE)?;
    let mut place = name.to_owned();
    let mut number = 0;
    while quarantine.exists(&place)? {
        number += 1;
        place = format!("{name}-{number}");
    }
    layers.rename(name, &quarantine, &place, RenameHow::NoReplace)?;
    quarantine.sync()?;
    layers.sync()?;
    Ok(quarantine.path().join(place))
}
