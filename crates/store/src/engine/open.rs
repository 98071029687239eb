//! Opens a store.
//!
//! Opening creates missing directories and lock files and finds the driver. A commit or a deletion
//! that was killed halfway is undone if the locks are free; the next writer erases the files that
//! are then unused. Otherwise opening reads no record file and waits only for a shutdown in
//! progress.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use layerhold_driver::{Driver, SyncMode};
use layerhold_lockfile::LockFile;
use layerhold_sys::Dir;

use crate::catalog::error::AccessError;
use crate::catalog::layout::{DIR_MODE, Layout, STORAGE_LOCK, USERNS_LOCK, absolute};
use crate::catalog::{Catalog, CatalogOptions, make_lock_file};
use crate::engine::drivers::{open_driver, refuse_others};
use crate::engine::error::OpenError;
use crate::engine::options::{Recovery, StoreOptions};
use crate::engine::{DriverSlot, Engine};

/// Opens a store; creates it if it does not exist.
pub(crate) fn open(mut options: StoreOptions) -> Result<Engine, OpenError> {
    if options.graph_root.as_os_str().is_empty() || options.run_root.as_os_str().is_empty() {
        return Err(OpenError::IncompleteOptions);
    }
    options.graph_root = absolute(&options.graph_root);
    options.run_root = absolute(&options.run_root);
    options.image_store = options
        .image_store
        .map(|root| absolute(&root))
        .filter(|root| *root != options.graph_root);
    let engine = open_without_recovery(options)?;
    if engine.options.recovery == Recovery::ByWriters {
        engine.put_back_needed_layers();
        engine.recover_intent_if_any();
    }
    Ok(engine)
}

fn open_without_recovery(options: StoreOptions) -> Result<Engine, OpenError> {
    let root = options.graph_root.clone();
    let in_root = |source| OpenError::Directory {
        root: root.clone(),
        source,
    };
    if options.driver.as_deref().unwrap_or_default().is_empty() {
        refuse_others(&options)?;
    }
    let run = Dir::create_ambient_all(&options.run_root, DIR_MODE).map_err(in_root)?;
    let graph = Dir::create_ambient_all(&options.graph_root, DIR_MODE).map_err(in_root)?;
    let graph_lock =
        LockFile::brief(options.graph_root.join(STORAGE_LOCK)).map_err(AccessError::Lock)?;
    let bounds = options.lock_bounds();
    let graph_lock = bounds.apply(graph_lock);
    let opened_after = {
        let guard = graph_lock.read().map_err(AccessError::Lock)?;
        guard.token().map_err(AccessError::Token)?
    };
    make_lock_file(&graph, USERNS_LOCK).map_err(in_root)?;
    let driver = open_driver(&options, options.driver.as_deref())?;
    let image_store = match &options.image_store {
        Some(root) => Some(Dir::create_ambient_all(root, DIR_MODE).map_err(in_root)?),
        None => None,
    };
    let layout = Layout::open(&graph, &run, image_store.as_ref(), driver.name());
    let catalog = CatalogOptions {
        graph_root: &root,
        driver: driver.name(),
        additional: additional_roots(&*driver, &options),
        persistence: options.persistence,
        io: Arc::clone(&options.metadata_io),
        bounds,
    };
    Ok(Engine {
        catalog: Catalog::open(layout.map_err(in_root)?, &catalog)?,
        sync: options
            .sync
            .or(driver.sync_mode())
            .unwrap_or(SyncMode::Filesystem),
        driver_name: driver.name(),
        slot: Arc::new(Mutex::new(DriverSlot {
            driver,
            opened_after,
        })),
        graph_lock,
        options,
    })
}

/// The roots of additional stores, each once, without the roots that this store writes to.
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
