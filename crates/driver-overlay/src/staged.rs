//! Layers in the making.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use layerhold_archive::{UnpackOptions, Unsettled};
use layerhold_driver::{
    CommitFailed, LayerAccess, LayerContents, LayerError, LayerTarget, RemapRequest, StageRequest,
    StagedLayer, StagedTree, TreeRoot,
};
use layerhold_ids::LayerId;
use layerhold_staging::{StagedAddition, TempArea};
use layerhold_sys::{Dir, PathError, RenameHow};

use crate::NAME;
use crate::additional::Hold;
use crate::build::{Plan, RootAttributes};
use crate::contents::OverlayContents;
use crate::core::Core;
use crate::homes::is_layer_name;
use crate::layer::LayerDir;
use crate::link_index::put_symlink;
use crate::names::{DIFF, PRIVATE_MODE};
use crate::quota::wanted;
use crate::remap::{Remap, remap};
use crate::stack::{Below, Stack};
use crate::tree::OverlayTree;

/// A layer's directory in a temporary area of the home it will stay in.
///
/// What a crash during [`commit`](StagedLayer::commit) leaves: (1) before the rename, a temporary
/// area; (2) before the symbolic link is made, a layer whose short name is in its `link` file only,
/// from which the link is made when it is missed; (3) after it, the layer.
#[derive(Debug)]
pub(crate) struct OverlayStaged {
    core: Arc<Core>,
    stack: Arc<Stack>,
    /// `diff`.
    root: Dir,
    /// What the root was given, unless whoever filled it decides.
    given: Option<RootAttributes>,
    addition: StagedAddition,
    /// Held for its drop, which erases a layer that was not committed.
    area: TempArea,
    /// The use of the additional layer that has the contents.
    hold: Option<Hold>,
}

impl OverlayStaged {
    pub(crate) fn new(core: &Arc<Core>, request: &StageRequest<'_>) -> Result<Self, LayerError> {
        let limits = wanted(request, core.options.limits, core.quota.is_some())?;
        let is_written_to = request.access == LayerAccess::ReadWrite;
        if is_written_to && core.options.force_mask.is_some() && core.mount_program.is_none() {
            return Err(LayerError::ForceMask { driver: NAME });
        }
        drop(core.homes.for_new(request.access).writable()?);
        let plan = Plan::new(core, request, is_written_to.then_some(limits))?;
        Self::build(core, request.access, plan, None)
    }

    /// Stages a layer whose contents are in an additional layer store (Go:
    /// drivers/overlay/overlay.go, `CreateAs`).
    pub(crate) fn external(
        core: &Arc<Core>,
        request: &StageRequest<'_>,
        hold: Hold,
    ) -> Result<Self, LayerError> {
        if request.template.is_some() {
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation: "copy a template into an additional layer",
            });
        }
        drop(core.homes.for_new(request.access).writable()?);
        let mut plan = Plan::new(core, request, None)?;
        plan.external = Some(hold.path().to_owned());
        Self::build(core, request.access, plan, Some(hold))
    }

    fn build(
        core: &Arc<Core>,
        access: LayerAccess,
        plan: Plan,
        hold: Option<Hold>,
    ) -> Result<Self, LayerError> {
        let home = core.homes.for_new(access);
        let area = core.area(home)?;
        let addition = plan.addition(&area);
        let dir = addition.create_dir(PRIVATE_MODE)?;
        let (root, given) = plan.build(core, &dir)?;
        let stack = Stack {
            home: home.clone(),
            dir,
            link: plan.link,
            lower: plan.lower,
            below: plan.below,
        };
        Ok(Self {
            core: Arc::clone(core),
            stack: Arc::new(stack),
            root,
            given: Some(given),
            addition,
            area,
            hold,
        })
    }

    pub(crate) fn stack(&self) -> Arc<Stack> {
        Arc::clone(&self.stack)
    }

    fn put_in_place(self, id: &LayerId) -> Result<(), Box<(Self, LayerError)>> {
        let home = match self.prepared(id) {
            Ok(home) => home,
            Err(error) => return Err(Box::new((self, error))),
        };
        let Self {
            core,
            stack,
            root,
            given,
            addition,
            area,
            hold,
        } = self;
        let back = |addition, area, hold, error| {
            let staged = Self {
                core,
                stack: Arc::clone(&stack),
                root,
                given,
                addition,
                area,
                hold,
            };
            Err(Box::new((staged, error)))
        };
        if let Err(failed) = move_in(addition, &home, id) {
            let (addition, source) = *failed;
            let taken = || LayerError::Exists { id: id.clone() };
            let error = if source.already_exists() {
                taken()
            } else {
                source.into()
            };
            return back(addition, area, hold, error);
        }
        if let Err(source) = put_symlink(&home, &stack.link, id) {
            let addition = area.stage_addition();
            // If it cannot go back either it is a layer without a record, which the caller removes.
            drop(home.rename(
                id.as_str(),
                addition.area(),
                addition.name(),
                RenameHow::NoReplace,
            ));
            return back(addition, area, hold, source.into());
        }
        if let Some(hold) = hold {
            hold.pass_on();
        }
        Ok(())
    }

    /// Does what is left to do before the layer is moved, and opens where it goes.
    fn prepared(&self, id: &LayerId) -> Result<Dir, LayerError> {
        if !is_layer_name(id) {
            return Err(LayerError::Exists { id: id.clone() });
        }
        if let (Some(given), None) = (self.given, &self.hold) {
            given.follow(&self.root, &self.stack.below, &self.core)?;
        }
        self.stack.home.writable()
    }
}

