//! Making the directory of a new layer (Go: drivers/overlay/overlay.go, `create`).

use std::path::PathBuf;

use layerhold_driver::{COPY_TARGET_MODE, LayerError, StageRequest, copy_tree};
use layerhold_idmap::HostOwner;
use layerhold_ids::LayerId;
use layerhold_staging::{StagedAddition, TempArea};
use layerhold_sys::{Dir, Durability};

use super::root_attributes::{RootAttributes, set_root_attributes};
use crate::context::Context;
use crate::disk::{DIFF, EMPTY, MERGED, PRIVATE_MODE, WORK, diff_name};
use crate::layers::{
    LayerDir, LinkName, Parent, link_external, root_pair, set_mode_and_owner, write_link,
    write_lower,
};
use crate::options::Limits;

/// What a new layer is made of.
#[derive(Debug)]
pub(super) struct NewLayer {
    /// The owner of the driver's own directories, and of the root of a base layer.
    owner: HostOwner,
    limits: Option<Limits>,
    pub(super) link: LinkName,
    /// The short names of all parents, nearest first.
    pub(super) lower: Vec<LinkName>,
    pub(super) parent: Parent,
    /// The ID the layer will most likely get.
    id: Option<LayerId>,
    /// Contents to copy, the uppermost first.
    copied: Vec<LayerDir>,
    /// The additional layer that has the contents.
    pub(super) external: Option<PathBuf>,
}

impl NewLayer {
    pub(super) fn new(
        context: &Context,
        request: &StageRequest<'_>,
        parent: Parent,
        template: &Parent,
        limits: Option<Limits>,
    ) -> Result<Self, LayerError> {
        let mut new = Self {
            owner: root_pair(&request.id_maps)?,
            limits,
            link: LinkName::generate()?,
            lower: parent.lower_of_child(&context.homes)?,
            parent,
            id: request.id.cloned(),
            copied: Vec::new(),
            external: None,
        };
        if !template.is_none() {
            new.copy_from(context, template)?;
        }
        Ok(new)
    }

    /// Reserves a name for the layer in an area.
    pub(super) fn addition(&self, area: &TempArea) -> StagedAddition {
        match &self.id {
            Some(id) => area.stage_addition_for(id),
            None => area.stage_addition(),
        }
    }

    /// Takes over what the template has above the parent. Usually that is the template's own
    /// contents. A template that Go made as a copy has a layer of its own as its parent, which this
    /// layer's parent does not have; that one is taken over too, so that the new layer does not
    /// depend on it.
    fn copy_from(&mut self, context: &Context, template: &Parent) -> Result<(), LayerError> {
        let names = template.lower_of_child(&context.homes)?;
        let mut dirs = template.dirs(&context.homes)?;
        dirs.truncate(names.len().saturating_sub(self.lower.len()).max(1));
        let ends_with_parent = names
            .get(dirs.len()..)
            .is_some_and(|rest| rest == self.lower);
        if !ends_with_parent {
            // The template has other parents: what it shows is more important than which parent the
            // record names.
            self.parent = match template {
                Parent::Staged(node) => node.parent.clone(),
                _ => self.parent.clone(),
            };
            self.lower = names.get(1..).unwrap_or_default().to_vec();
            dirs.truncate(1);
        }
        self.copied = dirs;
        Ok(())
    }

    /// Fills the empty directory of the layer. Returns `diff`, and the attributes that its root
    /// got.
    pub(super) fn build(
        &self,
        context: &Context,
        dir: &Dir,
    ) -> Result<(Dir, RootAttributes), LayerError> {
        set_mode_and_owner(context, dir, PRIVATE_MODE, self.owner)?;
        if let (Some(quota), Some(limits)) = (&context.quota, self.limits) {
            quota.limit(dir, limits)?;
        }
        let root = self.build_contents(context, dir)?;
        write_link(dir, &self.link, Durability::Volatile)?;
        for name in [WORK, MERGED] {
            let made = dir.ensure_dir(name, PRIVATE_MODE)?;
            set_mode_and_owner(context, &made, PRIVATE_MODE, self.owner)?;
        }
        write_lower(dir, &self.lower, Durability::Volatile)?;
        if self.lower.is_empty() {
            set_mode_and_owner(context, &dir.open_dir(EMPTY)?, PRIVATE_MODE, self.owner)?;
        }
        let given = RootAttributes::of(&root.stat_self()?);
        Ok((root, given))
    }

    fn build_contents(&self, context: &Context, dir: &Dir) -> Result<Dir, LayerError> {
        if let Some(external) = &self.external {
            return link_external(dir, external);
        }
        if self.copied.is_empty() {
            dir.create_dir(DIFF, COPY_TARGET_MODE)?;
            let root = dir.open_dir(DIFF)?;
            set_root_attributes(context, &root, &self.parent, self.owner)?;
            return Ok(root);
        }
        let sources = self
            .copied
            .iter()
            .map(LayerDir::open_diffs)
            .collect::<Result<Vec<_>, _>>()?;
        for (n, source) in sources.into_iter().flatten().enumerate() {
            let name = diff_name(n);
            dir.create_dir(&name, COPY_TARGET_MODE)?;
            let target = dir.open_dir(&name)?;
            copy_tree(&source, &target, &target.stat_self()?, context.copy_rules())?;
        }
        Ok(dir.open_dir(DIFF)?)
    }
}
