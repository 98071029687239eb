//! A driver whose layers are directories that the test fills.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use layerhold_driver::{
    Capabilities, DirContents, Driver, DriverConfig, DriverFactory, LayerContents, LayerError,
    LayerTarget, Maintenance, MountOptions, OpenError, RemapRequest, Stacking, StageRequest,
    StagedLayer, Trash, Usage,
};
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

/// What opening a [`Fake`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    Fine,
    NotSupported,
    Prerequisites,
    IncompatibleFilesystem,
    Fails,
}

pub(crate) struct FakeFactory(pub(crate) &'static str, pub(crate) Opens);

impl DriverFactory for FakeFactory {
    fn name(&self) -> &'static str {
        self.0
    }

    fn open(&self, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError> {
        let reason = self.0.to_owned();
        match self.1 {
            Opens::Fine => Ok(Arc::new(Fake::new(self.0, config.home(self.0)))),
            Opens::NotSupported => Err(OpenError::NotSupported { reason }),
            Opens::Prerequisites => Err(OpenError::Prerequisites { reason }),
            Opens::IncompatibleFilesystem => Err(OpenError::IncompatibleFilesystem { reason }),
            Opens::Fails => Err(Dir::open_ambient("/no/such/directory").unwrap_err().into()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Fake {
    name: &'static str,
    home: PathBuf,
    pub(crate) mounts: AtomicI64,
}

impl Fake {
    pub(crate) fn new(name: &'static str, home: PathBuf) -> Self {
        Self {
            name,
            home,
            mounts: AtomicI64::new(0),
        }
    }

    fn cannot<T>(&self, operation: &'static str) -> Result<T, LayerError> {
        Err(LayerError::NotSupported {
            driver: self.name,
            operation,
        })
    }

    fn layer(&self, id: &LayerId) -> Result<Dir, LayerError> {
        Ok(Dir::open_ambient(self.home.join(id.as_str()))?)
    }
}

impl Driver for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Stacking::Copies).with_listing(false)
    }

    fn stage(&self, _: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        self.cannot("stage")
    }

    fn remove(&self, _: &LayerId, _: &mut Trash) -> Result<(), LayerError> {
        self.cannot("remove")
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        Ok(self.layer(id).is_ok())
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        Ok(None)
    }

    fn metadata(&self, _: &LayerId) -> Result<Vec<(String, String)>, LayerError> {
        self.cannot("tell")
    }

    fn status(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn usage(&self, _: &LayerId) -> Result<Usage, LayerError> {
        self.cannot("measure")
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        assert!(options.is_read_only(), "differences only read");
        self.mounts.fetch_add(1, Ordering::Relaxed);
        Ok(self.home.join(id.as_str()))
    }

    fn unmount(&self, _: &LayerId) -> Result<(), LayerError> {
        self.mounts.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn apply_target(&self, _: &LayerId, _: &str) -> Result<Box<dyn LayerTarget>, LayerError> {
        self.cannot("apply")
    }

    fn contents(&self, id: &LayerId) -> Result<Box<dyn LayerContents>, LayerError> {
        Ok(Box::new(DirContents::new(self.layer(id)?)))
    }

    fn update_id_map(&self, _: &LayerId, _: &RemapRequest<'_>) -> Result<(), LayerError> {
        self.cannot("remap")
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self
    }

    fn temp_roots(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn sync(&self) -> Result<(), LayerError> {
        Ok(())
    }

    fn cleanup(&self) -> Result<(), LayerError> {
        Ok(())
    }
}

impl Maintenance for Fake {
    fn quarantine(&self, _: &LayerId) -> Result<PathBuf, LayerError> {
        self.cannot("quarantine layers")
    }
}
