//! Opening a store.
//!
//! Opening makes the directories and lock files that are missing and finds the driver. A commit or
//! a deletion that was killed halfway is undone, if the locks are free; files that this makes
//! superfluous are erased by the next writer. Otherwise opening reads no record file and waits for
//! nothing but a shutdown in progress.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use layerhold_driver::{Driver, Registry, SyncMode, refuse_other_drivers};
use layerhold_driver_overlay::OverlayFactory;
use layerhold_driver_vfs::VfsFactory;
use layerhold_json_store::Freshness;
use layerhold_lockfile::LockFile;
use layerhold_sys::{Create, Dir, OpenOptions};

use crate::catalog::layout::{DIR_MODE, Layout, STORAGE_LOCK, USERNS_LOCK, absolute};
use crate::catalog::lookup::Item;
use crate::catalog::mount_counts::MountCounts;
use crate::catalog::record_stores::{Dirs, Files, RecordStore, RecordStores};
use crate::engine::options::{Persistence, Recovery, StoreOptions};
use crate::engine::{DriverSlot, Engine, open_driver};
use crate::errors::{AccessError, OpenError};
use crate::records::{Container, Image, Layer};
use crate::store::Store;

/// Mode of lock files.
const LOCK_MODE: u32 = 0o644;
/// The files of layers. Hand edits are noticed, as in Go.
const LAYERS: Files = Files {
    plural: "layers",
    freshness: Freshness::TokenAndFiles,
    has_volatile: true,
};
/// The files of images.
const IMAGES: Files = Files {
    plural: "images",
    freshness: Freshness::Token,
    has_volatile: false,
};
/// The files of containers.
const CONTAINERS: Files = Files {
    plural: "containers",
    freshness: Freshness::Token,
    has_volatile: true,
};

/// The drivers this crate brings along.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    // The only failure is a name that is taken already, and no two are the same.
    drop(registry.register(OverlayFactory::new()));
    drop(registry.register(VfsFactory));
    registry
}

