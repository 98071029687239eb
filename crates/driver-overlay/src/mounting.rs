//! Mounting a layer (Go: drivers/overlay/overlay.go, `get`).

use std::path::Path;

use layerhold_driver::{LayerError, LayerView, MountOptions, OwnFiles, Shifting};
use layerhold_idmap::{ContainerOwner, HostOwner, IdMappings};
use layerhold_sys::mountinfo::read_mounts;
use layerhold_sys::{
    Dir, FsMagic, PathError, canonical_ambient, remove_tree, under_lock_on_purpose,
};

use crate::additional::shown_diff;
use crate::build::root_pair;
use crate::chain::{lower_of, resolve, resolve_each};
use crate::core::Core;
use crate::homes::HomeKind;
use crate::layer::LayerDir;
use crate::mount_options::mount_options;
use crate::mount_program::ProgramMount;
use crate::names::{DIFF, EMPTY, MERGED, PRIVATE_MODE, ROOT_MODE, WORK, diff_name};
use crate::plan::{Lower, OverlayPlan, Upper};
use crate::shift::ShiftedLowers;
use crate::stack::Contents;

/// The most layers that may be below another one (Go: drivers/overlay/overlay.go, `maxDepth`; the
/// kernel takes no more lower directories either).
pub(crate) const MAX_DEPTH: usize = 500;

/// Whether a mount shows what is written to it in `diff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    ToDiff,
    Never,
}

/// Makes the directory a layer is mounted at.
pub(crate) fn make_mount_point(
    core: &Core,
    layer: &LayerDir,
    options: &MountOptions,
) -> Result<std::path::PathBuf, LayerError> {
    if layer.home().kind() == HomeKind::Own && layer.home().is_written() {
        if layer.dir().exists(MERGED)? {
            return Ok(layer.merged());
        }
        let made = layer.dir().ensure_dir(MERGED, PRIVATE_MODE)?;
        let owner = root_of(options.id_maps.as_ref())?;
        crate::build::set_mode_and_owner(core, &made, PRIVATE_MODE, owner)?;
        return Ok(layer.merged());
    }
    let path = run_dir(core, layer).join(MERGED);
    drop(Dir::create_ambient_all(&path, PRIVATE_MODE)?);
    Ok(path)
}

/// Where a layer is mounted.
pub(crate) fn mount_point(core: &Core, layer: &LayerDir) -> std::path::PathBuf {
    if layer.home().kind() == HomeKind::Own && layer.home().is_written() {
        layer.merged()
    } else {
        run_dir(core, layer).join(MERGED)
    }
}

/// The directory in the run root of a layer that is not in the driver's home, or may not be written
/// to.
pub(crate) fn run_dir(core: &Core, layer: &LayerDir) -> std::path::PathBuf {
    core.cache.path().join(layer.id().as_str())
}

fn root_of(maps: Option<&IdMappings>) -> Result<HostOwner, LayerError> {
    maps.map_or(Ok(HostOwner::new(0, 0)), root_pair)
}

/// Mounts a layer.
pub(crate) fn mount(
    core: &Core,
    layer: &LayerDir,
    target: &Path,
    options: &MountOptions,
) -> Result<(), LayerError> {
    let mount_options = mount_options(core, options);
    let is_own = layer.home().kind() == HomeKind::Own && layer.home().is_written();
    // What another program has is shown, and nothing more.
    let is_writable = is_own && !layer.is_external()?;
    let writing = match is_writable && !mount_options.iter().any(|option| option == "ro") {
        true => Writing::ToDiff,
        false => Writing::Never,
    };
    let mut plan = plan(core, layer, writing, mount_options)?;
    plan.label.clone_from(&options.label);
    let maps = options
        .id_maps
        .as_ref()
        .filter(|maps| !maps.is_identity() && options.shifting == Shifting::Allowed)
        .filter(|maps| core.can_shift(maps));
    let is_written_outside = writing == Writing::ToDiff || options.own_files == OwnFiles::Outside;
    if let Some(maps) = maps
        && is_writable
        && is_written_outside
    {
        shift_root(core, layer, maps)?;
    }
    if let Some(program) = &core.mount_program {
        let program = ProgramMount {
            program,
            maps,
            keeps_permissions: core.options.force_mask.is_some(),
        };
        return program.mount(&plan, target);
    }
    let shifted = match maps {
        Some(maps) => {
            let dir = match is_own {
                true => layer.dir().clone(),
                false => Dir::create_ambient_all(run_dir(core, layer), PRIVATE_MODE)?,
            };
            let as_they_are = match writing {
                Writing::Never => own_lowers(options.own_files),
                Writing::ToDiff => 0,
            };
            Some(ShiftedLowers::put(&mut plan, as_they_are, maps, &dir)?)
        }
        None => None,
    };
    let outcome = plan.mount(target, core.api);
    drop(shifted);
    outcome
}

