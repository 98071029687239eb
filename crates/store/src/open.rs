//! Opening a store.
//!
//! Opening makes the directories and lock files that are missing, finds the driver, and removes what killed processes
//! left in temporary areas. It reads no record file and waits for nobody but a shutdown in progress.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use layerhold_driver::{Registry, SyncMode};
use layerhold_driver_vfs::VfsFactory;
use layerhold_json_store::{Freshness, JsonStore, Location, LocationId, Options, Record};
use layerhold_lockfile::LockFile;
use layerhold_staging::TempRoot;
use layerhold_sys::{Create, Dir, OpenOptions};

use crate::error::{AccessError, OpenError};
use crate::inner::{DriverSlot, Inner, open_driver};
use crate::item::ItemKind;
use crate::layout::{DIR_MODE, Layout, STORAGE_LOCK, USERNS_LOCK, absolute};
use crate::mounts::MountCounts;
use crate::options::{Recovery, StoreOptions};
use crate::store::Store;

/// Mode of lock files.
const LOCK_MODE: u32 = 0o644;
/// Where records are kept that must last.
pub(crate) const DURABLE: LocationId = LocationId::FIRST;
/// Where records are kept that may be lost at a reboot.
pub(crate) const VOLATILE: LocationId = LocationId::new(1);

/// The drivers this crate brings along.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    // The only failure is a name that is taken already, and there is one name.
    drop(registry.register(VfsFactory));
    registry
}

impl Store {
    /// Opens a store, making it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`OpenError::Driver`] when no driver fits or an option is wrong; [`OpenError::Directory`] when a directory cannot be
    /// made. Damaged records and leftovers of killed processes are no reason to fail.
    pub fn open(mut options: StoreOptions) -> Result<Self, OpenError> {
        if options.graph_root.as_os_str().is_empty() || options.run_root.as_os_str().is_empty() {
            return Err(OpenError::IncompleteOptions);
        }
        options.graph_root = absolute(&options.graph_root);
        options.run_root = absolute(&options.run_root);
        let inner = Inner::open(options)?;
        if inner.options.recovery == Recovery::WhenOpened {
            inner.recover_areas();
            inner.recover_intent_if_any();
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

impl Inner {
    fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let root = options.graph_root.clone();
        let in_root = |source| OpenError::Directory {
            root: root.clone(),
            source,
        };
        let run = Dir::create_ambient_all(&options.run_root, DIR_MODE).map_err(in_root)?;
        let graph = Dir::create_ambient_all(&options.graph_root, DIR_MODE).map_err(in_root)?;
        let graph_lock =
            LockFile::new(options.graph_root.join(STORAGE_LOCK)).map_err(AccessError::Lock)?;
        let opened_after = {
            let guard = graph_lock.read().map_err(AccessError::Lock)?;
            guard.token().map_err(AccessError::Token)?
        };
        make_lock_file(&graph, USERNS_LOCK).map_err(in_root)?;
        let driver = open_driver(&options, options.driver.as_deref())?;
        let layout = Layout::open(&graph, &run, driver.name()).map_err(in_root)?;
        Ok(Self {
            sync: options
                .sync
                .or(driver.sync_mode())
                .unwrap_or(SyncMode::Filesystem),
            driver_name: driver.name(),
            layers: open_records(
                ItemKind::Layer,
                "layers",
                &layout.layers,
                Freshness::TokenAndFiles,
                &options,
            )?,
            images: open_records(
                ItemKind::Image,
                "images",
                &layout.images,
                Freshness::Token,
                &options,
            )?,
            containers: open_records(
                ItemKind::Container,
                "containers",
                &layout.containers,
                Freshness::Token,
                &options,
            )?,
            mounts: MountCounts::new(&layout.run_layers, Arc::clone(&options.metadata_io))?,
            slot: Mutex::new(DriverSlot {
                driver,
                opened_after,
            }),
            graph_lock,
            layout,
            options,
        })
    }

    /// The roots of all temporary areas.
    fn temp_roots(&self) -> impl Iterator<Item = PathBuf> {
        std::iter::once(self.layout.temp_root()).chain(self.driver().temp_roots())
    }

    /// Removes temporary areas of dead processes. What cannot be removed is left for the next time.
    fn recover_areas(&self) {
        for root in self.temp_roots() {
            drop(TempRoot::new(root).recover_stale());
        }
    }
}

fn make_lock_file(dir: &Dir, name: &str) -> layerhold_sys::Result<()> {
    if !dir.exists(name)? {
        let options = OpenOptions::read_write()
            .create(Create::IfMissing)
            .mode(LOCK_MODE);
        drop(dir.open_with(name, options)?);
    }
    Ok(())
}

fn open_records<R: Record>(
    kind: ItemKind,
    plural: &str,
    dir: &Dir,
    freshness: Freshness,
    options: &StoreOptions,
) -> Result<JsonStore<R>, OpenError> {
    let path = dir.path();
    let mut records = Options::new(path.join(format!("{plural}.lock")), path)
        .location(Location::durable(path, format!("{plural}.json")))
        .freshness(freshness)
        .io(Arc::clone(&options.metadata_io));
    if kind != ItemKind::Image {
        records = records.location(Location::volatile(path, format!("volatile-{plural}.json")));
    }
    JsonStore::open(records).map_err(|source| {
        AccessError::Open {
            kind,
            source: Box::new(source),
        }
        .into()
    })
}