impl Store {
    /// Opens a store, making it if it does not exist.
    ///
    /// Go: `GetStore`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Driver`] when no driver fits or an option is wrong; [`OpenError::Directory`]
    /// when a directory cannot be made. Damaged records and leftovers of killed processes are no
    /// reason to fail.
    pub fn open(mut options: StoreOptions) -> Result<Self, OpenError> {
        if options.graph_root.as_os_str().is_empty() || options.run_root.as_os_str().is_empty() {
            return Err(OpenError::IncompleteOptions);
        }
        options.graph_root = absolute(&options.graph_root);
        options.run_root = absolute(&options.run_root);
        options.image_store = options
            .image_store
            .map(|root| absolute(&root))
            .filter(|root| *root != options.graph_root);
        let inner = Engine::open(options)?;
        if inner.options.recovery == Recovery::ByWriters {
            inner.rescue();
            inner.recover_intent_if_any();
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

impl Engine {
    fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let root = options.graph_root.clone();
        let in_root = |source| OpenError::Directory {
            root: root.clone(),
            source,
        };
        if options.driver.as_deref().unwrap_or_default().is_empty() {
            refuse_other_drivers(&root, &registry()).map_err(|source| OpenError::Driver {
                root: root.clone(),
                source,
            })?;
        }
        let run = Dir::create_ambient_all(&options.run_root, DIR_MODE).map_err(in_root)?;
        let graph = Dir::create_ambient_all(&options.graph_root, DIR_MODE).map_err(in_root)?;
        let graph_lock =
            LockFile::brief(options.graph_root.join(STORAGE_LOCK)).map_err(AccessError::Lock)?;
        let graph_lock = graph_lock.cancelled_by(options.cancel.clone());
        let opened_after = {
            let guard = graph_lock.read().map_err(AccessError::Lock)?;
            guard.token().map_err(AccessError::Token)?
        };
        make_lock_file(&graph, USERNS_LOCK).map_err(in_root)?;
        let userns_lock =
            LockFile::new(options.graph_root.join(USERNS_LOCK)).map_err(AccessError::Lock)?;
        let userns_lock = userns_lock.cancelled_by(options.cancel.clone());
        let driver = open_driver(&options, options.driver.as_deref())?;
        let image_store = match &options.image_store {
            Some(root) => Some(Dir::create_ambient_all(root, DIR_MODE).map_err(in_root)?),
            None => None,
        };
        let layout = Layout::open(&graph, &run, image_store.as_ref(), driver.name());
        let layout = layout.map_err(in_root)?;
        let additional = additional_roots(&*driver, &options);
        Ok(Self {
            sync: options
                .sync
                .or(driver.sync_mode())
                .unwrap_or(SyncMode::Filesystem),
            driver_name: driver.name(),
            layers: layer_stores(&layout, &additional, driver.name(), &options)?,
            images: image_stores(&layout, &additional, driver.name(), &options)?,
            containers: container_stores(&layout, &options)?,
            mounts: MountCounts::new(&layout.run_layers, Arc::clone(&options.metadata_io))?,
            slot: Mutex::new(DriverSlot {
                driver,
                opened_after,
            }),
            graph_lock,
            userns_lock,
            layout,
            options,
        })
    }

    /// The roots of all temporary areas.
    pub(crate) fn temp_roots(&self) -> impl Iterator<Item = PathBuf> {
        std::iter::once(self.layout.temp_root())
            .chain(self.layout.image_temp_root())
            .chain(self.driver().temp_roots())
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

/// The roots of additional stores, each once and without those that are written.
fn additional_roots(driver: &dyn Driver, options: &StoreOptions) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for root in driver.additional_stores() {
        let root = absolute(&root);
        let is_own = root == options.graph_root || Some(&root) == options.image_store.as_ref();
        if !is_own && !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

fn layer_stores(
    layout: &Layout,
    additional: &[PathBuf],
    driver: &str,
    options: &StoreOptions,
) -> Result<RecordStores<Layer>, AccessError> {
    let dir = layout.layers.path();
    let mut dirs = Dirs::all_in(dir);
    if options.persistence == Persistence::Transient {
        // The lock stays: others may have this store as an additional one, and look for it there.
        dirs.volatile = Some(&layout.run_layers);
    }
    let mut own = vec![RecordStore::own(LAYERS, dirs, options)?];
    if let Some(split) = &layout.split {
        let dirs = Dirs {
            volatile: None,
            data: dir,
            ..Dirs::all_in(split.layers.path())
        };
        own.push(RecordStore::own(LAYERS, dirs, options)?);
    }
    Ok(RecordStores::new(
        own,
        additional_stores(LAYERS, additional, driver, options)?,
    ))
}

fn image_stores(
    layout: &Layout,
    additional: &[PathBuf],
    driver: &str,
    options: &StoreOptions,
) -> Result<RecordStores<Image>, AccessError> {
    let dirs = layout.image_dirs().map(|dir| Dirs::all_in(dir.path()));
    let own = dirs.map(|dirs| RecordStore::own(IMAGES, dirs, options));
    Ok(RecordStores::new(
        own.collect::<Result<_, _>>()?,
        additional_stores(IMAGES, additional, driver, options)?,
    ))
}

fn container_stores(
    layout: &Layout,
    options: &StoreOptions,
) -> Result<RecordStores<Container>, AccessError> {
    let mut dirs = Dirs::all_in(layout.containers.path());
    if options.persistence == Persistence::Transient {
        dirs.volatile = Some(&layout.run_containers);
        dirs.lock = &layout.run_containers;
    }
    let own = RecordStore::own(CONTAINERS, dirs, options)?;
    Ok(RecordStores::new(vec![own], Vec::new()))
}

fn additional_stores<R: Item>(
    files: Files,
    roots: &[PathBuf],
    driver: &str,
    options: &StoreOptions,
) -> Result<Vec<RecordStore<R>>, AccessError> {
    let store = |root: &PathBuf| {
        let dir = root.join(format!("{driver}-{}", files.plural));
        RecordStore::additional(files, root, dir, options)
    };
    roots.iter().map(store).collect()
}
