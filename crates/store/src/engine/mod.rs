//! An open store: the engine behind every handle on it, how it is opened, and how it recovers from
//! crashes.

#[cfg(feature = "config")]
pub(crate) mod configured;
pub(crate) mod open;
pub(crate) mod recovery;
pub(crate) mod rescue;
pub(crate) mod temporary_files;
pub(crate) mod discard;
pub(crate) mod owners_on_disk;
pub(crate) mod choose_driver;
pub(crate) mod drivers;
pub(crate) mod error;
pub(crate) mod host;
pub(crate) mod options;
pub(crate) mod built_in;
pub(crate) mod notices;
pub(crate) mod userns;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use layerhold_driver::{Driver, SyncMode};
use layerhold_lockfile::{LockFile, ReadGuard, Token};
use layerhold_sys::Cancel;

use crate::catalog::Catalog;
use crate::catalog::error::AccessError;

use drivers::open_driver;
use error::OpenError;
use options::StoreOptions;

/// An open store: its catalog, its graph driver, and how both are used.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) catalog: Catalog,
    pub(crate) options: StoreOptions,
    pub(crate) sync: SyncMode,
    pub(crate) driver_name: &'static str,
    /// Held for reading while the driver mounts, for writing while it shuts down.
    pub(crate) graph_lock: LockFile,
    slot: Arc<Mutex<DriverSlot>>,
}

/// The driver, and the last write of `storage.lock` that it was opened after.
#[derive(Debug)]
pub(crate) struct DriverSlot {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) opened_after: Token,
}

/// The driver, with the lock that keeps a shutdown out.
pub(crate) struct DriverInUse {
    pub(crate) driver: Arc<dyn Driver>,
    _no_shutdown: ReadGuard,
}

impl Engine {
    /// Returns another handle on the same opening, whose operations `cancel` stops.
    pub(crate) fn with_cancel(&self, cancel: Cancel) -> Self {
        let mut options = self.options.clone();
        options.cancel = cancel;
        self.with_options(options)
    }

    /// Returns another handle on the same opening, with another bound on waits for locks.
    pub(crate) fn with_lock_timeout(&self, timeout: Option<Duration>) -> Self {
        let mut options = self.options.clone();
        options.lock_timeout = timeout;
        self.with_options(options)
    }

    /// Returns another handle on the same opening for changes that have begun: nothing stops them.
    pub(crate) fn uninterrupted(&self) -> Self {
        let mut options = self.options.clone();
        (options.cancel, options.lock_timeout) = (Cancel::new(), None);
        self.with_options(options)
    }

    fn with_options(&self, options: StoreOptions) -> Self {
        let bounds = options.lock_bounds();
        Self {
            catalog: self.catalog.with_bounds(&bounds),
            graph_lock: bounds.apply(self.graph_lock.clone()),
            options,
            sync: self.sync,
            driver_name: self.driver_name,
            slot: Arc::clone(&self.slot),
        }
    }

    /// Fails if the operation was asked to stop.
    pub(crate) fn check_cancelled(&self) -> Result<(), AccessError> {
        Ok(self.options.cancel.check()?)
    }

    /// Returns the driver as it is, for work that a shutdown cannot harm.
    pub(crate) fn driver(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.slot().driver)
    }

    /// Returns the driver for mounting. It is opened again if the store was shut down since it was
    /// opened, and no shutdown happens until the returned guard is dropped.
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

    /// The roots of all temporary areas.
    pub(crate) fn temp_roots(&self) -> impl Iterator<Item = PathBuf> {
        std::iter::once(self.catalog.layout.temp_root())
            .chain(self.catalog.layout.image_temp_root())
            .chain(self.driver().temp_roots())
    }
}
