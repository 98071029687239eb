//! Opens the catalog: its directories, locks and record files.

use std::path::PathBuf;
use std::sync::Arc;

use layerhold_json_store::Freshness;
use layerhold_lockfile::LockFile;
use layerhold_sys::{Create, Dir, OpenOptions};

use crate::catalog::Catalog;
use crate::catalog::error::AccessError;
use crate::catalog::layout::{Layout, USERNS_LOCK};
use crate::catalog::lookup::ItemRecord;
use crate::catalog::mount_counts::MountCounts;
use crate::catalog::options::CatalogOptions;
use crate::catalog::record_stores::{FileNames, RecordStore, RecordStores, StoreDirs};
use crate::catalog::transient::Persistence;
use crate::records::{Container, Image, Layer};

/// The mode of lock files.
const LOCK_MODE: u32 = 0o644;
/// The files of layers. Edits by hand are noticed, as in Go.
const LAYERS: FileNames = FileNames {
    plural: "layers",
    freshness: Freshness::TokenAndFiles,
    has_volatile: true,
};
/// The files of images.
const IMAGES: FileNames = FileNames {
    plural: "images",
    freshness: Freshness::Token,
    has_volatile: false,
};
/// The files of containers.
const CONTAINERS: FileNames = FileNames {
    plural: "containers",
    freshness: Freshness::Token,
    has_volatile: true,
};

impl Catalog {
    /// Opens the record files and locks, in directories that exist.
    pub(crate) fn open(layout: Layout, options: &CatalogOptions<'_>) -> Result<Self, AccessError> {
        let userns_lock = LockFile::new(options.graph_root.join(USERNS_LOCK))?;
        Ok(Self {
            layers: layer_stores(&layout, options)?,
            images: image_stores(&layout, options)?,
            containers: container_stores(&layout, options)?,
            mounts: MountCounts::new(&layout.run_layers, Arc::clone(&options.io))?
                .with_bounds(&options.bounds),
            userns_lock: options.bounds.apply(userns_lock),
            persistence: options.persistence,
            io: Arc::clone(&options.io),
            layout,
        })
    }
}

/// Creates a lock file if it is missing.
pub(crate) fn make_lock_file(dir: &Dir, name: &str) -> layerhold_sys::Result<()> {
    if !dir.exists(name)? {
        let options = OpenOptions::read_write()
            .create(Create::IfMissing)
            .mode(LOCK_MODE);
        drop(dir.open_with(name, options)?);
    }
    Ok(())
}

fn layer_stores(
    layout: &Layout,
    options: &CatalogOptions<'_>,
) -> Result<RecordStores<Layer>, AccessError> {
    let dir = layout.layers.path();
    let mut dirs = StoreDirs::all_in(dir);
    if options.persistence == Persistence::Transient {
        // The lock stays in the graph root: processes that use this store as an additional one look
        // for it there.
        dirs.volatile = Some(&layout.run_layers);
    }
    let mut own = vec![RecordStore::own(LAYERS, dirs, options)?];
    if let Some(store) = &layout.image_store {
        let dirs = StoreDirs {
            volatile: None,
            data: dir,
            ..StoreDirs::all_in(store.layers.path())
        };
        own.push(RecordStore::own(LAYERS, dirs, options)?);
    }
    Ok(RecordStores::new(own, additional_stores(LAYERS, options)?))
}

fn image_stores(
    layout: &Layout,
    options: &CatalogOptions<'_>,
) -> Result<RecordStores<Image>, AccessError> {
    let dirs = layout.image_dirs().map(|dir| StoreDirs::all_in(dir.path()));
    let own = dirs.map(|dirs| RecordStore::own(IMAGES, dirs, options));
    Ok(RecordStores::new(
        own.collect::<Result<_, _>>()?,
        additional_stores(IMAGES, options)?,
    ))
}

fn container_stores(
    layout: &Layout,
    options: &CatalogOptions<'_>,
) -> Result<RecordStores<Container>, AccessError> {
    let mut dirs = StoreDirs::all_in(layout.containers.path());
    if options.persistence == Persistence::Transient {
        dirs.volatile = Some(&layout.run_containers);
        dirs.lock = &layout.run_containers;
    }
    let own = RecordStore::own(CONTAINERS, dirs, options)?;
    Ok(RecordStores::new(vec![own], Vec::new()))
}

fn additional_stores<R: ItemRecord>(
    files: FileNames,
    options: &CatalogOptions<'_>,
) -> Result<Vec<RecordStore<R>>, AccessError> {
    let store = |root: &PathBuf| {
        let dir = root.join(format!("{}-{}", options.driver, files.plural));
        RecordStore::additional(files, root, dir, options)
    };
    options.additional.iter().map(store).collect()
}
