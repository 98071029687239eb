//! Trees that the caller fills, in `staging/<name>/dir` (Go: drivers/overlay/overlay.go,
//! `ApplyDiffWithDiffer`).
//!
//! What a crash leaves: (1) while a tree is filled, its staging directory, whose lock is free then;
//! (2) after it was exchanged with `diff`, the same with the old contents in it. Both are removed
//! by [`recover`](crate::disk::recover).

use std::any::Any;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::sync::Arc;

use layerhold_archive::{UnpackOptions, Unsettled};
use layerhold_driver::{LayerError, LayerTarget, StagedTree, TreeFor, TreeRequest, TreeRoot};
use layerhold_idmap::HostOwner;
use layerhold_ids::LayerId;
use layerhold_staging::StagingLock;
use layerhold_sys::{Dir, PathError, RenameHow, best_effort, random_suffix, remove_tree};

use super::root_attributes::set_root_attributes;
use super::target::settle;
use crate::context::Context;
use crate::disk::{DIFF, Home, PRIVATE_MODE, STAGING, STAGING_LOCK, STAGING_TREE};
use crate::layers::{Layer, LayerDir, Parent, root_pair};

/// How often a staging directory may be removed before its lock is held.
const ATTEMPTS: u32 = 100;
/// Where old contents go on filesystems that cannot exchange two directories.
const OLD: &str = "old";

/// A tree in a staging directory.
#[derive(Debug)]
pub(crate) struct OverlayTree {
    context: Arc<Context>,
    root: Dir,
    /// The owner of the root directory of a layer without parents.
    owner: HostOwner,
    area: Area,
    /// The layer that it is for, if that exists already.
    layer: Option<Layer>,
}

/// A staging directory whose lock this process holds.
#[derive(Debug)]
struct Area {
    staging: Dir,
    name: OsString,
    dir: Dir,
    /// Held until the directory is gone.
    _lock: StagingLock,
    is_erased: bool,
}

impl Area {
    fn make(home: &Home) -> Result<Self, LayerError> {
        let staging = home.writable()?.ensure_dir(STAGING, PRIVATE_MODE)?;
        let mut attempt = 0;
        loop {
            let name = OsString::from(random_suffix()?);
            match Self::make_as(&staging, name) {
                Ok(Some(area)) => return Ok(area),
                // A process that removes leftovers may have come before the lock.
                Ok(None) if attempt < ATTEMPTS => attempt += 1,
                Err(error)
                    if (error.already_exists() || error.is_not_found()) && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Ok(None) => {
                    let cause = ErrorKind::ResourceBusy.into();
                    return Err(PathError::new("lock", staging.path(), cause).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn make_as(staging: &Dir, name: OsString) -> Result<Option<Self>, PathError> {
        let dir = staging.create_plain_dir(&name, PRIVATE_MODE)?;
        let Some(lock) = StagingLock::try_lock(&dir, STAGING_LOCK.as_ref())? else {
            return Ok(None);
        };
        Ok(Some(Self {
            staging: staging.clone(),
            name,
            dir,
            _lock: lock,
            is_erased: false,
        }))
    }

    fn erase(&mut self) -> Result<(), PathError> {
        if std::mem::replace(&mut self.is_erased, true) {
            return Ok(());
        }
        remove_tree(&self.staging, &self.name)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // A caller that wants to know of failures calls `erase`. What is left is found by the next
        // recovery.
        best_effort(self.erase());
    }
}

impl OverlayTree {
    pub(crate) fn new(
        context: &Arc<Context>,
        request: &TreeRequest<'_>,
    ) -> Result<Self, LayerError> {
        let owner = root_pair(&request.id_maps)?;
        let (area, layer) = match request.wanted {
            TreeFor::New(access) => (Area::make(context.homes.for_new(access))?, None),
            TreeFor::Layer(id) => {
                let layer = context.homes.require_writable(id)?;
                layer.dir().refuse_external()?;
                (Area::make(layer.home())?, Some(layer))
            }
        };
        area.dir.create_dir(STAGING_TREE, PRIVATE_MODE)?;
        let root = area.dir.open_dir(STAGING_TREE)?;
        set_root_attributes(context, &root, &Parent::None, owner)?;
        Ok(Self {
            context: Arc::clone(context),
            root,
            owner,
            area,
            layer,
        })
    }

    /// Recognises a tree that this driver made.
    pub(crate) fn from(tree: Box<dyn StagedTree>) -> Result<Self, LayerError> {
        let tree = tree.into_any().downcast::<Self>();
        tree.map(|tree| *tree).map_err(|_| LayerError::ForeignTree)
    }

    /// Makes the tree the contents of a committed layer. The old contents take its place.
    pub(crate) fn replace_contents_of(
        &self,
        id: &LayerId,
        parent: Option<&LayerId>,
        root: TreeRoot,
    ) -> Result<(), LayerError> {
        let homes = &self.context.homes;
        let layer = homes.require_writable(id)?;
        let parent = match parent {
            Some(parent) => Parent::Committed(homes.require(parent)?),
            None => Parent::None,
        };
        self.set_root_attributes(root, &parent)?;
        self.exchange(layer.dir())
    }

    /// Gives the root the attributes of its parent's, unless the tree brings its own or there is no
    /// parent.
    pub(super) fn set_root_attributes(
        &self,
        how: TreeRoot,
        parent: &Parent,
    ) -> Result<(), LayerError> {
        if how == TreeRoot::AsFilled || parent.is_none() {
            return Ok(());
        }
        set_root_attributes(&self.context, &self.root, parent, self.owner)
    }

    /// Exchanges the tree with the `diff` of a layer.
    pub(super) fn exchange(&self, layer: &LayerDir) -> Result<(), LayerError> {
        layer.refuse_external()?;
        let layer = layer.handle();
        match exchange(&self.area.dir, layer) {
            // Shutting the store down unmounts the home, which is a mount of its own. The paths
            // lead to both directories in the same mount again.
            Err(error) if error.crosses_devices() => {
                let area = Dir::open_ambient(self.area.dir.path())?;
                Ok(exchange(&area, &Dir::open_ambient(layer.path())?)?)
            }
            other => Ok(other?),
        }
    }
}

fn exchange(area: &Dir, layer: &Dir) -> Result<(), PathError> {
    match area.rename(STAGING_TREE, layer, DIFF, RenameHow::Exchange) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            layer.rename(DIFF, area, OLD, RenameHow::NoReplace)?;
            let moved = area.rename(STAGING_TREE, layer, DIFF, RenameHow::NoReplace);
            if moved.is_err() {
                // The first failure is the one to report.
                best_effort(area.rename(OLD, layer, DIFF, RenameHow::NoReplace));
            }
            moved
        }
        other => other,
    }
}

impl LayerTarget for OverlayTree {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.context.unpack_options()
    }

    /// Settles a tree for an existing layer. The parents of a new layer are not known yet; its tree
    /// is settled when the layer is staged.
    fn settle(&self, unsettled: &Unsettled) -> Result<(), LayerError> {
        match &self.layer {
            Some(layer) => {
                let parent = Parent::of(&self.context.homes, layer)?;
                settle(&self.context, &self.root, &parent, unsettled)
            }
            None => Ok(()),
        }
    }
}

impl StagedTree for OverlayTree {
    fn erase(mut self: Box<Self>) -> Result<(), LayerError> {
        Ok(self.area.erase()?)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
