//! The driver itself.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_archive::Change;
use layerhold_driver::{
    AdditionalLayer, Capabilities, DiffRequest, Driver, DriverDamage, FsMount, LayerContents,
    LayerError, LayerRef, LayerTarget, LayerView, Maintenance, MountCounter, MountOptions,
    OwnFiles, RemapRequest, Stacking, StageRequest, StagedLayer, StagedTree, SyncMode, Trash,
    TreeRequest, TreeRoot, Usage, UserAdded, fallback,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::{LayerId, TocDigest};
use layerhold_sys::mount::{Detach, is_mount_point, unmount};
use layerhold_sys::{Dir, canonical_ambient, mount_at, mount_of, tree_usage};

use crate::NAME;
use crate::additional::{OverlayAdditional, find, noted_path, refuse_external};
use crate::chain::{below, known_parents, knows_any_parent, lower_of, resolve_each};
use crate::contents::OverlayContents;
use crate::core::Core;
use crate::damage;
use crate::diff::NativeDiff;
use crate::mount_options;
use crate::mounting::{
    MAX_DEPTH, Shift, is_mount_suitable, make_mount_point, mount, mount_point, view,
};
use crate::names::{DIFF, WORK};
use crate::remap::{Remap, remap};
use crate::removal::{put_back, quarantine_layer, remove};
use crate::stack::{Below, Contents};
use crate::staged::{OverlayStaged, OverlayTarget};
use crate::staging_dirs::{Pulls, abandoned, prune, recover};
use crate::tree::OverlayTree;
use crate::unmounting::unmount_layer;

/// Keeps each layer as what it changes.
#[derive(Debug)]
pub struct OverlayDriver {
    pub(crate) core: Arc<Core>,
    pub(crate) counter: MountCounter<FsMount>,
}

impl Driver for OverlayDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Stacking::References)
            .with_max_depth(MAX_DEPTH)
            .with_native_diff(self.core.has_native_diff())
            .with_quotas(self.core.quota.is_some())
    }

    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        Ok(Box::new(OverlayStaged::new(&self.core, request)?))
    }

    fn stage_tree(&self, request: &TreeRequest<'_>) -> Result<Box<dyn StagedTree>, LayerError> {
        Ok(Box::new(OverlayTree::new(&self.core, request)?))
    }

    fn replace_tree(
        &self,
        id: &LayerId,
        parent: Option<&LayerId>,
        tree: Box<dyn StagedTree>,
        root: TreeRoot,
        trash: &mut Trash,
    ) -> Result<(), LayerError> {
        let tree = OverlayTree::from(tree)?;
        let replaced = self.replace_by(id, parent, &tree, root);
        // Holds the old files, or if that failed the new ones: nothing is erased under the caller's
        // lock.
        trash.defer(move || Box::new(tree).erase());
        replaced
    }

    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        remove(&self.core, id, trash)
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        for home in self.core.homes.all() {
            if home.holds(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        let mut ids = Vec::new();
        for home in self.core.homes.main() {
            ids.extend(home.ids()?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    fn metadata(&self, id: &LayerId) -> Result<Vec<(String, String)>, LayerError> {
        let layer = self.core.homes.require(id)?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let links = lower_of(&self.core.homes, &layer)?;
        let lowers = resolve_each(&self.core.homes, &layer, &links, |layer, _| {
            Ok(text(layer.path().join(DIFF)))
        })?;
        let mut facts = Vec::with_capacity(4);
        if !lowers.is_empty() {
            facts.push(("LowerDir".to_owned(), lowers.join(":")));
        }
        for (key, path) in [
            ("MergedDir", mount_point(&self.core, &layer)),
            ("UpperDir", layer.path().join(DIFF)),
            ("WorkDir", layer.path().join(WORK)),
        ] {
            facts.push((key.to_owned(), text(path)));
        }
        Ok(facts)
    }

    fn status(&self) -> Vec<(String, String)> {
        let core = &self.core;
        let row = |key: &str, value: bool| (key.to_owned(), value.to_string());
        let backing = core.backing.name().unwrap_or("<unknown>");
        vec![
            ("Backing Filesystem".to_owned(), backing.to_owned()),
            row("Supports d_type", true),
            row("Native Overlay Diff", core.has_native_diff()),
            row("Using metacopy", core.uses_metacopy()),
            row("Supports shifting", core.can_shift(&IdMappings::IDENTITY)),
            row("Supports volatile", core.has_volatile()),
        ]
    }

    fn usage(&self, id: &LayerId) -> Result<Usage, LayerError> {
        let layer = self.core.homes.require(id)?;
        if layer.is_external()? {
            // It takes nothing here.
            return Ok(Usage::default());
        }
        let usage = tree_usage(&layer.open_diff()?)?;
        Ok(Usage {
            bytes: usage.bytes,
            inodes: usage.inodes,
        })
    }

    fn ignored_mount_options(&self, options: &MountOptions) -> Vec<String> {
        mount_options::ignored(&self.core, options)
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        let layer = self.core.homes.require(id)?;
        let target = make_mount_point(&self.core, &layer, options)?;
        let is_mounted = match self.counter.increment(&target) {
            UserAdded::Joined => true,
            UserAdded::First => false,
            UserAdded::TookOver => is_mount_suitable(&target, options)?,
        };
        if is_mounted {
            return Ok(target);
        }
        let outcome = unmount(&target, Detach::Lazy)
            .map_err(LayerError::from)
            .and_then(|()| mount(&self.core, &layer, &target, options));
        if outcome.is_err() {
            self.counter.decrement(&target);
        }
        outcome.map(|()| target)
    }

    fn unmount(&self, id: &LayerId) -> Result<(), LayerError> {
        let layer = self.core.homes.require(id)?;
        if self.counter.decrement(&mount_point(&self.core, &layer)) > 0 {
            return Ok(());
        }
        unmount_layer(&self.core, &layer)
    }

    fn view(&self, id: &LayerId, mount_label: &str) -> Result<LayerView<'_>, LayerError> {
        let layer = self.core.homes.require(id)?;
        view(&self.core, &layer, mount_label, None)
    }

    fn view_shifted(
        &self,
        id: &LayerId,
        mount_label: &str,
        maps: &IdMappings,
        own_files: OwnFiles,
    ) -> Result<LayerView<'_>, LayerError> {
        if !self.core.can_shift(maps) {
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation: "show owners shifted here",
            });
        }
        let layer = self.core.homes.require(id)?;
        let shift = Shift { maps, own_files };
        view(&self.core, &layer, mount_label, Some(shift))
    }

    fn apply_target(&self, id: &LayerId, _label: &str) -> Result<Box<dyn LayerTarget>, LayerError> {
        let layer = self.core.homes.require_writable(id)?;
        refuse_external(layer.dir())?;
        Ok(Box::new(OverlayTarget {
            root: layer.open_diff()?,
            core: Arc::clone(&self.core),
            layer,
        }))
    }

    fn contents(&self, id: &LayerId) -> Result<Box<dyn LayerContents>, LayerError> {
        let layer = self.core.homes.require(id)?;
        Ok(Box::new(OverlayContents::of(&self.core, layer)?))
    }

    fn diff_dir(&self, id: &LayerId) -> Result<Option<Dir>, LayerError> {
        let layer = self.core.homes.require(id)?;
        Ok(match layer.is_external()? {
            true => None,
            false => Some(layer.open_diff()?),
        })
    }

    fn changes(&self, request: &DiffRequest<'_>) -> Result<Vec<Change>, LayerError> {
        match NativeDiff::read(&self.core, request)? {
            Some(native) => Ok(native.into_changes()),
            None => fallback::changes(self, request),
        }
    }

    fn diff_size(&self, request: &DiffRequest<'_>) -> Result<u64, LayerError> {
        match NativeDiff::read(&self.core, request)? {
            Some(native) => native.size(),
            None => fallback::diff_size(self, request),
        }
    }

    fn diff(&self, request: &DiffRequest<'_>, out: &mut dyn Write) -> Result<(), LayerError> {
        match NativeDiff::read(&self.core, request)? {
            Some(native) => native.pack(request, out),
            None => fallback::diff(self, request, out),
        }
    }

    fn update_id_map(&self, id: &LayerId, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        let layer = self.core.homes.require_writable(id)?;
        let below: Vec<_> = below(&self.core.homes, &layer)?
            .iter()
            .map(Contents::of)
            .collect();
        remap(&Remap {
            core: &self.core,
            layer: &Contents::of(&layer),
            below: &below,
            place: &layer.path(),
            request,
        })
    }

    fn supports_shifting(&self, maps: &IdMappings) -> bool {
        self.core.can_shift(maps)
    }

    fn writes_ids_outside(&self) -> bool {
        self.core.mount_program.is_none()
    }

    fn additional_layer(
        &self,
        toc: &TocDigest,
        image: &str,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        let found = find(&self.core.options.layer_stores, toc, image);
        Ok(found.map(|path| self.additional(path)))
    }

    fn additional_layer_of(
        &self,
        id: &LayerId,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        let noted = noted_path(self.core.homes.require(id)?.dir())?;
        Ok(noted.map(|path| self.additional(path)))
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn temp_roots(&self) -> Vec<PathBuf> {
        let homes = self.core.homes.main();
        homes.map(crate::homes::Home::temp_root).collect()
    }

    fn additional_stores(&self) -> Vec<PathBuf> {
        self.core.homes.additional().to_vec()
    }

    fn sync_mode(&self) -> Option<SyncMode> {
        self.core.options.sync
    }

    fn sync(&self) -> Result<(), LayerError> {
        let mut synced = Vec::new();
        for home in self.core.homes.main() {
            let Some(dir) = home.open()? else { continue };
            let filesystem = dir.stat_self()?.dev;
            if !synced.contains(&filesystem) {
                dir.sync_filesystem()?;
                synced.push(filesystem);
            }
        }
        Ok(())
    }

    fn sync_places(&self, replaced: &[&LayerId]) -> Result<(), LayerError> {
        for home in self.core.homes.main() {
            let Some(dir) = home.open()?.filter(|_| home.is_written()) else {
                continue;
            };
            dir.sync()?;
            if let Some(links) = home.open_links()? {
                links.sync()?;
            }
        }
        for id in replaced {
            self.core.homes.require(id)?.dir().sync()?;
        }
        Ok(())
    }

    fn cleanup(&self) -> Result<(), LayerError> {
        let own = self.core.homes.own();
        if !own.is_written() {
            return Ok(());
        }
        let mut pulls = Pulls::None;
        for home in self.core.homes.main() {
            if prune(home)? == Pulls::InProgress {
                pulls = Pulls::InProgress;
            }
        }
        // A mount of the home on itself is ours; a disk of its own that somebody mounted here is
        // not.
        if pulls == Pulls::None && is_mount_of_itself(own.path())? {
            unmount(own.path(), Detach::Lazy)?;
        }
        Ok(())
    }
}

