//! Lower directories with shifted owners.

use std::path::{Path, PathBuf};

use layerhold_driver::LayerError;
use layerhold_idmap::{IdMap, IdMappings};
use layerhold_sys::mount::{Depth, Detach, unmount};
use layerhold_sys::{Dir, IdMapping, PathError, UserNamespace, best_effort, clone_idmapped};

use super::plan::{Lower, OverlayPlan};
use crate::disk::{MAPPED, PRIVATE_MODE};

/// Copies of the mounts of the lower directories, which show owners shifted. They are needed until
/// the layer is mounted: the kernel then keeps them by itself.
#[derive(Debug)]
pub(crate) struct ShiftedLowers {
    /// The directory of the layer.
    layer: Dir,
    /// The directory of mount points in it.
    place: Dir,
    mounted: Vec<PathBuf>,
}

impl ShiftedLowers {
    /// Puts shifted directories in place of the lower ones, but for the first `as_they_are`. There
    /// is one mount for each home, however many layers are in it; mount points are made in
    /// [`MAPPED`] of `dir`.
    pub(crate) fn put(
        plan: &mut OverlayPlan,
        as_they_are: usize,
        maps: &IdMappings,
        dir: &Dir,
    ) -> Result<Self, LayerError> {
        let namespace = UserNamespace::new(&ranges(&maps.uids), &ranges(&maps.gids))?;
        let mut shifted = Self {
            layer: dir.clone(),
            place: dir.ensure_dir(MAPPED, PRIVATE_MODE)?,
            mounted: Vec::new(),
        };
        let mut known: Vec<(PathBuf, PathBuf)> = Vec::new();
        for lower in plan.lowers.iter_mut().skip(as_they_are) {
            let copy = match known.iter().find(|(home, _)| *home == lower.home) {
                Some((_, copy)) => copy.clone(),
                None => {
                    let copy = shifted.mount(&lower.home, &namespace)?;
                    known.push((lower.home.clone(), copy.clone()));
                    copy
                }
            };
            *lower = match lower.inside.as_os_str().is_empty() {
                true => Lower::outside(copy),
                false => Lower::inside(&copy, lower.inside.clone()),
            };
        }
        Ok(shifted)
    }

    fn mount(&mut self, home: &Path, namespace: &UserNamespace) -> Result<PathBuf, PathError> {
        let name = self.mounted.len().to_string();
        drop(self.place.ensure_dir(&name, PRIVATE_MODE)?);
        let target = self.place.path().join(&name);
        let mount = clone_idmapped(&Dir::open_ambient(home)?, namespace, Depth::Single)?;
        mount.attach(&target)?;
        self.mounted.push(target.clone());
        Ok(target)
    }
}

impl Drop for ShiftedLowers {
    fn drop(&mut self) {
        // What stays is removed when the layer is unmounted or erased.
        for target in &self.mounted {
            best_effort(unmount(target, Detach::Lazy));
            if let Some(name) = target.file_name() {
                best_effort(self.place.remove_empty_dir(name));
            }
        }
        best_effort(self.layer.remove_empty_dir(MAPPED));
    }
}

/// Removes what a crash left of [`ShiftedLowers`].
pub(crate) fn clear_shifted(dir: &Dir) -> Result<(), PathError> {
    let place = match dir.open_dir(MAPPED) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    for entry in place.entries()? {
        let name = entry?.name;
        unmount(&place.path().join(&name), Detach::Lazy)?;
        best_effort(place.remove_empty_dir(&name));
    }
    // It does no harm if it stays.
    best_effort(dir.remove_empty_dir(MAPPED));
    Ok(())
}

fn ranges(map: &IdMap) -> Vec<IdMapping> {
    let ranges = map.ranges().iter();
    ranges
        .map(|range| IdMapping {
            inside: range.container.get(),
            outside: range.host.get(),
            count: u32::try_from(range.size).unwrap_or(u32::MAX),
        })
        .collect()
}
