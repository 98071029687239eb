//! Making the directory of a new layer (Go: drivers/overlay/overlay.go, `create`).

use std::path::PathBuf;

use layerhold_archive::ChownErrors;
use layerhold_driver::{COPY_TARGET_MODE, LayerError, StageRequest, copy_tree, is_refusal};
use layerhold_idmap::{
    ContainerOwner, HostOwner, IdMappings, OVERRIDE_STAT_XATTR, OverrideKind, OverrideStat,
};
use layerhold_ids::LayerId;
use layerhold_staging::{StagedAddition, TempArea};
use layerhold_sys::{Dir, Durability, PathError, Stat, Times, xattr};

use crate::additional::link_contents;
use crate::core::Core;
use crate::link::LinkName;
use crate::link_index::{write_link, write_lower};
use crate::names::{DIFF, EMPTY, MERGED, PRIVATE_MODE, ROOT_MODE, WORK, diff_name};
use crate::options::Limits;
use crate::stack::{Below, Contents};

/// What a new layer is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The owner of the driver's own directories, and of the root of a base layer.
    pub(crate) owner: HostOwner,
    pub(crate) limits: Option<Limits>,
    pub(crate) link: LinkName,
    pub(crate) lower: Vec<LinkName>,
    pub(crate) below: Below,
    /// The ID the layer will most likely get.
    pub(crate) id: Option<LayerId>,
    /// Contents to copy, the uppermost first.
    pub(crate) copied: Vec<Contents>,
    /// The additional layer that has the contents.
    pub(crate) external: Option<PathBuf>,
}

/// The attributes that the root directory of a layer got before anything was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RootAttributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Plan {
    pub(crate) fn new(
        core: &Core,
        request: &StageRequest<'_>,
        limits: Option<Limits>,
    ) -> Result<Self, LayerError> {
        let below = Below::find(request.parent, &core.homes)?;
        let template = Below::find(request.template, &core.homes)?;
        let mut plan = Self {
            owner: root_pair(&request.id_maps)?,
            limits,
            link: LinkName::generate()?,
            lower: below.lower_of_child(&core.homes)?,
            below,
            id: request.id.cloned(),
            copied: Vec::new(),
            external: None,
        };
        if !matches!(template, Below::Nothing) {
            plan.copy_from(core, &template)?;
        }
        Ok(plan)
    }

    /// Reserves a name for the layer in an area.
    pub(crate) fn addition(&self, area: &TempArea) -> StagedAddition {
        match &self.id {
            Some(id) => area.stage_addition_for(id),
            None => area.stage_addition(),
        }
    }

    /// Takes over what the template has above the parent. Usually that is the template's own
    /// contents; a template that Go made as a copy has a layer of its own below it that the parent
    /// does not have, and that is taken over too, so that the new layer does not depend on it.
    fn copy_from(&mut self, core: &Core, template: &Below) -> Result<(), LayerError> {
        let names = template.lower_of_child(&core.homes)?;
        let mut contents = template.contents(&core.homes)?;
        contents.truncate(names.len().saturating_sub(self.lower.len()).max(1));
        let ends_with_parent = names
            .get(contents.len()..)
            .is_some_and(|rest| rest == self.lower);
        if !ends_with_parent {
            // The template is on other layers: what it shows is more important than whom the record
            // names.
            self.below = match template {
                Below::Staged(stack) => stack.below.clone(),
                _ => self.below.clone(),
            };
            self.lower = names.get(1..).unwrap_or_default().to_vec();
            contents.truncate(1);
        }
        self.copied = contents;
        Ok(())
    }

    /// Fills the empty directory of the layer. Returns `diff`, and the attributes its root got.
    pub(crate) fn build(
        &self,
        core: &Core,
        dir: &Dir,
    ) -> Result<(Dir, RootAttributes), LayerError> {
        set_mode_and_owner(core, dir, PRIVATE_MODE, self.owner)?;
        if let (Some(quota), Some(limits)) = (&core.quota, self.limits) {
            quota.limit(dir, limits)?;
        }
        let root = self.build_contents(core, dir)?;
        write_link(dir, &self.link, Durability::Volatile)?;
        for name in [WORK, MERGED] {
            let made = dir.ensure_dir(name, PRIVATE_MODE)?;
            set_mode_and_owner(core, &made, PRIVATE_MODE, self.owner)?;
        }
        write_lower(dir, &self.lower, Durability::Volatile)?;
        if self.lower.is_empty() {
            set_mode_and_owner(core, &dir.open_dir(EMPTY)?, PRIVATE_MODE, self.owner)?;
        }
        let given = RootAttributes::of(&root.stat_self()?);
        Ok((root, given))
    }

    fn build_contents(&self, core: &Core, dir: &Dir) -> Result<Dir, LayerError> {
        if let Some(external) = &self.external {
            return link_contents(dir, external);
        }
        if self.copied.is_empty() {
            dir.create_dir(DIFF, COPY_TARGET_MODE)?;
            let root = dir.open_dir(DIFF)?;
            set_root_attributes(core, &root, &self.below, self.owner)?;
            return Ok(root);
        }
        let sources = self
            .copied
            .iter()
            .map(Contents::open)
            .collect::<Result<Vec<_>, _>>()?;
        for (n, source) in sources.into_iter().flatten().enumerate() {
            let name = diff_name(n);
            dir.create_dir(&name, COPY_TARGET_MODE)?;
            let target = dir.open_dir(&name)?;
            copy_tree(&source, &target, &target.stat_self()?, core.copy_rules())?;
        }
        Ok(dir.open_dir(DIFF)?)
    }
}

