//! Staged layers.

use std::any::Any;

use layerhold_archive::{ChownErrors, UnpackOptions};
use layerhold_driver::{
    COPY_TARGET_MODE, CommitFailed, CopyRules, DirContents, HardLinks, LayerAccess, LayerContents,
    LayerError, LayerRef, LayerTarget, RemapRequest, StageRequest, StagedLayer, copy_tree,
    is_refusal, remap_tree,
};
use layerhold_idmap::{HostOwner, IdMappings};
use layerhold_ids::LayerId;
use layerhold_staging::{CommitError, StagedAddition, TempArea, TempRoot};
use layerhold_sys::{Dir, PathError, Stat};

use crate::homes::{Home, Homes, NAME};

/// The mode of a base layer's root until an archive sets another one (Go: drivers/vfs/driver.go,
/// `defaultPerms`).
const ROOT_MODE: u32 = 0o555;

/// A layer's tree in a temporary area of the home it will stay in.
#[derive(Debug)]
pub(crate) struct VfsStaged {
    root: Dir,
    addition: StagedAddition,
    home: Home,
    /// The mode that the root directory gets at the commit, if it is not the present one.
    wanted_mode: Option<u32>,
    rules: CopyRules,
    /// Held for its drop, which erases a layer that was not committed.
    area: TempArea,
}

impl VfsStaged {
    /// Makes the tree: a copy of the template or parent, or an empty directory.
    pub(crate) fn new(
        request: &StageRequest<'_>,
        homes: &Homes,
        rules: CopyRules,
    ) -> Result<Self, LayerError> {
        if !request.storage_options.is_empty() {
            return Err(LayerError::StorageOptions { driver: NAME });
        }
        let source = request
            .source()
            .map(|source| open_source(source, homes))
            .transpose()?;
        let home = homes.for_new(request.access);
        home.writable()?;
        let area = TempRoot::new(home.temp_root())
            .begin()
            .map_err(LayerError::TempArea)?;
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
            root,
            addition,
            home: home.clone(),
            wanted_mode,
            rules,
            area,
        })
    }
}

impl VfsStaged {
    /// Gives the root directory its final mode, unless an archive has set one. Returns the
    /// directory of layers.
    fn finished(&self) -> Result<Dir, LayerError> {
        let layers = self.home.writable()?.clone();
        if let Some(mode) = self.wanted_mode
            && self.root.stat_self()?.permissions() == FILLABLE
        {
            self.root.set_own_mode(mode)?;
        }
        Ok(layers)
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

/// Opens the tree of a parent or template.
fn open_source(layer: LayerRef<'_>, homes: &Homes) -> Result<Dir, LayerError> {
    match layer {
        LayerRef::Committed(id) => homes.require(id)?.home.open_layer(id),
        LayerRef::Staged(staged) => match staged.as_any().downcast_ref::<VfsStaged>() {
            Some(staged) => Ok(staged.root.clone()),
            None => Err(LayerError::ForeignStaged { driver: NAME }),
        },
    }
}

fn make_base(root: &Dir, maps: &IdMappings, rules: CopyRules) -> Result<(), LayerError> {
    set_root_owner(root, maps.root_pair().map_err(LayerError::RootPair)?, rules)?;
    Ok(root.set_own_mode(ROOT_MODE)?)
}

/// Sets the owner of a layer's root directory, if it differs: an ordinary user may not set an owner
/// at all, not even the present one.
fn set_root_owner(root: &Dir, owner: HostOwner, rules: CopyRules) -> Result<(), LayerError> {
    let (uid, gid) = (owner.uid.get(), owner.gid.get());
    let stat = root.stat_self()?;
    if (stat.uid, stat.gid) == (uid, gid) {
        return Ok(());
    }
    match root.set_own_owner(Some(uid), Some(gid)) {
        Err(error) if rules.chown_errors == ChownErrors::Ignore && is_refusal(&error) => Ok(()),
        other => other.map_err(|source| LayerError::of_owner(source, uid, gid)),
    }
}

/// Rewrites the owners of a whole layer, its root directory included (Go: drivers/vfs/driver.go,
/// `UpdateLayerIDMap`, which gives the root directory to the mapped superuser whichever owner it
/// has in the image).
pub(crate) fn remap_layer(
    root: &Dir,
    request: &RemapRequest<'_>,
    rules: CopyRules,
) -> Result<(), LayerError> {
    let stat = root.stat_self()?;
    let owner = request.owner_of_root(HostOwner::new(stat.uid, stat.gid))?;
    remap_tree(root, request, HardLinks::OneInode)?;
    set_root_owner(root, owner, rules)
}

impl LayerTarget for VfsStaged {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.rules.unpack_options()
    }
}

impl StagedLayer for VfsStaged {
    fn contents(&self) -> Result<Box<dyn LayerContents>, LayerError> {
        Ok(Box::new(DirContents::new(self.root.clone())))
    }

    fn remap(&mut self, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        remap_layer(&self.root, request, self.rules)
    }

    fn commit(self: Box<Self>, id: &LayerId) -> Result<(), Box<CommitFailed>> {
        let failed = |staged, source| {
            Box::new(CommitFailed {
                id: id.clone(),
                staged,
                source,
            })
        };
        let layers = match self.finished() {
            Ok(layers) => layers,
            Err(source) => return Err(failed(self, source)),
        };
        let Self {
            root,
            addition,
            home,
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
                    root,
                    addition,
                    home,
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

/// An existing layer into which a diff is applied.
#[derive(Debug)]
pub(crate) struct VfsTarget {
    pub(crate) root: Dir,
    pub(crate) rules: CopyRules,
}

impl LayerTarget for VfsTarget {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.rules.unpack_options()
    }
}
