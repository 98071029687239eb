//! Staged layers.

use std::any::Any;
use std::sync::Arc;

use layerhold_archive::{UnpackOptions, Unsettled};
use layerhold_driver::{
    CommitFailed, LayerAccess, LayerContents, LayerError, LayerRef, LayerTarget, RemapRequest,
    StageRequest, StagedLayer, StagedTree, TreeRoot,
};
use layerhold_ids::LayerId;
use layerhold_staging::{StagedAddition, TempArea};
use layerhold_sys::{Dir, PathError, RenameHow, best_effort};

use super::new_layer::NewLayer;
use super::remap::{Remap, remap};
use super::root_attributes::RootAttributes;
use super::target::settle;
use super::tree::OverlayTree;
use crate::context::Context;
use crate::disk::{DIFF, NAME, PRIVATE_MODE, is_layer_name};
use crate::kernel::wanted_limits;
use crate::layers::{LayerDir, LayerUse, OverlayContents, Parent, StagedNode, put_symlink};
use crate::options::Limits;

/// A layer's directory in a temporary area of the home it will stay in.
///
/// What a crash during [`commit`](StagedLayer::commit) leaves: (1) before the rename, a temporary
/// area; (2) before the symbolic link is made, a layer whose short name is in its `link` file only,
/// from which the link is made when it is missed; (3) after it, the layer.
#[derive(Debug)]
pub(crate) struct OverlayStaged {
    context: Arc<Context>,
    node: Arc<StagedNode>,
    /// `diff`.
    root: Dir,
    /// What the root was given, unless the adopted tree decides.
    given: Option<RootAttributes>,
    addition: StagedAddition,
    /// Held for its drop, which erases a layer that was not committed.
    area: TempArea,
    /// The use of the additional layer that has the contents.
    external: Option<LayerUse>,
}

impl OverlayStaged {
    pub(crate) fn new(
        context: &Arc<Context>,
        request: &StageRequest<'_>,
    ) -> Result<Self, LayerError> {
        let limits = wanted_limits(request, context.options.limits, context.quota.is_some())?;
        let is_written_to = request.access == LayerAccess::ReadWrite;
        if is_written_to && context.options.force_mask.is_some() && context.mount_program.is_none()
        {
            return Err(LayerError::ForceMask { driver: NAME });
        }
        drop(context.homes.for_new(request.access).writable()?);
        let new = Self::new_layer(context, request, is_written_to.then_some(limits))?;
        Self::build(context, request.access, new, None)
    }