impl Maintenance for OverlayDriver {
    fn damage(
        &self,
        id: &LayerId,
        parent: Option<&LayerId>,
    ) -> Result<Vec<DriverDamage>, LayerError> {
        damage::damage(&self.core, id, parent)
    }

    fn repair(&self, id: &LayerId, parent: Option<&LayerId>) -> Result<(), LayerError> {
        damage::repair(&self.core, id, parent)
    }

    fn home_damage(&self) -> Result<Vec<DriverDamage>, LayerError> {
        damage::home_damage(&self.core)
    }

    fn parents(&self, id: &LayerId) -> Result<Option<Vec<LayerId>>, LayerError> {
        known_parents(&self.core.homes, id)
    }

    fn knows_any_parent(&self, id: &LayerId) -> Result<Option<bool>, LayerError> {
        knows_any_parent(&self.core.homes, id)
    }

    fn repair_home(&self, found: &DriverDamage) -> Result<(), LayerError> {
        damage::repair_home(&self.core, found)
    }

    fn quarantine(&self, id: &LayerId) -> Result<PathBuf, LayerError> {
        quarantine_layer(&self.core, id)
    }

    fn put_back(&self, area: &Dir, name: &OsStr, id: &LayerId) -> Result<bool, LayerError> {
        put_back(&self.core, area, name, id)
    }

