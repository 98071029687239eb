//! The directories and options that show a layer.

use layerhold_driver::LayerError;
use layerhold_sys::{Dir, PathError, remove_tree, under_lock_on_purpose};

use crate::context::Context;
use crate::disk::{DIFF, EMPTY, PRIVATE_MODE, ROOT_MODE, WORK, diff_name};
use crate::kernel::{Lower, OverlayPlan, Upper};
use crate::layers::{Layer, LayerDir, LinkName, resolve_each};

/// The most parents that a layer may have (Go: drivers/overlay/overlay.go, `maxDepth`; the kernel
/// takes no more lower directories either).
pub(crate) const MAX_DEPTH: usize = 500;

/// Where what is written to a mount goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    ToDiff,
    Never,
}

/// Plans the mount of a layer with these parents.
pub(super) fn plan(
    context: &Context,
    layer: &Layer,
    parents: &[LinkName],
    writing: Writing,
    options: Vec<String>,
) -> Result<OverlayPlan, LayerError> {
    let too_deep = |layers| LayerError::MaxDepth {
        id: layer.id().clone(),
        layers,
        limit: MAX_DEPTH,
    };
    if parents.len() > MAX_DEPTH {
        return Err(too_deep(parents.len()));
    }
    let own = layer.dir().lowers(None)?;
    let below = resolve_each(&context.homes, layer, parents, |parent, link| {
        parent.dir().lowers(Some(link))
    })?;
    let upper = match writing {
        Writing::ToDiff => Some(upper(layer)?),
        Writing::Never => None,
    };
    let below = below.into_iter().flatten();
    let lowers = join_lowers(layer.dir(), own, below, upper.is_some());
    if context.mount_program.is_none() && lowers.len() > MAX_DEPTH {
        return Err(too_deep(lowers.len()));
    }
    Ok(OverlayPlan {
        base: context.homes.own().path().to_owned(),
        lowers,
        upper,
        options,
        label: String::new(),
    })
}

/// The lower directories of a mount that writes to `layer`: its own older directories, and those of
/// its parents.
pub(crate) fn lowers_below(
    layer: &LayerDir,
    parents: &[LayerDir],
) -> Result<Vec<Lower>, LayerError> {
    let own = layer.lowers(None)?;
    let mut below = Vec::new();
    for parent in parents {
        below.extend(parent.lowers(None)?);
    }
    Ok(join_lowers(layer, own, below, true))
}

fn join_lowers(
    layer: &LayerDir,
    own: Vec<Lower>,
    below: impl IntoIterator<Item = Lower>,
    has_upper: bool,
) -> Vec<Lower> {
    let mut lowers = own;
    if has_upper {
        lowers.remove(0);
    }
    lowers.extend(below);
    let least = if has_upper { 1 } else { 2 };
    if lowers.len() < least {
        // The kernel wants two directories in all.
        let empty = layer.path_in_home().join(EMPTY);
        lowers.push(Lower::inside(layer.home().path(), empty));
    }
    lowers
}

/// The upper directories of a layer in the driver's home, completed where a crash has left a gap.
fn upper(layer: &Layer) -> Result<Upper, LayerError> {
    let dir = layer.handle();
    if layer.dir().lacks_diff()? {
        // A crash between two renames, while owners were rewritten.
        let older = dir.stat(diff_name(1))?;
        dir.create_dir(DIFF, PRIVATE_MODE)?;
        let made = dir.open_dir(DIFF)?;
        if let Some(older) = older {
            made.set_own_owner(Some(older.uid), Some(older.gid))?;
        }
        made.set_own_mode(older.map_or(ROOT_MODE, |older| older.permissions()))?;
    }
    let work = dir.ensure_dir(WORK, PRIVATE_MODE)?;
    forget_volatile(&work)?;
    Ok(Upper {
        diff: layer.path().join(DIFF),
        work: layer.path().join(WORK),
    })
}

/// Removes the mark of an earlier mount with `volatile`, because of which overlayfs refuses the
/// directories: a crash may have lost something. A container that is mounted that way accepts such
/// a loss. The kernel repeats the name of the work directory.
fn forget_volatile(work: &Dir) -> Result<(), PathError> {
    match work.open_dir_nested("work/incompat") {
        Ok(incompat) => under_lock_on_purpose("the kernel keeps one file there", || {
            remove_tree(&incompat, "volatile")
        }),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