/// Moves the layer to its place.
///
/// The home is a mount of its own, which whoever shuts the store down takes away and the next
/// opener makes anew. A directory cannot be renamed from one to the other, although they are one
/// filesystem; but by its path it is reached in the new one too.
fn move_in(
    addition: StagedAddition,
    home: &Dir,
    id: &LayerId,
) -> Result<(), Box<(StagedAddition, PathError)>> {
    let failed = match addition.commit(home, id.as_str()) {
        Ok(()) => return Ok(()),
        Err(failed) => *failed,
    };
    if !failed.source.crosses_devices() {
        return Err(Box::new((failed.addition, failed.source)));
    }
    let path = failed.addition.area().path().to_owned();
    let moved = Dir::open_ambient(path).and_then(|area| {
        area.rename(
            failed.addition.name(),
            home,
            id.as_str(),
            RenameHow::NoReplace,
        )
    });
    moved.map_err(|error| Box::new((failed.addition, error)))
}

impl LayerTarget for OverlayStaged {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.core.unpack_options()
    }

    fn settle(&self, unsettled: &Unsettled) -> Result<(), LayerError> {
        settle(&self.core, &self.root, &self.stack.below, unsettled)
    }
}

impl StagedLayer for OverlayStaged {
    fn contents(&self) -> Result<Box<dyn LayerContents>, LayerError> {
        let mut places = vec![self.stack.contents()];
        places.extend(self.stack.below.contents(&self.core.homes)?);
        Ok(Box::new(OverlayContents::new(places)))
    }

    fn remap(&mut self, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        let below = self.stack.below.contents(&self.core.homes)?;
        remap(&Remap {
            core: &self.core,
            layer: &self.stack.contents(),
            below: &below,
            place: Path::new(self.stack.dir.path()),
            request,
        })?;
        self.root = self.stack.dir.open_dir(DIFF)?;
        Ok(())
    }

    fn adopt(&mut self, tree: Box<dyn StagedTree>, root: TreeRoot) -> Result<(), LayerError> {
        let tree = OverlayTree::from(tree)?;
        tree.set_root_attributes(root, &self.stack.below)?;
        tree.change_places(&self.stack.dir)?;
        self.root = self.stack.dir.open_dir(DIFF)?;
        self.given = match root {
            TreeRoot::AsFilled => None,
            _ => Some(RootAttributes::of(&self.root.stat_self()?)),
        };
        // What was in its place goes; if it cannot, it is found later.
        drop(tree);
        Ok(())
    }

    fn commit(self: Box<Self>, id: &LayerId) -> Result<(), Box<CommitFailed>> {
        self.put_in_place(id).map_err(|failed| {
            let (staged, source) = *failed;
            Box::new(CommitFailed {
                id: id.clone(),
                staged: Box::new(staged),
                source,
            })
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An existing layer into which a diff is applied.
#[derive(Debug)]
pub(crate) struct OverlayTarget {
    pub(crate) root: Dir,
    pub(crate) core: Arc<Core>,
    pub(crate) layer: LayerDir,
}

impl LayerTarget for OverlayTarget {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.core.unpack_options()
    }

    fn settle(&self, unsettled: &Unsettled) -> Result<(), LayerError> {
        let below = Below::above(&self.core.homes, &self.layer)?;
        settle(&self.core, &self.root, &below, unsettled)
    }
}

/// Does what unpacking left open, above the layers below.
pub(crate) fn settle(
    core: &Core,
    root: &Dir,
    below: &Below,
    unsettled: &Unsettled,
) -> Result<(), LayerError> {
    if unsettled.is_empty() {
        return Ok(());
    }
    let mut lower = Vec::new();
    if unsettled.is_about_root() {
        lower.extend(below.open_diff()?);
    } else {
        for contents in below.contents(&core.homes)? {
            lower.extend(contents.open()?);
        }
    }
    Ok(unsettled.settle(root, &lower, core.namespace())?)
}
