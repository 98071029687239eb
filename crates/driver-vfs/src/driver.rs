//! The driver itself.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_driver::{
    Capabilities, CopyRules, DirContents, Driver, DriverConfig, DriverFactory, LayerContents,
    LayerError, LayerTarget, Maintenance, MountOptions, OpenError, RemapRequest, Stacking,
    StageRequest, StagedLayer, SyncMode, Trash, Usage, quarantine,
};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, RenameHow, remove_tree, tree_usage, under_lock_on_purpose};

use crate::homes::{Home, Homes, NAME};
use crate::options::VfsOptions;
use crate::staged::{VfsStaged, VfsTarget, remap_layer};

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
        Ok(Box::new(VfsStaged::new(request, &self.homes, self.rules)?))
    }

    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        let home = match self.homes.require_writable(id) {
            Err(LayerError::Unknown { .. }) => return Ok(()),
            other => other?,
        };
        let layers = home.writable()?;
        let moved = match trash.area(&home.temp_root()) {
            Ok(area) => area.stage_deletion(layers, id.as_str()).is_ok(),
            Err(_) => false,
        };
        if !moved {
            // There is no room for the area, or no rename leads to it. Erasing under the lock is
            // slower, but a full disk must stay emptiable.
            under_lock_on_purpose("a full disk must stay emptiable", || {
                remove_tree(layers, id.as_str())
            })?;
        }
        Ok(())
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        Ok(self.homes.find(id)?.is_some())
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        let mut ids = Vec::new();
        for layers in self.homes.written().filter_map(|home| home.layers()) {
            for entry in layers.entries()? {
                let entry = entry?;
                if entry.file_type == FileType::Dir {
                    // Names that no layer can have belong to other programs.
                    ids.extend(entry.name.to_str().and_then(|name| name.parse().ok()));
                }
            }
        }
        ids.sort_unstable();
        Ok(Some(ids))
    }

    fn metadata(&self, _id: &LayerId) -> Result<Vec<(String, String)>, LayerError> {
        Ok(Vec::new())
    }

    fn status(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn usage(&self, id: &LayerId) -> Result<Usage, LayerError> {
        let usage = tree_usage(&self.homes.require(id)?.home.open_layer(id)?)?;
        Ok(Usage {
            bytes: usage.bytes,
            inodes: usage.inodes,
        })
    }

    fn diff_dir(&self, id: &LayerId) -> Result<Option<Dir>, LayerError> {
        Ok(Some(self.homes.require(id)?.home.open_layer(id)?))
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        if let Some(option) = options.options.iter().find(|option| *option != "ro") {
            return Err(LayerError::MountOptions {
                driver: NAME,
                option: option.clone(),
            });
        }
        let home = self.homes.require(id)?.home;
        // Opened only to check that it is a directory.
        drop(home.open_layer(id)?);
        Ok(home.layer_path(id))
    }

    fn unmount(&self, _id: &LayerId) -> Result<(), LayerError> {
        Ok(())
    }

    fn apply_target(&self, id: &LayerId, _label: &str) -> Result<Box<dyn LayerTarget>, LayerError> {
        let root = self.homes.require_writable(id)?.open_layer(id)?;
        Ok(Box::new(VfsTarget {
            root,
            rules: self.rules,
        }))
    }

    fn contents(&self, id: &LayerId) -> Result<Box<dyn LayerContents>, LayerError> {
        let root = self.homes.require(id)?.home.open_layer(id)?;
        Ok(Box::new(DirContents::new(root)))
    }

    fn update_id_map(&self, id: &LayerId, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        let root = self.homes.require_writable(id)?.open_layer(id)?;
        remap_layer(&root, request, self.rules)
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn temp_roots(&self) -> Vec<PathBuf> {
        self.homes.written().map(|home| home.temp_root()).collect()
    }

    fn additional_stores(&self) -> Vec<PathBuf> {
        self.homes.additional().to_vec()
    }

    fn sync_mode(&self) -> Option<SyncMode> {
        self.sync
    }

    fn sync(&self) -> Result<(), LayerError> {
        let mut synced = Vec::new();
        for layers in self.homes.written().filter_map(|home| home.layers()) {
            let filesystem = layers.stat_self()?.dev;
            if !synced.contains(&filesystem) {
                layers.sync_filesystem()?;
                synced.push(filesystem);
            }
        }
        Ok(())
    }

    fn sync_places(&self, _replaced: &[&LayerId]) -> Result<(), LayerError> {
        let mut layers = self.homes.written().filter_map(|home| home.layers());
        Ok(layers.try_for_each(Dir::sync)?)
    }

    fn cleanup(&self) -> Result<(), LayerError> {
        Ok(())
    }
}

impl Maintenance for VfsDriver {
    fn quarantine(&self, id: &LayerId) -> Result<PathBuf, LayerError> {
        let home = self.homes.require_writable(id)?;
        quarantine(&home.temp_root(), home.writable()?, id.as_str())
    }

    fn put_back(&self, area: &Dir, name: &OsStr, id: &LayerId) -> Result<bool, LayerError> {
        let is_of = |home: &&Home| area.path().parent() == Some(&home.temp_root());
        let Some(home) = self.homes.written().find(is_of) else {
            return Ok(false);
        };
        let is_dir = area.stat(name)?.is_some_and(|stat| stat.is_dir());
        if !is_dir || self.homes.find(id)?.is_some() {
            return Ok(false);
        }
        let layers = home.writable()?;
        area.rename(name, layers, id.as_str(), RenameHow::NoReplace)?;
        layers.sync()?;
        Ok(true)
    }
}
