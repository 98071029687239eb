//! Trees that somebody else fills, in `staging/<name>/dir` (Go: drivers/overlay/overlay.go,
//! `ApplyDiffWithDiffer`).
//!
//! What a crash leaves: (1) while a tree is filled, its staging directory, whose lock is free then;
//! (2) after it changed places with `diff`, the same with the old contents in it. Both are removed
//! by [`recover`](crate::staging_dirs::recover).

use std::any::Any;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::sync::Arc;

use layerhold_archive::{UnpackOptions, Unsettled};
use layerhold_driver::{LayerError, LayerTarget, StagedTree, TreeFor, TreeRequest, TreeRoot};
use layerhold_idmap::HostOwner;
use layerhold_staging::StagingLock;
use layerhold_sys::{Dir, PathError, RenameHow, random_suffix, remove_tree};

use crate::additional::refuse_external;
use crate::build::{root_pair, set_root_attributes};
use crate::core::Core;
use crate::homes::Home;
use crate::layer::LayerDir;
use crate::names::{DIFF, PRIVATE_MODE, STAGING, STAGING_LOCK, STAGING_TREE};
use crate::stack::Below;
use crate::staged::settle;

/// How often a staging directory may be taken away before its lock is held.
const ATTEMPTS: u32 = 100;
/// Where old contents go on filesystems that cannot let two directories change places.
const OLD: &str = "old";

/// A tree in a staging directory.
#[derive(Debug)]
pub(crate) struct OverlayTree {
    core: Arc<Core>,
    root: Dir,
    /// Whom the root belongs to where no parent says otherwise.
    owner: HostOwner,
    area: Area,
    /// The layer that it is for, if that is there already.
    layer: Option<LayerDir>,
}

/// A staging directory that is ours.
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
                // Somebody who removes what the dead left may come before the lock.
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
        // Whoever wants to know calls `erase`; what is left is found later.
        drop(self.erase());
    }
}

impl OverlayTree {
    pub(crate) fn new(core: &Arc<Core>, request: &TreeRequest<'_>) -> Result<Self, LayerError> {
        let owner = root_pair(&request.id_maps)?;
        let (area, layer) = match request.wanted {
            TreeFor::New(access) => (Area::make(core.homes.for_new(access))?, None),
            TreeFor::Layer(id) => {
                let layer = core.homes.require_writable(id)?;
                refuse_external(layer.dir())?;
                (Area::make(layer.home())?, Some(layer))
            }
        };
        area.dir.create_dir(STAGING_TREE, PRIVATE_MODE)?;
        let root = area.dir.open_dir(STAGING_TREE)?;
        set_root_attributes(core, &root, &Below::Nothing, owner)?;
        Ok(Self {
            core: Arc::clone(core),
            root,
            owner,
            area,
            layer,
        })
    }

    /// Recognises a tree of this driver.
    pub(crate) fn from(tree: Box<dyn StagedTree>) -> Result<Self, LayerError> {
        let tree = tree.into_any().downcast::<Self>();
        tree.map(|tree| *tree).map_err(|_| LayerError::ForeignTree)
    }

    /// Gives the root the attributes of the layer below, if there is one and they are not its own
    /// affair.
    pub(crate) fn set_root_attributes(
        &self,
        how: TreeRoot,
        below: &Below,
    ) -> Result<(), LayerError> {
        if how == TreeRoot::AsFilled || matches!(below, Below::Nothing) {
            return Ok(());
        }
        set_root_attributes(&self.core, &self.root, below, self.owner)
    }

    /// Puts the tree in the place of the `diff` of a layer's directory. What was there takes the
    /// place of the tree.
    pub(crate) fn change_places(&self, layer: &Dir) -> Result<(), LayerError> {
        refuse_external(layer)?;
        let outcome = exchange(&self.area.dir, layer);
        match outcome {
            // Shutting the store down takes the mount away that the home is. By their paths both
            // are in the same one again.
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
                drop(area.rename(OLD, layer, DIFF, RenameHow::NoReplace));
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
        self.core.unpack_options()
    }

    /// Of a layer to come, the layers below are not known; then it is settled when it is staged.
    fn settle(&self, unsettled: &Unsettled) -> Result<(), LayerError> {
        match &self.layer {
            Some(layer) => {
                let below = Below::above(&self.core.homes, layer)?;
                settle(&self.core, &self.root, &below, unsettled)
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