/// How many of the lower directories show their owners as they are: the first one where the layer's
/// own files belong to IDs outside.
fn own_lowers(own_files: OwnFiles) -> usize {
    match own_files {
        OwnFiles::Inside => 0,
        OwnFiles::Outside => 1,
    }
}

/// By which maps a view shows owners shifted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift<'a> {
    pub(crate) maps: &'a IdMappings,
    pub(crate) own_files: OwnFiles,
}

/// Opens the merged tree of a layer for reading where nobody else sees it.
pub(crate) fn view<'a>(
    core: &'a Core,
    layer: &LayerDir,
    label: &str,
    shift: Option<Shift<'_>>,
) -> Result<LayerView<'a>, LayerError> {
    let options = mount_options(core, &MountOptions::read_only());
    let mut plan = plan(core, layer, Writing::Never, options)?;
    plan.label = label.to_owned();
    let is_placeless = core.mount_program.is_none()
        && core.api == layerhold_sys::OverlayApi::Context
        && shift.is_none();
    let area = match is_placeless {
        true => None,
        false => Some(core.area_for_views()?),
    };
    let place = match &area {
        Some(area) => {
            area.dir().create_dir(MERGED, PRIVATE_MODE)?;
            area.dir().path().join(MERGED)
        }
        None => layer.merged(),
    };
    let mounted = match (&core.mount_program, shift, &area) {
        (Some(program), shift, _) => ProgramMount {
            program,
            maps: shift.map(|shift| shift.maps),
            keeps_permissions: core.options.force_mask.is_some(),
        }
        .mount_privately(&plan, &place)?,
        (None, Some(Shift { maps, own_files }), Some(area)) => {
            let as_they_are = own_lowers(own_files);
            let shifted = ShiftedLowers::put(&mut plan, as_they_are, maps, area.dir())?;
            let mounted = plan.mount_privately(&place, core.api)?;
            drop(shifted);
            mounted
        }
        (None, _, _) => plan.mount_privately(&place, core.api)?,
    };
    let root = mounted.root().ok_or_else(|| LayerError::Unknown {
        id: layer.id().clone(),
    })?;
    Ok(LayerView::new(root).on_release(move || {
        drop(mounted);
        drop(area);
    }))
}

/// Puts together what a layer shows.
fn plan(
    core: &Core,
    layer: &LayerDir,
    writing: Writing,
    options: Vec<String>,
) -> Result<OverlayPlan, LayerError> {
    drop(shown_diff(layer.dir())?);
    let links = lower_of(&core.homes, layer)?;
    let too_deep = |layers| LayerError::MaxDepth {
        id: layer.id().clone(),
        layers,
        limit: MAX_DEPTH,
    };
    if links.len() > MAX_DEPTH {
        return Err(too_deep(links.len()));
    }
    let below = resolve_each(&core.homes, layer, &links, |layer, link| {
        Contents::of(&layer).with_link(link).lowers()
    })?;
    let upper = match writing {
        Writing::ToDiff => Some(upper(layer)?),
        Writing::Never => None,
    };
    let below = below.into_iter().flatten().collect();
    let lowers = lowers(&Contents::of(layer), below, upper.is_some())?;
    if core.mount_program.is_none() && lowers.len() > MAX_DEPTH {
        return Err(too_deep(lowers.len()));
    }
    Ok(OverlayPlan {
        base: core.homes.own().path().to_owned(),
        lowers,
        upper,
        options,
        label: String::new(),
    })
}

/// The lower directories of a mount: the layer's own older ones, and all of the layers below.
pub(crate) fn lowers(
    layer: &Contents,
    below: Vec<Lower>,
    has_upper: bool,
) -> Result<Vec<Lower>, LayerError> {
    let mut lowers = layer.lowers()?;
    if has_upper {
        lowers.remove(0);
    }
    lowers.extend(below);
    let least = if has_upper { 1 } else { 2 };
    if lowers.len() < least {
        // The kernel wants two directories in all.
        let inside = layer.path.strip_prefix(&layer.home).unwrap_or(&layer.path);
        lowers.push(Lower::inside(&layer.home, inside.join(EMPTY)));
    }
    Ok(lowers)
}