/// Gives the root directory of a layer mode, owner and times: those of the layer below, else those
/// of a base layer (Go: drivers/overlay/overlay.go, `getLayerPermissions`).
pub(crate) fn set_root_attributes(
    core: &Core,
    root: &Dir,
    below: &Below,
    owner: HostOwner,
) -> Result<(), LayerError> {
    let (mut mode, mut wanted) = (ROOT_MODE, owner);
    let parent = below.open_diff()?;
    if let Some(parent) = &parent {
        let stat = parent.stat_self()?;
        (mode, wanted) = (stat.permissions(), HostOwner::new(stat.uid, stat.gid));
        if let Some(real) = real_attributes(parent)? {
            mode = real.mode.into();
            wanted = HostOwner::new(real.owner.uid.get(), real.owner.gid.get());
        }
    }
    match core.options.force_mask {
        Some(mask) => {
            let real = OverrideStat {
                owner: ContainerOwner::new(wanted.uid.get(), wanted.gid.get()),
                mode: u16::try_from(mode & 0o7777).unwrap_or_default(),
                kind: OverrideKind::Dir,
            };
            xattr::set(root, OVERRIDE_STAT_XATTR, real.to_string().as_bytes())?;
            set_mode_and_owner(core, root, mask, owner)?;
        }
        None => set_mode_and_owner(core, root, mode, wanted)?,
    }
    if let Some(parent) = &parent {
        root.set_own_times(&Times::of(&parent.stat_self()?))?;
    }
    Ok(())
}

/// The attributes a directory is meant to have, where `force_mask` keeps them aside.
fn real_attributes(dir: &Dir) -> Result<Option<OverrideStat>, PathError> {
    let text = xattr::get(dir, OVERRIDE_STAT_XATTR)?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
}

/// Sets mode and owner of a directory.
pub(crate) fn set_mode_and_owner(
    core: &Core,
    dir: &Dir,
    mode: u32,
    owner: HostOwner,
) -> Result<(), LayerError> {
    try_set_mode_and_owner(core, dir, mode, owner)
        .map_err(|source| LayerError::of_owner(source, owner.uid.get(), owner.gid.get()))
}

/// Sets mode and owner of a directory, each only if it is another one: an ordinary user may not
/// even ask.
pub(crate) fn try_set_mode_and_owner(
    core: &Core,
    dir: &Dir,
    mode: u32,
    owner: HostOwner,
) -> Result<(), PathError> {
    let stat = dir.stat_self()?;
    let (uid, gid) = (owner.uid.get(), owner.gid.get());
    if (stat.uid, stat.gid) != (uid, gid) {
        match dir.set_own_owner(Some(uid), Some(gid)) {
            Err(error)
                if core.options.chown_errors == ChownErrors::Ignore && is_refusal(&error) => {}
            other => other?,
        }
    }
    if stat.permissions() != mode || (stat.uid, stat.gid) != (uid, gid) {
        dir.set_own_mode(mode)?;
    }
    Ok(())
}

/// The owner of what belongs to root in a container.
pub(crate) fn root_pair(maps: &IdMappings) -> Result<HostOwner, LayerError> {
    maps.root_pair().map_err(LayerError::RootPair)
}

impl RootAttributes {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            mode: stat.permissions(),
            uid: stat.uid,
            gid: stat.gid,
        }
    }

    /// Takes over what the layer below has got since this one was staged, unless this layer's own
    /// archive has said something else. Layers of an image may be filled at the same time.
    pub(crate) fn follow(self, root: &Dir, below: &Below, core: &Core) -> Result<(), LayerError> {
        let Below::Staged(_) = below else {
            return Ok(());
        };
        let Some(parent) = below.open_diff()? else {
            return Ok(());
        };
        let theirs = Self::of(&parent.stat_self()?);
        if core.options.force_mask.is_none()
            && theirs != self
            && Self::of(&root.stat_self()?) == self
        {
            let owner = HostOwner::new(theirs.uid, theirs.gid);
            set_mode_and_owner(core, root, theirs.mode, owner)?;
        }
        Ok(())
    }
}
