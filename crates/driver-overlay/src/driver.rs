//! The driver: the methods of its traits, each delegating to the module that does the work.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_archive::{Change, OverlayForm};
use layerhold_driver::{
    AdditionalLayer, Capabilities, DiffRequest, Driver, DriverDamage, FsMount, LayerContents,
    LayerError, LayerTarget, LayerView, Maintenance, MountCounter, MountOptions, OwnFiles, OwnTree,
    RemapRequest, Stacking, StageRequest, StagedLayer, StagedTree, SyncMode, Trash, TreeRequest,
    TreeRoot, Usage, fallback,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::{LayerId, TocDigest};
use layerhold_sys::Dir;

use crate::context::Context;
use crate::diff::NativeDiff;
use crate::disk::{Home, NAME, abandoned, recover, sync_directories, sync_filesystems};
use crate::facts::{metadata, status, usage};
use crate::layers::{
    OverlayContents, find_in_stores, known_parents, knows_any_parent, noted_external, stands_on,
};
use crate::mount::{MAX_DEPTH, Shift, ignored_options, mount_counted, unmount_counted, view};
use crate::removal::remove;
use crate::repair::{damage, home_damage, put_back, quarantine_layer, repair, repair_home};
use crate::shutdown::shut_down;
use crate::stage::{OverlayAdditional, OverlayStaged, OverlayTarget, OverlayTree, remap_committed};

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
        let replaced = tree.replace_contents_of(id, parent, root);
        // The tree now holds the old files, or the new ones if the exchange failed. Nothing is
        // erased under the caller's lock.
        trash.defer(move || Box::new(tree).erase());
        replaced
    }

    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        remove(&self.context, id, trash)
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        Ok(self.context.homes.hold(id)?)
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        Ok(Some(self.context.homes.ids()?))
    }

    fn metadata(&self, id: &LayerId) -> Result<Vec<(String, String)>, LayerError> {
        metadata(&self.context, id)
    }

    fn status(&self) -> Vec<(String, String)> {
        status(&self.context)
    }

    fn usage(&self, id: &LayerId) -> Result<Usage, LayerError> {
        usage(&self.context, id)
    }

    fn ignored_mount_options(&self, options: &MountOptions) -> Vec<String> {
        ignored_options(&self.context, options)
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        let layer = self.context.homes.require(id)?;
        mount_counted(&self.context, &self.counter, &layer, options)
    }

    fn unmount(&self, id: &LayerId) -> Result<(), LayerError> {
        let layer = self.context.homes.require(id)?;
        unmount_counted(&self.context, &self.counter, &layer)
    }

    fn view(&self, id: &LayerId, mount_label: &str) -> Result<LayerView<'_>, LayerError> {
        let layer = self.context.homes.require(id)?;
        view(&self.context, &layer, mount_label, None)
    }

    fn own_tree(
        &self,
        id: &LayerId,
        parent: Option<&LayerId>,
    ) -> Result<Option<OwnTree>, LayerError> {
        let homes = &self.context.homes;
        let layer = homes.require(id)?;
        if self.context.mount_program.is_some() || !stands_on(homes, &layer, parent)? {
            return Ok(None);
        }
        let form = OverlayForm::Kernel(self.context.namespace());
        let own = layer.dir().only_diff()?;
        Ok(own.map(|root| OwnTree::new(root, form)))
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
        Ok(Box::new(OverlayTarget::open(&self.context, id)?))
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
        match NativeDiff::changes(&self.context, request)? {
            Some(changes) => Ok(changes),
            None => fallback::changes(self, request),
        }
    }

    fn diff_size(&self, request: &DiffRequest<'_>) -> Result<u64, LayerError> {
        match NativeDiff::size(&self.context, request)? {
            Some(size) => Ok(size),
            None => fallback::diff_size(self, request),
        }
    }

    fn diff(&self, request: &DiffRequest<'_>, out: &mut dyn Write) -> Result<(), LayerError> {
        match NativeDiff::to_pack(&self.context, request)? {
            Some(native) => native.pack(request, out),
            None => fallback::diff(self, request, out),
        }
    }

    fn update_id_map(&self, id: &LayerId, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        remap_committed(&self.context, id, request)
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
        Ok(sync_filesystems(&self.context.homes)?)
    }

    fn sync_places(&self, replaced: &[&LayerId]) -> Result<(), LayerError> {
        sync_directories(&self.context.homes)?;
        for id in replaced {
            self.context.homes.require(id)?.handle().sync()?;
        }
        Ok(())
    }

    fn cleanup(&self) -> Result<(), LayerError> {
        shut_down(&self.context.homes)
    }
}

impl Maintenance for OverlayDriver {
    fn parents(&self, id: &LayerId) -> Result<Option<Vec<LayerId>>, LayerError> {
        known_parents(&self.context.homes, id)
    }

    fn knows_any_parent(&self, id: &LayerId) -> Result<Option<bool>, LayerError> {
        knows_any_parent(&self.context.homes, id)
    }

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
}