/// The upper directories of a layer in the driver's home, made whole.
fn upper(layer: &LayerDir) -> Result<Upper, LayerError> {
    if !layer.dir().exists(DIFF)? {
        // A crash in between two renames, while owners were rewritten.
        let older = layer.dir().stat(diff_name(1))?;
        layer.dir().create_dir(DIFF, PRIVATE_MODE)?;
        let made = layer.dir().open_dir(DIFF)?;
        if let Some(older) = older {
            made.set_own_owner(Some(older.uid), Some(older.gid))?;
        }
        made.set_own_mode(older.map_or(ROOT_MODE, |older| older.permissions()))?;
    }
    let work = layer.dir().ensure_dir(WORK, PRIVATE_MODE)?;
    forget_volatile(&work)?;
    Ok(Upper {
        diff: layer.path().join(DIFF),
        work: layer.path().join(WORK),
    })
}

/// Overlayfs refuses directories that were mounted with `volatile` before, because a crash may have
/// lost something. Whoever mounts a container that way does not mind. The kernel repeats the name
/// of the work directory.
fn forget_volatile(work: &Dir) -> Result<(), PathError> {
    match work.open_dir_nested("work/incompat") {
        Ok(incompat) => under_lock_on_purpose("the kernel keeps one file there", || {
            remove_tree(&incompat, "volatile")
        }),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives the root of the upper directory its owner in the container. It was made with the one of
/// the layer below, before it was known by which maps the layer would be mounted.
///
/// The kernel shows the upper directory as it is, so IDs outside belong there. That an owner has a
/// place in the maps says nothing before the first mount: the ID of root in the image may be the
/// one of a user outside.
fn shift_root(core: &Core, layer: &LayerDir, maps: &IdMappings) -> Result<(), LayerError> {
    let root = layer.open_diff()?;
    let stat = root.stat_self()?;
    let now = HostOwner::new(stat.uid, stat.gid);
    let inside = ContainerOwner::new(stat.uid, stat.gid);
    let shifts_upper = core.mount_program.is_some();
    let has_place = match shifts_upper {
        true => maps.to_host(inside).is_ok(),
        false => maps.to_container(now).is_ok(),
    };
    if has_place && (shifts_upper || was_mounted(layer)?) {
        return Ok(());
    }
    let given = owner_below(core, layer)?;
    if has_place && now != HostOwner::new(given.uid.get(), given.gid.get()) {
        return Ok(());
    }
    let owner = match shifts_upper {
        true => HostOwner::new(given.uid.get(), given.gid.get()),
        false => maps.to_host(given).or_else(|_| root_pair(maps))?,
    };
    crate::build::set_mode_and_owner(core, &root, stat.permissions(), owner)
}

/// Whether the layer has been mounted for writing: overlayfs then makes a directory that is named
/// like the work directory in it.
fn was_mounted(layer: &LayerDir) -> Result<bool, PathError> {
    match layer.dir().open_dir_nested("work/work") {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whom the root directory of the layer below belongs to, in an image: root, where there is none
/// below.
fn owner_below(core: &Core, layer: &LayerDir) -> Result<ContainerOwner, LayerError> {
    let links = lower_of(&core.homes, layer)?;
    let nearest = links.get(..1).unwrap_or_default();
    let Some(below) = resolve(&core.homes, layer, nearest)?.pop() else {
        return Ok(ContainerOwner::default());
    };
    let stat = below.open_diff()?.stat_self()?;
    Ok(ContainerOwner::new(stat.uid, stat.gid))
}

/// Whether a mount that somebody else made will do: one that nothing can be written to is not what
/// a container needs.
pub(crate) fn is_mount_suitable(target: &Path, options: &MountOptions) -> Result<bool, PathError> {
    let root = Dir::open_ambient(target)?;
    if options.is_read_only() || layerhold_sys::fs_magic(&root)? != FsMagic::OVERLAY {
        return Ok(true);
    }
    let target = canonical_ambient(target)?;
    let mounts = read_mounts()?;
    let mount = mounts.iter().rfind(|mount| mount.mount_point == target);
    Ok(mount.is_none_or(|mount| {
        let options = mount.super_options.to_string_lossy();
        options
            .split(',')
            .any(|option| option.starts_with("upperdir="))
    }))
}
