//! Staged layers that are directory trees, for drivers whose layers are whole trees.

use std::any::Any;

use layerhold_archive::{ChownErrors, UnpackOptions};
use layerhold_idmap::{HostOwner, IdMappings};
use layerhold_ids::LayerId;
use layerhold_staging::{CommitError, StagedAddition, TempArea};
use layerhold_sys::{Dir, PathError, Stat};

use crate::apply::LayerTarget;
use crate::contents::{DirContents, LayerContents};
use crate::copy::{COPY_TARGET_MODE, CopyRules, copy_tree, is_refusal};
use crate::error::LayerError;
use crate::remap::{HardLinks, RemapRequest, remap_tree};
use crate::stage::{CommitFailed, LayerAccess, LayerRef, StageRequest, StagedLayer};

/// The mode of a base layer's root until an archive sets another one (Go: drivers/vfs/driver.go,
/// `defaultPerms`).
const ROOT_MODE: u32 = 0o555;

/// A staged layer that is a directory tree in a temporary area, and is renamed to the directory of
/// its ID.
///
/// [`LayerDirs::stage`](crate::LayerDirs::stage) makes one.
#[derive(Debug)]
#[must_use = "a staged layer that is dropped is erased"]
pub struct StagedDir {
    driver: &'static str,
    root: Dir,
    addition: StagedAddition,
    /// The directory of committed layers.
    layers: Dir,
    /// The mode that the root directory gets at the commit, if it is not the present one.
    wanted_mode: Option<u32>,
    rules: CopyRules,
    /// Held for its drop, which erases a layer that was not committed.
    area: TempArea,
}

impl StagedDir {
    /// Makes the tree in a temporary area: a copy of the template or parent, or an empty directory.
    /// `open` opens the tree of a committed layer.
    pub(crate) fn new(
        driver: &'static str,
        request: &StageRequest<'_>,
        layers: &Dir,
        begin: impl FnOnce() -> Result<TempArea, LayerError>,
        rules: CopyRules,
        open: impl FnOnce(&LayerId) -> Result<Dir, LayerError>,
    ) -> Result<Self, LayerError> {
        let source = match request.source() {
            Some(LayerRef::Committed(id)) => Some(open(id)?),
            Some(LayerRef::Staged(staged)) => Some(Self::tree_of(staged, driver)?),
            None => None,
        };
        let area = begin()?;
        let addition = match request.id {
            Some(id) => area.stage_addition_for(id),
            None => area.stage_addition(),
        };
        let root = addition.create_dir(COPY_TARGET_MODE)?;
        let made = root.stat_self()?;
        match source {
            Some(source) => copy_tree(&source, &root, &made, rules)?,
            None => make_base(&root, &request.id_maps, rules)?,
        }
        let wanted_mode = make_fillable(&root, &made, request.access)?;
        Ok(Self {
            driver,
            root,
            addition,
            layers: layers.clone(),
            wanted_mode,
            rules,
            area,
        })
    }

    /// Opens the tree of a layer that the same driver staged.
    fn tree_of(staged: &dyn StagedLayer, driver: &'static str) -> Result<Dir, LayerError> {
        let own = staged.as_any().downcast_ref::<Self>();
        match own.filter(|own| own.driver == driver) {
            Some(own) => Ok(own.root.clone()),
            None => Err(LayerError::ForeignStaged { driver }),
        }
    }

    /// Gives the root directory its final mode, unless an archive has set one.
    fn finish(&self) -> Result<(), LayerError> {
        if let Some(mode) = self.wanted_mode
            && self.root.stat_self()?.permissions() == FILLABLE
        {
            self.root.set_own_mode(mode)?;
        }
        Ok(())
    }
}

/// The mode of a root directory that was made fillable. No archive gives a directory this mode.
const FILLABLE: u32 = 0o1700;
/// The permissions with which the owner of a directory can change it.
const OWNER_CHANGES: u32 = 0o300;

