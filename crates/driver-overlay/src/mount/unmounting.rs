//! Unmounting a layer (Go: drivers/overlay/overlay.go, `Put`).

use std::path::Path;

use layerhold_driver::LayerError;
use layerhold_idmap::HostOwner;
use layerhold_sys::mount::{Detach, is_mount_point, unmount};
use layerhold_sys::{Dir, Hold, Holder, PathError, RenameHow, mount_users, remove_tree};

use super::mount_point::{mount_point, run_dir};
use crate::context::Context;
use crate::disk::{MERGED, NEXT_MERGED, PRIVATE_MODE};
use crate::kernel::{clear_shifted, unmount_program};
use crate::layers::{Layer, try_set_mode_and_owner};

/// Unmounts a layer. Processes that still use the mount keep what they have open.
pub(super) fn unmount_layer(context: &Context, layer: &Layer) -> Result<(), LayerError> {
    let target = mount_point(context, layer);
    let is_own = layer.home().takes_mounts();
    if is_own {
        clear_shifted(layer.handle())?;
    }
    match context.mount_program {
        Some(_) if is_mount_point(&target)? => unmount_program(&target)?,
        _ => unmount_if_there(&target)?,
    }
    if is_own {
        return match renew_mount_point(context, layer) {
            // A layer that has used up its limit keeps the old directory, which is as good in this
            // mount namespace.
            Err(error) if error.is_out_of_space() => Ok(()),
            other => Ok(other?),
        };
    }
    // Made for this mount.
    let runs = Dir::open_ambient(context.cache.path())?;
    let run = run_dir(context, layer);
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
fn renew_mount_point(context: &Context, layer: &Layer) -> Result<(), PathError> {
    let dir = layer.handle();
    let Some(old) = dir.stat(MERGED)? else {
        drop(dir.ensure_dir(MERGED, PRIVATE_MODE)?);
        return Ok(());
    };
    let new = dir.ensure_dir(NEXT_MERGED, PRIVATE_MODE)?;
    let owner = HostOwner::new(old.uid, old.gid);
    try_set_mode_and_owner(context, &new, PRIVATE_MODE, owner)?;
    dir.rename(NEXT_MERGED, dir, MERGED, RenameHow::Replace)
}

/// Unmounts a layer that has no mount count, before it is removed. Fails if the mount is in use.
pub(crate) fn unmount_unused(context: &Context, layer: &Layer) -> Result<(), LayerError> {
    clear_shifted(layer.handle())?;
    let target = mount_point(context, layer);
    while is_mount_point(&target)? {
        match unmount(&target, Detach::WhenUnused) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                // The layer is busy also where its users cannot be found out.
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
