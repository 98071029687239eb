//! What the handles on one opening share.

pub(crate) mod open;
pub(crate) mod recovery;
pub(crate) mod rescue;
pub(crate) mod temporary_files;
pub(crate) mod discard;
pub(crate) mod owners_on_disk;
pub(crate) mod choose_driver;
pub(crate) mod options;
pub(crate) mod notices;
pub(crate) mod host;
pub(crate) mod userns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use layerhold_driver::{Driver, DriverConfig, SyncMode, detect};
use layerhold_lockfile::{LockFile, ReadGuard, Token};

use crate::catalog::layout::Layout;
use crate::catalog::mount_counts::MountCounts;
use crate::catalog::record_stores::{RecordStores, View};
use crate::engine::open::registry;
use crate::engine::options::StoreOptions;
use crate::errors::{AccessError, OpenError};
use crate::records::{Container, Image, Layer};

/// An opening of a store.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) options: StoreOptions,
    pub(crate) sync: SyncMode,
    pub(crate) driver_name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) layers: RecordStores<Layer>,
    pub(crate) images: RecordStores<Image>,
    pub(crate) containers: RecordStores<Container>,
    pub(crate) mounts: MountCounts,
    pub(crate) graph_lock: LockFile,
    pub(crate) userns_lock: LockFile,
    pub(crate) slot: Mutex<DriverSlot>,
}

/// The driver, and the last write of `storage.lock` that it was opened after.
#[derive(Debug)]
pub(crate) struct DriverSlot {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) opened_after: Token,
}

/// The driver while nobody shuts the store down.
pub(crate) struct DriverInUse {
    pub(crate) driver: Arc<dyn Driver>,
    _no_shutdown: ReadGuard,
}

impl Engine {
    /// Returns the driver as it is, for work that a shutdown does not harm.
    pub(crate) fn driver(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.slot().driver)
    }

    /// Returns the driver for mounting: opened anew if somebody shut the store down since, and not
    /// shut down meanwhile.
    pub(crate) fn use_driver(&self) -> Result<DriverInUse, AccessError> {
        let guard = self.graph_lock.read()?;
        let token = guard.token()?;
        let mut slot = self.slot();
        if slot.opened_after != token {
            slot.driver = self
                .open_driver()
                .map_err(|error| AccessError::Driver(Box::new(error)))?;
            slot.opened_after = token;
        }
        Ok(DriverInUse {
            driver: Arc::clone(&slot.driver),
            _no_shutdown: guard,
        })
    }

    pub(crate) fn slot(&self) -> MutexGuard<'_, DriverSlot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_driver(&self) -> Result<Arc<dyn Driver>, OpenError> {
        open_driver(&self.options, Some(self.driver_name))
    }

    /// The layers as they are now.
    pub(crate) fn layers_view(&self) -> Result<View<Layer>, AccessError> {
        self.layers.view()
    }

    /// The images as they are now.
    pub(crate) fn images_view(&self) -> Result<View<Image>, AccessError> {
        self.images.view()
    }

    /// The containers as they are now.
    pub(crate) fn containers_view(&self) -> Result<View<Container>, AccessError> {
        self.containers.view()
    }
}

pub(crate) fn open_driver(
    options: &StoreOptions,
    name: Option<&str>,
) -> Result<Arc<dyn Driver>, OpenError> {
    let config = DriverConfig::new(&options.graph_root, &options.run_root)
        .with_image_store(options.image_store.clone())
        .with_priority(options.driver_priority.clone())
        .with_options(options.driver_options.clone())
        .with_privilege(options.privilege)
        .with_shifting(options.shifting);
    detect(name, &config, &registry()).map_err(|source| OpenError::Driver {
        root: options.graph_root.clone(),
        source,
    })
}
