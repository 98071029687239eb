//! The catalog: the records of a store and the locks that guard them.
//!
//! It owns the records of layers, images and containers, their locks and directories, and the mount
//! counts. It knows no graph driver: the [engine](crate::engine) answers where the contents of a
//! layer are.
//!
//! [`locks`] documents the lock order.

mod open;
pub(crate) mod snapshot;
pub(crate) mod mount_counts;
pub(crate) mod big_data;
pub(crate) mod locks;
pub(crate) mod intent;
pub(crate) mod files;
pub(crate) mod lookup;
pub(crate) mod key;
pub(crate) mod locked;
pub(crate) mod record_stores;
pub(crate) mod options;
pub(crate) mod transient;
pub(crate) mod layout;
pub(crate) mod error;

use std::sync::Arc;

use layerhold_ids::Digest;
use layerhold_lockfile::LockFile;
use layerhold_sys::MetadataIo;

use crate::catalog::key::Key;
use crate::records::kinds::ItemId;
use crate::records::{Container, Image, Layer};
use error::AccessError;
use intent::INTENT_FILE;
use layout::Layout;
use locked::Locked;
use locks::Locks;
use mount_counts::MountCounts;
pub(crate) use open::make_lock_file;
pub(crate) use options::{CatalogOptions, LockBounds};
use record_stores::{MergedRecords, ReadLocked, RecordStores, StoreRecords};
use snapshot::{Snapshot, incomplete_layers};
use transient::{OtherRecords, Persistence};

/// The records that additional stores have: layers and images.
type AdditionalRecords = (Vec<StoreRecords<Layer>>, Vec<StoreRecords<Image>>);

/// The records of a store, their locks, directories and mount counts.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) layout: Layout,
    pub(crate) layers: RecordStores<Layer>,
    pub(crate) images: RecordStores<Image>,
    pub(crate) containers: RecordStores<Container>,
    pub(crate) mounts: MountCounts,
    pub(crate) userns_lock: LockFile,
    persistence: Persistence,
    io: Arc<dyn MetadataIo>,
}

impl Catalog {
    /// Returns another handle on the same records and locks, whose waits these bounds end.
    pub(crate) fn with_bounds(&self, bounds: &LockBounds) -> Self {
        Self {
            layout: self.layout.clone(),
            layers: self.layers.with_bounds(bounds),
            images: self.images.with_bounds(bounds),
            containers: self.containers.with_bounds(bounds),
            mounts: self.mounts.with_bounds(bounds),
            userns_lock: bounds.apply(self.userns_lock.clone()),
            persistence: self.persistence,
            io: Arc::clone(&self.io),
        }
    }

    /// Reads the layers as they are now.
    pub(crate) fn read_layers(&self) -> Result<MergedRecords<Layer>, AccessError> {
        self.layers.read_all()
    }

    /// Reads the images as they are now.
    pub(crate) fn read_images(&self) -> Result<MergedRecords<Image>, AccessError> {
        self.images.read_all()
    }

    /// Reads the containers as they are now.
    pub(crate) fn read_containers(&self) -> Result<MergedRecords<Container>, AccessError> {
        self.containers.read_all()
    }