/// Lets an ordinary user fill a layer whose root directory its owner may not change, which is the
/// usual case. Returns the mode to set at the commit. Root needs no permission, also in a user
/// namespace. The writable layer of an ordinary user keeps the permission, as a container could
/// write nothing without it.
fn make_fillable(root: &Dir, made: &Stat, access: LayerAccess) -> Result<Option<u32>, PathError> {
    if made.uid == 0 {
        return Ok(None);
    }
    let mode = root.stat_self()?.permissions();
    if mode & OWNER_CHANGES == OWNER_CHANGES {
        return Ok(None);
    }
    match access {
        LayerAccess::ReadWrite => {
            root.set_own_mode(mode | OWNER_CHANGES)?;
            Ok(None)
        }
        LayerAccess::ReadOnly => {
            root.set_own_mode(FILLABLE)?;
            Ok(Some(mode))
        }
    }
}

fn make_base(root: &Dir, maps: &IdMappings, rules: CopyRules) -> Result<(), LayerError> {
    let owner = maps.root_pair().map_err(LayerError::RootPair)?;
    set_root_owner(root, owner, rules.chown_errors)?;
    Ok(root.set_own_mode(ROOT_MODE)?)
}

/// Sets the owner of a layer's root directory, if it differs: an ordinary user may not set an owner
/// at all, not even the present one.
fn set_root_owner(root: &Dir, owner: HostOwner, errors: ChownErrors) -> Result<(), LayerError> {
    let (uid, gid) = (owner.uid.get(), owner.gid.get());
    let stat = root.stat_self()?;
    if (stat.uid, stat.gid) == (uid, gid) {
        return Ok(());
    }
    match root.set_own_owner(Some(uid), Some(gid)) {
        Err(error) if errors == ChownErrors::Ignore && is_refusal(&error) => Ok(()),
        other => other.map_err(|source| LayerError::of_owner(source, uid, gid)),
    }
}

/// Rewrites the owners of a layer that is one directory tree, its root directory included (Go:
/// drivers/vfs/driver.go, `UpdateLayerIDMap`, which gives the root directory to the mapped
/// superuser whichever owner it has in the image).
///
/// # Errors
///
/// As [`remap_tree`].
pub fn remap_dir(
    root: &Dir,
    request: &RemapRequest<'_>,
    errors: ChownErrors,
) -> Result<(), LayerError> {
    let stat = root.stat_self()?;
    let owner = request.owner_of_root(HostOwner::new(stat.uid, stat.gid))?;
    remap_tree(root, request, HardLinks::OneInode)?;
    set_root_owner(root, owner, errors)
}

impl LayerTarget for StagedDir {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.rules.unpack_options()
    }
}

impl StagedLayer for StagedDir {
    fn contents(&self) -> Result<Box<dyn LayerContents>, LayerError> {
        Ok(Box::new(DirContents::new(self.root.clone())))
    }

    fn remap(&mut self, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        remap_dir(&self.root, request, self.rules.chown_errors)
    }

    fn commit(self: Box<Self>, id: &LayerId) -> Result<(), Box<CommitFailed>> {
        let failed = |staged, source| {
            Box::new(CommitFailed {
                id: id.clone(),
                staged,
                source,
            })
        };
        if let Err(source) = self.finish() {
            return Err(failed(self, source));
        }
        let Self {
            driver,
            root,
            addition,
            layers,
            wanted_mode,
            rules,
            area,
        } = *self;
        // The empty area is removed afterwards. If that fails, the next recovery removes it.
        addition.commit(&layers, id.as_str()).map_err(|error| {
            let CommitError { addition, source } = *error;
            let taken = || LayerError::Exists { id: id.clone() };
            let source = if source.already_exists() {
                taken()
            } else {
                source.into()
            };
            failed(
                Box::new(Self {
                    driver,
                    root,
                    addition,
                    layers,
                    wanted_mode,
                    rules,
                    area,
                }),
                source,
            )
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An existing layer that is one directory tree, into which a diff is unpacked.
#[derive(Debug)]
pub struct DirTarget {
    root: Dir,
    rules: CopyRules,
}

impl DirTarget {
    /// Unpacks into `root`.
    #[must_use]
    pub fn new(root: Dir, rules: CopyRules) -> Self {
        Self { root, rules }
    }
}

impl LayerTarget for DirTarget {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.rules.unpack_options()
    }
}
