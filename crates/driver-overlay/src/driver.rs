//! The driver itself.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_archive::Change;
use layerhold_driver::{
    AdditionalLayer, Capabilities, DiffRequest, Driver, DriverDamage, FsMount, LayerContents,
    LayerError, LayerTarget, LayerView, Maintenance, MountCounter, MountOptions, OwnFiles,
    RemapRequest, Stacking, StageRequest, StagedLayer, StagedTree, SyncMode, Trash, TreeRequest,
    TreeRoot, Usage, UserAdded, fallback,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::{LayerId, TocDigest};
use layerhold_sys::mount::{Detach, is_mount_point, unmount};
use layerhold_sys::{Dir, canonical_ambient, mount_at, mount_of, tree_usage};

use crate::context::Context;
use crate::diff::NativeDiff;
use crate::disk::{DIFF, Home, NAME, Pulls, WORK, abandoned, prune, recover};
use crate::layers::{
    Layer, OverlayContents, Parent, find_in_stores, known_parents, knows_any_parent, lower_of,
    noted_external, parents_of, resolve_each,
};
use crate::mount::{
    MAX_DEPTH, Shift, ignored_options, is_mount_suitable, make_mount_point, mount, mount_point,
    unmount_layer, view,
};
use crate::removal::remove;
use crate::repair::{damage, home_damage, put_back, quarantine_layer, repair, repair_home};
use crate::stage::{OverlayAdditional, OverlayStaged, OverlayTarget, OverlayTree, Remap, remap};

/// The overlay driver.
#[derive(Debug)]
pub struct OverlayDriver {
    pub(crate) context: Arc<Context>,
    pub(crate) counter: MountCounter<FsMount>,
}

impl Driver for OverlayDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Stacking::References)
            .with_max_depth(MAX_DEPTH)
            .with_native_diff(self.context.has_native_diff())
            .with_quotas(self.context.quota.is_some())
    }

    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        Ok(Box::new(OverlayStaged::new(&self.context, request)?))
    }

    fn stage_tree(&self, request: &TreeRequest<'_>) -> Result<Box<dyn StagedTree>, LayerError> {
        Ok(Box::new(OverlayTree::new(&self.context, request)?))
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
        // The tree now holds the old files, or the new ones if the exchange failed. Nothing is
        // erased under the caller's lock.
        trash.defer(move || Box::new(tree).erase());
        replaced
    }

    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        remove(&self.context, id, trash)
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        for home in self.context.homes.all() {
            if home.holds(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        let mut ids = Vec::new();
        for home in self.context.homes.main() {
            ids.extend(home.ids()?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    fn metadata(&self, id: &LayerId) -> Result<Vec<(String, String)>, LayerError> {
        let layer = self.context.homes.require(id)?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let links = lower_of(&self.context.homes, &layer)?;
        let lowers = resolve_each(&self.context.homes, &layer, &links, |layer, _| {
            Ok(text(layer.path().join(DIFF)))
        })?;
        let mut facts = Vec::with_capacity(4);
        if !lowers.is_empty() {
            facts.push(("LowerDir".to_owned(), lowers.join(":")));
        }
        for (key, path) in [
            ("MergedDir", mount_point(&self.context, &layer)),
            ("UpperDir", layer.path().join(DIFF)),
            ("WorkDir", layer.path().join(WORK)),
        ] {
            facts.push((key.to_owned(), text(path)));
        }
        Ok(facts)
    }

    fn status(&self) -> Vec<(String, String)> {
        let context = &self.context;
        let row = |key: &str, value: bool| (key.to_owned(), value.to_string());
        let backing = context.backing.name().unwrap_or("<unknown>");
        vec![
            ("Backing Filesystem".to_owned(), backing.to_owned()),
            row("Supports d_type", true),
            row("Native Overlay Diff", context.has_native_diff()),
            row("Using metacopy", context.uses_metacopy()),
            row(
                "Supports shifting",
                context.can_shift(&IdMappings::IDENTITY),
            ),
            row("Supports volatile", context.has_volatile()),
        ]
    }

    fn usage(&self, id: &LayerId) -> Result<Usage, LayerError> {
        let layer = self.context.homes.require(id)?;
        if layer.dir().is_external()? {
            // It takes no space in the home.
            return Ok(Usage::default());
        }
        let usage = tree_usage(&layer.dir().open_diff()?)?;
        Ok(Usage {
            bytes: usage.bytes,
            inodes: usage.inodes,
        })
    }

    fn ignored_mount_options(&self, options: &MountOptions) -> Vec<String> {
        ignored_options(&self.context, options)
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        let layer = self.context.homes.require(id)?;
        let target = make_mount_point(&self.context, &layer, options)?;
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
            .and_then(|()| mount(&self.context, &layer, &target, options));
        if outcome.is_err() {
            self.counter.decrement(&target);
        }
        outcome.map(|()| target)
    }

    fn unmount(&self, id: &LayerId) -> Result<(), LayerError> {
        let layer = self.context.homes.require(id)?;
        if self.counter.decrement(&mount_point(&self.context, &layer)) > 0 {
            return Ok(());
        }
        unmount_layer(&self.context, &layer)
    }

    fn view(&self, id: &LayerId, mount_label: &str) -> Result<LayerView<'_>, LayerError> {
        let layer = self.context.homes.require(id)?;
        view(&self.context, &layer, mount_label, None)
    }

    fn view_shifted(
        &self,
        id: &LayerId,
        mount_label: &str,
        maps: &IdMappings,
        own_files: OwnFiles,
    ) -> Result<LayerView<'_>, LayerError> {
        if !self.context.can_shift(maps) {
            return Err(LayerError::NotSupported {
                driver: NAME,
                operation: "show owners shifted here",
            });
        }
        let layer = self.context.homes.require(id)?;
        let shift = Shift { maps, own_files };
        view(&self.context, &layer, mount_label, Some(shift))
    }

    fn apply_target(&self, id: &LayerId, _label: &str) -> Result<Box<dyn LayerTarget>, LayerError> {
        let layer = self.context.homes.require_writable(id)?;
        layer.dir().refuse_external()?;
        Ok(Box::new(OverlayTarget {
            root: layer.dir().open_diff()?,
            context: Arc::clone(&self.context),
            layer,
        }))
    }

    fn contents(&self, id: &LayerId) -> Result<Box<dyn LayerContents>, LayerError> {
        let layer = self.context.homes.require(id)?;
        Ok(Box::new(OverlayContents::of(&self.context, layer)?))
    }

    fn diff_dir(&self, id: &LayerId) -> Result<Option<Dir>, LayerError> {
        let layer = self.context.homes.require(id)?;
        Ok(match layer.dir().is_external()? {
            true => None,
            false => Some(layer.dir().open_diff()?),
        })
    }

    fn changes(&self, request: &DiffRequest<'_>) -> Result<Vec<Change>, LayerError> {
        match NativeDiff::read(&self.context, request)? {
            Some(native) => Ok(native.into_changes()),
            None => fallback::changes(self, request),
        }
    }

    fn diff_size(&self, request: &DiffRequest<'_>) -> Result<u64, LayerError> {
        match NativeDiff::read(&self.context, request)? {
            Some(native) => native.size(),
            None => fallback::diff_size(self, request),
        }
    }

    fn diff(&self, request: &DiffRequest<'_>, out: &mut dyn Write) -> Result<(), LayerError> {
        match NativeDiff::read(&self.context, request)? {
            Some(native) => native.pack(request, out),
            None => fallback::diff(self, request, out),
        }
    }

    fn update_id_map(&self, id: &LayerId, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        let layer = self.context.homes.require_writable(id)?;
        let parents = parents_of(&self.context.homes, &layer)?;
        let parents: Vec<_> = parents.into_iter().map(Layer::into_dir).collect();
        remap(&Remap {
            context: &self.context,
            layer: layer.dir(),
            parents: &parents,
            request,
        })
    }

    fn supports_shifting(&self, maps: &IdMappings) -> bool {
        self.context.can_shift(maps)
    }

    fn writes_ids_outside(&self) -> bool {
        self.context.mount_program.is_none()
    }

    fn additional_layer(
        &self,
        toc: &TocDigest,
        image: &str,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        let found = find_in_stores(&self.context.options.layer_stores, toc, image);
        Ok(found.map(|path| self.additional(path)))
    }

    fn additional_layer_of(
        &self,
        id: &LayerId,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        let noted = noted_external(self.context.homes.require(id)?.handle())?;
        Ok(noted.map(|path| self.additional(path)))
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn temp_roots(&self) -> Vec<PathBuf> {
        let homes = self.context.homes.main();
        homes.map(Home::temp_root).collect()
    }

    fn additional_stores(&self) -> Vec<PathBuf> {
        self.context.homes.additional().to_vec()
    }

    fn sync_mode(&self) -> Option<SyncMode> {
        self.context.options.sync
    }

    fn sync(&self) -> Result<(), LayerError> {
        let mut synced = Vec::new();
        for home in self.context.homes.main() {
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
        for home in self.context.homes.main() {
            let Some(dir) = home.open()?.filter(|_| home.is_written()) else {
                continue;
            };
            dir.sync()?;
            if let Some(links) = home.open_links()? {
                links.sync()?;
            }
        }
        for id in replaced {
            self.context.homes.require(id)?.handle().sync()?;
        }
        Ok(())
    }

    fn cleanup(&self) -> Result<(), LayerError> {
        let own = self.context.homes.own();
        if !own.is_written() {
            return Ok(());
        }
        let mut pulls = Pulls::None;
        for home in self.context.homes.main() {
            if prune(home)? == Pulls::InProgress {
                pulls = Pulls::InProgress;
            }
        }
        // A mount of the home on itself is this driver's. A disk that is mounted here is not.
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
        damage(&self.context, id, parent)
    }

    fn repair(&self, id: &LayerId, parent: Option<&LayerId>) -> Result<(), LayerError> {
        repair(&self.context, id, parent)
    }

    fn home_damage(&self) -> Result<Vec<DriverDamage>, LayerError> {
        home_damage(&self.context)
    }

    fn parents(&self, id: &LayerId) -> Result<Option<Vec<LayerId>>, LayerError> {
        known_parents(&self.context.homes, id)
    }

    fn knows_any_parent(&self, id: &LayerId) -> Result<Option<bool>, LayerError> {
        knows_any_parent(&self.context.homes, id)
    }

    fn repair_home(&self, found: &DriverDamage) -> Result<(), LayerError> {
        repair_home(&self.context, found)
    }

    fn quarantine(&self, id: &LayerId) -> Result<PathBuf, LayerError> {
        quarantine_layer(&self.context, id)
    }

    fn put_back(&self, area: &Dir, name: &OsStr, id: &LayerId) -> Result<bool, LayerError> {
        put_back(&self.context, area, name, id)
    }

    fn recover(&self) -> Result<(), LayerError> {
        let written = self.context.homes.main().filter(|home| home.is_written());
        written.map(recover).try_for_each(|done| Ok(done?))
    }

    fn abandoned(&self) -> Result<Vec<PathBuf>, LayerError> {
        let mut found = Vec::new();
        for home in self.context.homes.main().filter(|home| home.is_written()) {
            found.extend(abandoned(home)?);
        }
        Ok(found)
    }
}

impl OverlayDriver {
    fn additional(&self, path: PathBuf) -> Box<dyn AdditionalLayer> {
        Box::new(OverlayAdditional::new(&self.context, path))
    }

    fn replace_by(
        &self,
        id: &LayerId,
        parent: Option<&LayerId>,
        tree: &OverlayTree,
        root: TreeRoot,
    ) -> Result<(), LayerError> {
        let layer = self.context.homes.require_writable(id)?;
        let parent = match parent {
            Some(parent) => Parent::Committed(self.context.homes.require(parent)?),
            None => Parent::None,
        };
        tree.set_root_attributes(root, &parent)?;
        tree.exchange(layer.dir())
    }
}

/// Whether the mount at the home shows the very directory that it hides, as the one made at opening
/// does. A disk, or another directory of the same disk, was mounted by another program.
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