    /// Reads layers, images and containers as they are at one moment.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, AccessError> {
        let layers = self.layers.read_own()?;
        let images = self.images.read_own()?;
        let containers = self.containers.read_own()?;
        let (layers, images) = (
            ReadLocked::release_all(layers),
            ReadLocked::release_all(images),
        );
        let containers = ReadLocked::release_all(containers);
        // Additional stores are read later, so that parents of this store's layers are found there.
        let (more_layers, more_images) = self.read_additional()?;
        Ok(Snapshot {
            layers: MergedRecords::new(layers, more_layers),
            images: MergedRecords::new(images, more_images),
            containers: MergedRecords::new(containers, Vec::new()),
        })
    }

    /// Tells whether anything has this ID, name or unique prefix. Each file is read only if the
    /// ones before it do not settle the question.
    pub(crate) fn exists(&self, key: &Key<'_, ItemId>) -> Result<bool, AccessError> {
        let of_layers = key
            .layer()
            .map(|key| lookup::is_recorded(&self.layers, &key));
        if of_layers.unwrap_or(Ok(false))? {
            return Ok(true);
        }
        let of_images = key
            .image()
            .map(|key| lookup::is_recorded(&self.images, &key));
        if of_images.unwrap_or(Ok(false))? {
            return Ok(true);
        }
        let of_containers = key
            .container()
            .map(|key| lookup::is_recorded(&self.containers, &key));
        of_containers.unwrap_or(Ok(false))
    }

    /// Reads the additional stores, the layers and images of each as they are at one moment.
    pub(crate) fn read_additional(&self) -> Result<AdditionalRecords, AccessError> {
        let mut read = (Vec::new(), Vec::new());
        for (layers, images) in self.layers.additional().zip(self.images.additional()) {
            let (layers, images) = (layers.lock_for_reading()?, images.lock_for_reading()?);
            read.0.extend(layers.map(ReadLocked::release));
            read.1.extend(images.map(ReadLocked::release));
        }
        Ok(read)
    }

    /// Takes all three locks. Unfinished work of dead processes stays;
    /// [`Engine::lock_all`](crate::engine::Engine::lock_all) undoes it.
    pub(crate) fn lock_all(&self) -> Result<Locks, AccessError> {
        let (layers, images) = self.read_additional()?;
        self.lock_images_and_containers(self.layers.lock(layers)?, images)
    }

    /// Takes all three locks if the first is free.
    pub(crate) fn try_lock_all(&self) -> Result<Option<Locks>, AccessError> {
        let (layers, images) = self.read_additional()?;
        let layers = self.layers.try_lock(layers)?;
        layers
            .map(|layers| self.lock_images_and_containers(layers, images))
            .transpose()
    }

    fn lock_images_and_containers(
        &self,
        layers: Locked<Layer>,
        additional: Vec<StoreRecords<Image>>,
    ) -> Result<Locks, AccessError> {
        let images = self.images.lock(additional)?;
        let containers = self.lock_containers()?;
        Ok(Locks {
            containers,
            images,
            layers,
        })
    }

    /// Takes the lock of the layers alone. Unfinished work of dead processes stays: the callers
    /// never touch it, and should not wait until it is undone.
    pub(crate) fn lock_layers(&self) -> Result<Locked<Layer>, AccessError> {
        self.layers.lock(self.layers.read_additional()?)
    }

    /// Takes the lock of the images alone.
    pub(crate) fn lock_images(&self) -> Result<Locked<Image>, AccessError> {
        self.images.lock(self.images.read_additional()?)
    }

    /// Takes the lock of the containers alone.
    pub(crate) fn lock_containers(&self) -> Result<Locked<Container>, AccessError> {
        self.containers.lock(Vec::new())
    }

    /// Tells whether a dead process left unfinished work. No live process has any while the guard
    /// is held.
    pub(crate) fn has_unfinished(&self, layers: &Locked<Layer>) -> Result<bool, AccessError> {
        Ok(!incomplete_layers(layers).is_empty() || self.layout.layers.exists(INTENT_FILE)?)
    }

    /// Reads the records that only openings of the other [persistence](Persistence) use. Both kinds
    /// of opening share the layers lock, and records are added only while it is held. So none
    /// appear while the caller holds it.
    pub(crate) fn other_records(&self) -> Result<OtherRecords, AccessError> {
        OtherRecords::read(&*self.io, &self.layout, self.persistence)
    }

    /// Reads as [`other_records`](Self::other_records) does, and returns none if a file cannot be
    /// parsed: damage does not prevent a deletion.
    pub(crate) fn other_records_if_readable(&self) -> Result<OtherRecords, AccessError> {
        match self.other_records() {
            Err(AccessError::OtherRecords { .. }) => Ok(OtherRecords::default()),
            other => other,
        }
    }

    /// Returns the lock that callers of one digest share.
    pub(crate) fn digest_lock(&self, digest: &Digest) -> Result<LockFile, AccessError> {
        Ok(LockFile::new(self.layout.run_locks.join(digest.as_str()))?)
    }
}
