//! Unmounting a layer (Go: drivers/overlay/overlay.go, `Put`).

use std::path::Path;

use layerhold_driver::LayerError;
use layerhold_sys::mount::{Detach, is_mount_point, unmount};
use layerhold_sys::{Dir, Hold, Holder, PathError, RenameHow, mount_users, remove_tree};

use crate::build::try_set_mode_and_owner;
use crate::core::Core;
use crate::homes::HomeKind;
use crate::layer::LayerDir;
use crate::mount_program::unmount_program;
use crate::mounting::{mount_point, run_dir};
use crate::names::{MERGED, NEXT_MERGED, PRIVATE_MODE};
use crate::shift::clear_shifted;

/// Takes the mount of a layer away. Who still uses it keeps what is open.
pub(crate) fn unmount_layer(core: &Core, layer: &LayerDir) -> Result<(), LayerError> {
    let target = mount_point(core, layer);
    let is_own = layer.home().kind() == HomeKind::Own && layer.home().is_written();
    if is_own {
        clear_shifted(layer.dir())?;
    }
    match core.mount_program {
        Some(_) if is_mount_point(&target)? => unmount_program(&target)?,
        _ => unmount_if_there(&target)?,
    }
    if is_own {
        return match renew_mount_point(core, layer) {
            // A layer that has used up its limit keeps the old directory, which is as good for this
            // namespace.
            Err(error) if error.is_out_of_space() => Ok(()),
            other => Ok(other?),
        };
    }
    // Made for this mount.
    let runs = Dir::open_ambient(core.cache.path())?;
    let run = run_dir(core, layer);
    match run.file_name() {
        Some(name) => Ok(remove_tree(&runs, name)?),
        None => Ok(()),
    }
}

fn unmount_if_there(target: &Path) -> Result<(), PathError> {
    match unmount(target, Detach::Lazy) {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// Puts a new directory in place of the mount point. Other mount namespaces may have a copy of the
/// mount there; it goes with the old directory.
fn renew_mount_point(core: &Core, layer: &LayerDir) -> Result<(), PathError> {
    let dir = layer.dir();
    let Some(old) = dir.stat(MERGED)? else {
        drop(dir.ensure_dir(MERGED, PRIVATE_MODE)?);
        return Ok(());
    };
    let new = dir.ensure_dir(NEXT_MERGED, PRIVATE_MODE)?;
    let owner = layerhold_idmap::HostOwner::new(old.uid, old.gid);
    try_set_mode_and_owner(core, &new, PRIVATE_MODE, owner)?;
    dir.rename(NEXT_MERGED, dir, MERGED, RenameHow::Replace)
}

/// Takes away a mount that nobody counts, before its layer is removed; fails if it is in use.
pub(crate) fn unmount_unused(core: &Core, layer: &LayerDir) -> Result<(), LayerError> {
    clear_shifted(layer.dir())?;
    let target = mount_point(core, layer);
    while is_mount_point(&target)? {
        match unmount(&target, Detach::WhenUnused) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                // Knowing nobody is no reason to fail in another way.
                let holders = mount_users(&target).unwrap_or_default();
                return Err(LayerError::Busy {
                    id: layer.id().clone(),
                    path: target,
                    users: holders.iter().map(describe).collect(),
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn describe(holder: &Holder) -> String {
    let how = holder.holds.first().map(|hold| match hold {
        Hold::CurrentDirectory => "current directory".to_owned(),
        Hold::RootDirectory => "root directory".to_owned(),
        Hold::OpenFile(number) => format!("open file {number}"),
        Hold::MappedFile(path) => format!("runs or maps {}", path.display()),
        Hold::MountNamespace(path) => format!("mounted at {}", path.display()),
        _ => "in use".to_owned(),
    });
    format!(
        "{} (process {}: {})",
        holder.command,
        holder.pid,
        how.unwrap_or_default()
    )
}
