//! Mounting a layer (Go: drivers/overlay/overlay.go, `get`).

use std::path::Path;

use layerhold_driver::{LayerError, MountOptions, OwnFiles, Shifting};
use layerhold_idmap::{ContainerOwner, HostOwner, IdMappings};
use layerhold_sys::mountinfo::read_mounts;
use layerhold_sys::{Dir, FsMagic, PathError, canonical_ambient, fs_magic};

use super::layer_plan::{Writing, plan};
use super::mount_point::run_dir;
use super::options::mount_options;
use crate::context::Context;
use crate::disk::PRIVATE_MODE;
use crate::kernel::{ProgramMount, ShiftedLowers};
use crate::layers::{Layer, LinkName, lower_of, nearest_parent, root_pair, set_mode_and_owner};

/// Mounts a layer.
pub(super) fn mount(
    context: &Context,
    layer: &Layer,
    target: &Path,
    request: &MountOptions,
) -> Result<(), LayerError> {
    let options = mount_options(context, request);
    let is_own = layer.home().takes_mounts();
    // The contents of another program are shown, and nothing more.
    let is_writable = is_own && !layer.dir().is_external()?;
    let writing = match is_writable && !options.iter().any(|option| option == "ro") {
        true => Writing::ToDiff,
        false => Writing::Never,
    };
    let parents = lower_of(&context.homes, layer)?;
    let mut plan = plan(context, layer, &parents, writing, options)?;
    plan.label.clone_from(&request.label);
    let maps = request
        .id_maps
        .as_ref()
        .filter(|maps| !maps.is_identity() && request.shifting == Shifting::Allowed)
        .filter(|maps| context.can_shift(maps));
    let is_written_outside = writing == Writing::ToDiff || request.own_files == OwnFiles::Outside;
    if let Some(maps) = maps
        && is_writable
        && is_written_outside
    {
        shift_root(context, layer, &parents, maps)?;
    }
    if let Some(program) = &context.mount_program {
        let program = ProgramMount {
            program,
            maps,
            keeps_permissions: context.options.force_mask.is_some(),
        };
        return program.mount(&plan, target);
    }
    let shifted = match maps {
        Some(maps) => {
            let dir = match is_own {
                true => layer.handle().clone(),
                false => Dir::create_ambient_all(run_dir(context, layer), PRIVATE_MODE)?,
            };
            let as_they_are = match writing {
                Writing::Never => own_lowers(request.own_files),
                Writing::ToDiff => 0,
            };
            Some(ShiftedLowers::put(&mut plan, as_they_are, maps, &dir)?)
        }
        None => None,
    };
    let outcome = plan.mount(target, context.api);
    drop(shifted);
    outcome
}

/// How many of the lower directories show their owners as they are: the first one where the layer's
/// own files belong to IDs outside.
pub(super) fn own_lowers(own_files: OwnFiles) -> usize {
    match own_files {
        OwnFiles::Inside => 0,
        OwnFiles::Outside => 1,
    }
}

/// Gives the root of the upper directory its owner in the container. It was made with the owner of
/// its parent's root, before it was known by which maps the layer would be mounted.
///
/// The kernel shows the upper directory as it is, so IDs outside belong there. That an owner has a
/// place in the maps says nothing before the first mount: the ID of root in the image may be the
/// one of a user outside.
fn shift_root(
    context: &Context,
    layer: &Layer,
    parents: &[LinkName],
    maps: &IdMappings,
) -> Result<(), LayerError> {
    let root = layer.dir().open_diff()?;
    let stat = root.stat_self()?;
    let now = HostOwner::new(stat.uid, stat.gid);
    let inside = ContainerOwner::new(stat.uid, stat.gid);
    let shifts_upper = context.mount_program.is_some();
    let has_place = match shifts_upper {
        true => maps.to_host(inside).is_ok(),
        false => maps.to_container(now).is_ok(),
    };
    if has_place && (shifts_upper || was_mounted(layer)?) {
        return Ok(());
    }
    let given = owner_in_image(context, layer, parents)?;
    if has_place && now != HostOwner::new(given.uid.get(), given.gid.get()) {
        return Ok(());
    }
    let owner = match shifts_upper {
        true => HostOwner::new(given.uid.get(), given.gid.get()),
        false => maps.to_host(given).or_else(|_| root_pair(maps))?,
    };
    set_mode_and_owner(context, &root, stat.permissions(), owner)
}

/// Whether the layer has been mounted for writing: overlayfs then makes a directory that is named
/// like the work directory in it.
fn was_mounted(layer: &Layer) -> Result<bool, PathError> {
    match layer.handle().open_dir_nested("work/work") {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The owner that the root directory has in the image, which is that of the parent's; root without
/// a parent.
fn owner_in_image(
    context: &Context,
    layer: &Layer,
    parents: &[LinkName],
) -> Result<ContainerOwner, LayerError> {
    let Some(parent) = nearest_parent(&context.homes, layer, parents)? else {
        return Ok(ContainerOwner::default());
    };
    let stat = parent.dir().open_diff()?.stat_self()?;
    Ok(ContainerOwner::new(stat.uid, stat.gid))
}

/// Whether a mount that another process made can be used as it is. A container needs one that it
/// can write to.
pub(super) fn is_mount_suitable(target: &Path, options: &MountOptions) -> Result<bool, PathError> {
    let root = Dir::open_ambient(target)?;
    if options.is_read_only() || fs_magic(&root)? != FsMagic::OVERLAY {
        return Ok(true);
    }
    let target = canonical_ambient(target)?;
    let mounts = read_mounts()?;
    let mount = mounts.iter().rfind(|mount| mount.mount_point == target);
    Ok(mount.is_none_or(|mount| {
        let options = mount.super_options.to_string_lossy();
        let mut options = options.split(',');
        options.any(|option| option.starts_with("upperdir="))
    }))
}