    fn recover(&self) -> Result<(), LayerError> {
        let written = self.core.homes.main().filter(|home| home.is_written());
        written.map(recover).try_for_each(|done| Ok(done?))
    }

    fn abandoned(&self) -> Result<Vec<PathBuf>, LayerError> {
        let mut found = Vec::new();
        for home in self.core.homes.main().filter(|home| home.is_written()) {
            found.extend(abandoned(home)?);
        }
        Ok(found)
    }
}

impl OverlayDriver {
    fn additional(&self, path: PathBuf) -> Box<dyn AdditionalLayer> {
        Box::new(OverlayAdditional::new(&self.core, path))
    }

    fn replace_by(
        &self,
        id: &LayerId,
        parent: Option<&LayerId>,
        tree: &OverlayTree,
        root: TreeRoot,
    ) -> Result<(), LayerError> {
        let layer = self.core.homes.require_writable(id)?;
        let below = Below::find(parent.map(LayerRef::Committed), &self.core.homes)?;
        tree.set_root_attributes(root, &below)?;
        tree.change_places(layer.dir())
    }
}

/// Whether the mount at the home shows the very directory that it hides, as the one made at opening
/// does. A disk, or another directory of the same disk, is somebody else's.
fn is_mount_of_itself(home: &Path) -> Result<bool, LayerError> {
    let (Some(above), Some(name), true) = (home.parent(), home.file_name(), is_mount_point(home)?)
    else {
        return Ok(false);
    };
    let outer = mount_of(&Dir::open_ambient(above)?)?;
    let (Some(outer), Some(inner)) = (outer, mount_at(home)?) else {
        return Ok(false);
    };
    let above = canonical_ambient(above)?;
    let hidden = above
        .strip_prefix(&outer.mount_point)
        .map(|inside| outer.root.join(inside).join(name));
    Ok(inner.device == outer.device && hidden.is_ok_and(|hidden| hidden == inner.root))
}
