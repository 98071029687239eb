//! Rewriting owners where mounts cannot show them shifted (Go: drivers/overlay/overlay.go,
//! `UpdateLayerIDMap`).
//!
//! The layer is mounted and every file changed, so that those of the layers below are copied up;
//! with a mount program they are [copied](crate::copy_up) without it. Then `diff` becomes `diff1`,
//! `diff1` becomes `diff2` and so on, and a new `diff` takes what the layer itself will change. A
//! crash in between leaves a gap, which readers pass over, or no `diff`, which
//! [mounting](crate::mounting) makes.

use std::path::Path;

use layerhold_driver::{HardLinks, LayerError, RemapRequest, remap_tree};
use layerhold_idmap::{HostOwner, OVERRIDE_STAT_XATTR};
use layerhold_sys::{Dir, RenameHow, remove_tree, xattr};

use crate::additional::refuse_external;
use crate::build::{root_pair, set_mode_and_owner};
use crate::copy_up::copy_up;
use crate::core::Core;
use crate::layer::diff_names;
use crate::mount_options::remap_options;
use crate::mounting::lowers;
use crate::names::{DIFF, MERGED, PRIVATE_MODE, WORK, diff_name};
use crate::plan::{OverlayPlan, Upper};
use crate::stack::Contents;

/// What is to be rewritten.
#[derive(Debug)]
pub(crate) struct Remap<'a> {
    pub(crate) core: &'a Core,
    pub(crate) layer: &'a Contents,
    /// The layers below, nearest first.
    pub(crate) below: &'a [Contents],
    /// The path of the layer's directory.
    pub(crate) place: &'a Path,
    pub(crate) request: &'a RemapRequest<'a>,
}

/// Rewrites the owners of everything that a layer shows.
pub(crate) fn remap(remap: &Remap<'_>) -> Result<(), LayerError> {
    let owner = root_pair(remap.request.to)?;
    let dir = &remap.layer.dir;
    refuse_external(dir)?;
    match remap.core.mount_program {
        Some(_) => remap.by_directories()?,
        None => remap.by_mount()?,
    }
    rotate(remap.core, dir, remap.request)?;
    renew_work(remap.core, dir, owner)?;
    Ok(())
}

impl Remap<'_> {
    /// Changes every file through a mount, so that the kernel copies up what is below.
    fn by_mount(&self) -> Result<(), LayerError> {
        drop(self.layer.dir.ensure_dir(MERGED, PRIVATE_MODE)?);
        let place = self.place.join(MERGED);
        let mounted = self.plan()?.mount_privately(&place, self.core.api)?;
        mounted.with(|root| remap_tree(root, self.request, HardLinks::SplitByCopyUp))
    }

    /// Copies up what is below, and changes every file.
    fn by_directories(&self) -> Result<(), LayerError> {
        let mut dirs = self.layer.open()?;
        for contents in self.below {
            dirs.extend(contents.open()?);
        }
        if let Some((own, lowers)) = dirs.split_first() {
            copy_up(own, lowers, self.core.copy_rules())?;
            remap_tree(own, self.request, HardLinks::OneInode)?;
        }
        Ok(())
    }

    fn plan(&self) -> Result<OverlayPlan, LayerError> {
        let mut below = Vec::new();
        for contents in self.below {
            below.extend(contents.lowers()?);
        }
        Ok(OverlayPlan {
            base: self.core.homes.own().path().to_owned(),
            lowers: lowers(self.layer, below, true)?,
            upper: Some(Upper {
                diff: self.place.join(DIFF),
                work: self.place.join(WORK),
            }),
            options: remap_options(self.core),
            label: self.request.mount_label.to_owned(),
        })
    }
}

/// Moves all directories of contents one down and makes a new one on top.
fn rotate(core: &Core, dir: &Dir, request: &RemapRequest<'_>) -> Result<(), LayerError> {
    let names = diff_names(dir)?;
    for (n, name) in names.iter().enumerate().rev() {
        let next = diff_name(n.saturating_add(1));
        if *name != next {
            dir.rename(name, dir, next, RenameHow::NoReplace)?;
        }
    }
    let old = dir.open_dir(diff_name(1))?;
    let stat = old.stat_self()?;
    let owner = request.owner_of_root(HostOwner::new(stat.uid, stat.gid))?;
    let mode = core
        .options
        .force_mask
        .unwrap_or_else(|| stat.permissions());
    dir.create_dir(DIFF, PRIVATE_MODE)?;
    let new = dir.open_dir(DIFF)?;
    if let Some(real) = xattr::get(&old, OVERRIDE_STAT_XATTR)? {
        xattr::set(&new, OVERRIDE_STAT_XATTR, &real)?;
    }
    set_mode_and_owner(core, &new, mode, owner)
}

/// The kernel's notes in the work directory are about the old upper directory.
fn renew_work(core: &Core, dir: &Dir, owner: HostOwner) -> Result<(), LayerError> {
    remove_tree(dir, WORK)?;
    dir.create_dir(WORK, PRIVATE_MODE)?;
    set_mode_and_owner(core, &dir.open_dir(WORK)?, PRIVATE_MODE, owner)
}
