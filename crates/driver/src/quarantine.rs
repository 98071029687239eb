//! The directory in which damaged layers can be examined.

use std::path::{Path, PathBuf};

use layerhold_sys::{Dir, RenameHow};

use crate::error::LayerError;

/// The directory, in a root of temporary areas, to which damaged layers are moved. Neither Go's
/// tools nor these crates look for layers below that root, and abandoned areas have other names.
pub const QUARANTINE: &str = "layerhold-quarantine";
const MODE: u32 = 0o700;

/// Moves the directory of a layer, `name` in `layers`, into the quarantine below a root of
/// temporary areas. The root must be in the same filesystem, as nothing is copied. Returns the new
/// path.
///
/// # Errors
///
/// When it cannot be moved. It stays where it was then.
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