    /// Stages a layer whose contents are in an additional layer store (Go:
    /// drivers/overlay/overlay.go, `CreateAs`).
    pub(crate) fn external(
        context: &Arc<Context>,
        request: &StageRequest<'_>,
        external: LayerUse,
    ) -> Result<Self, LayerError> {
        if request.template.is_some() {
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation: "copy a template into an additional layer",
            });
        }
        drop(context.homes.for_new(request.access).writable()?);
        let mut new = Self::new_layer(context, request, None)?;
        new.external = Some(external.path().to_owned());
        Self::build(context, request.access, new, Some(external))
    }

    fn new_layer(
        context: &Context,
        request: &StageRequest<'_>,
        limits: Option<Limits>,
    ) -> Result<NewLayer, LayerError> {
        let parent = Self::resolve(context, request.parent)?;
        let template = Self::resolve(context, request.template)?;
        NewLayer::new(context, request, parent, &template, limits)
    }

    /// Finds a parent or template: by its ID, or if it is staged as one of this driver's own.
    fn resolve(context: &Context, layer: Option<LayerRef<'_>>) -> Result<Parent, LayerError> {
        match layer {
            None => Ok(Parent::None),
            Some(LayerRef::Committed(id)) => Ok(Parent::Committed(context.homes.require(id)?)),
            Some(LayerRef::Staged(staged)) => match staged.as_any().downcast_ref::<Self>() {
                Some(staged) => Ok(Parent::Staged(Arc::clone(&staged.node))),
                None => Err(LayerError::ForeignStaged { driver: NAME }),
            },
        }
    }

    fn build(
        context: &Arc<Context>,
        access: LayerAccess,
        new: NewLayer,
        external: Option<LayerUse>,
    ) -> Result<Self, LayerError> {
        let home = context.homes.for_new(access);
        let area = context.area(home)?;
        let addition = new.addition(&area);
        let dir = addition.create_dir(PRIVATE_MODE)?;
        let (root, given) = new.build(context, &dir)?;
        let node = StagedNode {
            dir: LayerDir::new(home.clone(), dir),
            link: new.link,
            lower: new.lower,
            parent: new.parent,
        };
        Ok(Self {
            context: Arc::clone(context),
            node: Arc::new(node),
            root,
            given: Some(given),
            addition,
            area,
            external,
        })
    }

    fn put_in_place(self, id: &LayerId) -> Result<(), Box<(Self, LayerError)>> {
        let home = match self.prepared(id) {
            Ok(home) => home,
            Err(error) => return Err(Box::new((self, error))),
        };
        let Self {
            context,
            node,
            root,
            given,
            addition,
            area,
            external,
        } = self;
        let back = |addition, area, external, error| {
            let staged = Self {
                context,
                node: Arc::clone(&node),
                root,
                given,
                addition,
                area,
                external,
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
            return back(addition, area, external, error);
        }
        if let Err(source) = put_symlink(&home, &node.link, id) {
            let addition = area.stage_addition();
            // If it cannot go back either it is a layer without a record, which the caller removes.
            best_effort(home.rename(
                id.as_str(),
                addition.area(),
                addition.name(),
                RenameHow::NoReplace,
            ));
            return back(addition, area, external, source.into());
        }
        if let Some(external) = external {
            external.hand_over();
        }
        Ok(())
    }

    /// Does what is left to do before the layer is moved, and opens where it goes.
    fn prepared(&self, id: &LayerId) -> Result<Dir, LayerError> {
        if !is_layer_name(id) {
            return Err(LayerError::Exists { id: id.clone() });
        }
        if let (Some(given), None) = (self.given, &self.external) {
            given.follow(&self.context, &self.root, &self.node.parent)?;
        }
        self.node.dir.home().writable()
    }
}

/// Moves the layer to its place.
///
/// The home is a mount of its own. Shutting the store down unmounts it, and the next opener mounts
/// it again. A directory cannot be renamed from the old mount to the new one, although they are one
/// filesystem, but its path leads into the new mount.
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
        self.context.unpack_options()
    }

    fn settle(&self, unsettled: &Unsettled) -> Result<(), LayerError> {
        settle(&self.context, &self.root, &self.node.parent, unsettled)
    }
}

impl StagedLayer for OverlayStaged {
    fn contents(&self) -> Result<Box<dyn LayerContents>, LayerError> {
        let mut dirs = vec![self.node.dir.clone()];
        dirs.extend(self.node.parent.dirs(&self.context.homes)?);
        Ok(Box::new(OverlayContents::new(dirs)))
    }

    fn remap(&mut self, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        let parents = self.node.parent.dirs(&self.context.homes)?;
        remap(&Remap {
            context: &self.context,
            layer: &self.node.dir,
            parents: &parents,
            request,
        })?;
        self.root = self.node.dir.handle().open_dir(DIFF)?;
        Ok(())
    }

    fn adopt(&mut self, tree: Box<dyn StagedTree>, root: TreeRoot) -> Result<(), LayerError> {
        let tree = OverlayTree::from(tree)?;
        tree.set_root_attributes(root, &self.node.parent)?;
        tree.exchange(&self.node.dir)?;
        self.root = self.node.dir.handle().open_dir(DIFF)?;
        self.given = match root {
            TreeRoot::AsFilled => None,
            _ => Some(RootAttributes::of(&self.root.stat_self()?)),
        };
        // Erases the old contents. What is left of them is found by the next recovery.
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
