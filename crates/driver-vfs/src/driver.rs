//! The driver itself.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_driver::{
    Capabilities, CopyRules, DirTarget, Driver, DriverConfig, DriverFactory, LayerDirs, LayerError,
    LayerTarget, Maintenance, MountOptions, OpenError, Stacking, StageRequest, StagedLayer,
    SyncMode, Trash,
};
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::homes::{Homes, NAME};
use crate::options::VfsOptions;

/// Registers the vfs driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct VfsFactory;

impl DriverFactory for VfsFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError> {
        Ok(Arc::new(VfsDriver::open(config)?))
    }
}

/// Keeps each layer as a full directory tree.
#[derive(Debug)]
pub struct VfsDriver {
    homes: Homes,
    rules: CopyRules,
    sync: Option<SyncMode>,
}

impl VfsDriver {
    /// Opens the driver at `root/vfs`, making the directory if it may.
    ///
    /// # Errors
    ///
    /// A wrong option, or a failed system call.
    pub fn open(config: &DriverConfig) -> Result<Self, OpenError> {
        let VfsOptions {
            additional,
            chown_errors,
            sync,
        } = VfsOptions::parse(&config.options)?;
        let rules = CopyRules::new(config.privilege).with_chown_errors(chown_errors);
        Ok(Self {
            homes: Homes::open(config, additional)?,
            rules,
            sync,
        })
    }
}

impl Driver for VfsDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Stacking::Copies)
    }

    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        let home = self.homes.for_new(request.access);
        let staged = home.stage(request, self.rules, |id| {
            self.homes.require(id)?.home.open_layer(id)
        })?;
        Ok(Box::new(staged))
    }

    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        match self.homes.require_writable(id) {
            Err(LayerError::Unknown { .. }) => Ok(()),
            home => home?.remove(id, trash),
        }
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        Ok(self.homes.find(id)?.is_some())
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        let mut ids = Vec::new();
        for home in self.homes.written() {
            ids.extend(home.list()?);
        }
        ids.sort_unstable();
        Ok(Some(ids))
    }

    fn diff_dir(&self, id: &LayerId) -> Result<Option<Dir>, LayerError> {
        Ok(Some(self.homes.require(id)?.home.open_layer(id)?))
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        options.refuse_options(NAME)?;
        let home = self.homes.require(id)?.home;
        // Opened only to check that it is a directory.
        drop(home.open_layer(id)?);
        Ok(home.layer_path(id))
    }

    fn apply_target(&self, id: &LayerId, _label: &str) -> Result<Box<dyn LayerTarget>, LayerError> {
        let root = self.homes.require_writable(id)?.open_layer(id)?;
        Ok(Box::new(DirTarget::new(root, self.rules)))
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn temp_roots(&self) -> Vec<PathBuf> {
        let homes = self.homes.written();
        homes.map(|home| home.temp_root().to_owned()).collect()
    }

    fn additional_stores(&self) -> Vec<PathBuf> {
        self.homes.additional().to_vec()
    }

    fn sync_mode(&self) -> Option<SyncMode> {
        self.sync
    }

    fn sync_places(&self, _replaced: &[&LayerId]) -> Result<(), LayerError> {
        self.homes.written().try_for_each(LayerDirs::sync_places)
    }
}

impl Maintenance for VfsDriver {
    fn quarantine(&self, id: &LayerId) -> Result<PathBuf, LayerError> {
        self.homes.require_writable(id)?.quarantine(id)
    }

    fn put_back(&self, area: &Dir, name: &OsStr, id: &LayerId) -> Result<bool, LayerError> {
        if self.homes.find(id)?.is_some() {
            return Ok(false);
        }
        for home in self.homes.written() {
            if home.put_back(area, name, id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
