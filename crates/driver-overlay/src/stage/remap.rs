//! Rewriting owners where mounts cannot show them shifted (Go: drivers/overlay/overlay.go,
//! `UpdateLayerIDMap`).
//!
//! The layer is mounted and every file changed, so that the kernel copies the files of the parents
//! up. With a mount program they are [copied](super::copy_up) without a mount. Then `diff` becomes
//! `diff1`, `diff1` becomes `diff2` and so on, and a new `diff` takes what the layer itself will
//! change. A crash between two renames leaves a gap, which readers pass over, or no `diff`, which
//! the next mount makes.

use layerhold_driver::{HardLinks, LayerError, RemapRequest, remap_tree};
use layerhold_idmap::{HostOwner, OVERRIDE_STAT_XATTR};
use layerhold_ids::LayerId;
use layerhold_sys::{RenameHow, remove_tree, xattr};

use super::copy_up::copy_up;
use crate::context::Context;
use crate::disk::{DIFF, MERGED, PRIVATE_MODE, WORK, diff_name};
use crate::kernel::{OverlayPlan, Upper};
use crate::layers::{Layer, LayerDir, parents_of, root_pair, set_mode_and_owner};
use crate::mount::{lowers_below, remap_options};

/// What is to be rewritten.
#[derive(Debug)]
pub(super) struct Remap<'a> {
    pub(super) context: &'a Context,
    pub(super) layer: &'a LayerDir,
    /// Nearest first.
    pub(super) parents: &'a [LayerDir],
    pub(super) request: &'a RemapRequest<'a>,
}

/// Rewrites the owners of everything that a committed layer shows.
pub(crate) fn remap_committed(
    context: &Context,
    id: &LayerId,
    request: &RemapRequest<'_>,
) -> Result<(), LayerError> {
    let layer = context.homes.require_writable(id)?;
    let parents = parents_of(&context.homes, &layer)?;
    let parents: Vec<_> = parents.into_iter().map(Layer::into_dir).collect();
    remap(&Remap {
        context,
        layer: layer.dir(),
        parents: &parents,
        request,
    })
}

/// Rewrites the owners of everything that a layer shows.
pub(super) fn remap(remap: &Remap<'_>) -> Result<(), LayerError> {
    let owner = root_pair(remap.request.to)?;
    remap.layer.refuse_external()?;
    match remap.context.mount_program {
        Some(_) => remap.by_directories()?,
        None => remap.by_mount()?,
    }
    remap.rotate()?;
    remap.renew_work(owner)
}

impl Remap<'_> {
    /// Changes every file through a mount, so that the kernel copies the files of the parents up.
    fn by_mount(&self) -> Result<(), LayerError> {
        drop(self.layer.handle().ensure_dir(MERGED, PRIVATE_MODE)?);
        let place = self.layer.path().join(MERGED);
        let mounted = self.plan()?.mount_privately(&place, self.context.api)?;
        mounted.with(|root| remap_tree(root, self.request, HardLinks::SplitByCopyUp))
    }

    /// Copies the files of the parents up, and changes every file.
    fn by_directories(&self) -> Result<(), LayerError> {
        let mut dirs = self.layer.open_diffs()?;
        for parent in self.parents {
            dirs.extend(parent.open_diffs()?);
        }
        if let Some((own, lowers)) = dirs.split_first() {
            copy_up(own, lowers, self.context.copy_rules())?;
            remap_tree(own, self.request, HardLinks::OneInode)?;
        }
        Ok(())
    }

    fn plan(&self) -> Result<OverlayPlan, LayerError> {
        Ok(OverlayPlan {
            base: self.context.homes.own().path().to_owned(),
            lowers: lowers_below(self.layer, self.parents)?,
            upper: Some(Upper {
                diff: self.layer.path().join(DIFF),
                work: self.layer.path().join(WORK),
            }),
            options: remap_options(self.context),
            label: self.request.mount_label.to_owned(),
        })
    }

    /// Moves all directories of contents one down and makes a new one on top.
    fn rotate(&self) -> Result<(), LayerError> {
        let dir = self.layer.handle();
        let names = self.layer.diff_names()?;
        for (n, name) in names.iter().enumerate().rev() {
            let next = diff_name(n.saturating_add(1));
            if *name != next {
                dir.rename(name, dir, next, RenameHow::NoReplace)?;
            }
        }
        let old = dir.open_dir(diff_name(1))?;
        let stat = old.stat_self()?;
        let owner = self
            .request
            .owner_of_root(HostOwner::new(stat.uid, stat.gid))?;
        let force_mask = self.context.options.force_mask;
        let mode = force_mask.unwrap_or_else(|| stat.permissions());
        dir.create_dir(DIFF, PRIVATE_MODE)?;
        let new = dir.open_dir(DIFF)?;
        if let Some(real) = xattr::get(&old, OVERRIDE_STAT_XATTR)? {
            xattr::set(&new, OVERRIDE_STAT_XATTR, &real)?;
        }
        set_mode_and_owner(self.context, &new, mode, owner)
    }

    /// Makes a new work directory: what the kernel notes there is about the old upper directory.
    fn renew_work(&self, owner: HostOwner) -> Result<(), LayerError> {
        let dir = self.layer.handle();
        remove_tree(dir, WORK)?;
        dir.create_dir(WORK, PRIVATE_MODE)?;
        set_mode_and_owner(self.context, &dir.open_dir(WORK)?, PRIVATE_MODE, owner)
    }
}
