//! Releasing what the driver holds in the kernel.

use std::path::Path;

use layerhold_driver::LayerError;
use layerhold_sys::mount::{Detach, is_mount_point, unmount};
use layerhold_sys::{Dir, canonical_ambient, mount_at, mount_of};

use crate::disk::{Homes, Pulls, prune};

/// Removes trees of dead processes, and unmounts the home unless a process is filling a tree in it.
pub(crate) fn shut_down(homes: &Homes) -> Result<(), LayerError> {
    let own = homes.own();
    if !own.is_written() {
        return Ok(());
    }
    let mut pulls = Pulls::None;
    for home in homes.main() {
        if prune(home)? == Pulls::InProgress {
            pulls = Pulls::InProgress;
        }
    }
    // A mount of the home on itself is this driver's. A disk that is mounted here is not.
    if pulls == Pulls::None && is_mount_of_itself(own.path())? {
        unmount(own.path(), Detach::Lazy)?;
    }
    Ok(())
}

/// Whether the mount at the home shows the very directory that it hides, as the one made at opening
/// does. A disk, or another directory of the same disk, was mounted by another program.
fn is_mount_of_itself(home: &Path) -> Result<bool, LayerError> {
    let (Some(above), Some(name), true) = (home.parent(), home.file_name(), is_mount_point(home)?)
    else {
        return Ok(false);
    };
    let outer = mount_of(&Dir::open_ambient(above)?)?;
    let (Some(outer), Some(inner)) = (outer, mount_at(home)?) else {
        return Ok(false);
    };
    let above = canonical_ambient(above)?;
    let hidden = above
        .strip_prefix(&outer.mount_point)
        .map(|inside| outer.root.join(inside).join(name));
    Ok(inner.device == outer.device && hidden.is_ok_and(|hidden| hidden == inner.root))
}
