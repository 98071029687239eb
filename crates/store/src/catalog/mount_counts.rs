//! The mount counts of layers: `RUN/DRIVER-layers/mountpoints.json`.
//!
//! The file lists each mounted layer with its path and a count above zero. It has its own lock,
//! `mountpoints.lock`, which is the innermost one and held only briefly. The counts are read again
//! for every use: the file is small, and changes by other processes must not be missed.
//!
//! Go's tools read the file after they have taken the layers lock, and write it back with every
//! save of layers without reading it again (Go: layers.go, `save`). That would undo a count that
//! changed in between. Counts are therefore changed only while the layers lock is held for writing;
//! [`MountCounts::write`] borrows its guard.
//!
//! Go's tools do not mount layers of additional stores, and drop the counts of layers that they do
//! not find in the store when they save the file (Go: layers.go, `loadMounts`). Such mounts are
//! therefore counted in a file of our own beside it, `layerhold-mountpoints.json`, of the same
//! form. No save of layers touches it, so `mountpoints.lock` alone is enough for it
//! ([`MountCounts::write_additional`]).
//!
//! A crash between mounting and saving leaves a mounted layer with too small a count. The driver
//! notices that it is mounted already, and the next mount counts from there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_ids::LayerId;
use layerhold_json_store::ReadGuard;
use layerhold_lockfile::{LockFile, WriteGuard};
use layerhold_schema::{MountPointRecord, read_array, write_array};
use layerhold_sys::{Dir, Durability, MetadataIo};

use crate::catalog::error::AccessError;
use crate::catalog::layout::{DIR_MODE, FILE_MODE};
use crate::catalog::locked::Locked;
use crate::catalog::options::LockBounds;
use crate::records::Layer;

/// The lock of the mount counts.
const MOUNTS_LOCK: &str = "mountpoints.lock";
/// The mount counts.
const MOUNTS_FILE: &str = "mountpoints.json";
/// The mount counts of layers in additional stores.
const ADDITIONAL_FILE: &str = "layerhold-mountpoints.json";
/// A file larger than this counts no mounts.
const MAX_MOUNTS: u64 = 256 << 20;

/// A layer that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mounted {
    /// The layer.
    pub layer: LayerId,
    /// The mount point.
    pub path: PathBuf,
    /// The number of users of the mount.
    pub count: u32,
}

/// The files of mount counts and their lock.
#[derive(Debug)]
pub(crate) struct MountCounts {
    dir: PathBuf,
    lock: LockFile,
    io: Arc<dyn MetadataIo>,
}

/// The counts under their lock.
#[derive(Debug)]
pub(crate) struct CountsGuard<'a> {
    dir: &'a Path,
    lock: WriteGuard,
    io: &'a dyn MetadataIo,
    counts: Counts,
    new_layers: NewLayers,
}

/// The records of both files.
#[derive(Debug, Default)]
struct Counts {
    own: Vec<MountPointRecord>,
    additional: Vec<MountPointRecord>,
}

/// In which file a layer is counted that is in neither yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewLayers {
    InThisStore,
    InAdditionalStore,
}

impl Counts {
    fn all(&self) -> impl Iterator<Item = &MountPointRecord> {
        self.own.iter().chain(&self.additional)
    }
}

impl MountCounts {
    pub(crate) fn new(dir: &Path, io: Arc<dyn MetadataIo>) -> Result<Self, AccessError> {
        Ok(Self {
            dir: dir.to_owned(),
            lock: LockFile::brief(dir.join(MOUNTS_LOCK))?,
            io,
        })
    }

    /// Returns another handle, whose waits for the lock these bounds end.
    pub(crate) fn with_bounds(&self, bounds: &LockBounds) -> Self {
        Self {
            dir: self.dir.clone(),
            lock: bounds.apply(self.lock.clone()),
            io: Arc::clone(&self.io),
        }
    }

    /// Waits until no process changes the counts.
    pub(crate) fn wait(&self) -> Result<(), AccessError> {
        drop(self.lock.read()?);
        Ok(())
    }

    /// Reads the counts.
    pub(crate) fn read(&self) -> Result<Vec<Mounted>, AccessError> {
        let guard = self.lock.read()?;
        let counts = load(&self.dir)?;
        drop(guard);
        Ok(counts.all().filter_map(mounted).collect())
    }

    /// Reads the counts, and calls `ask` with them while they are locked.
    pub(crate) fn read_with<T>(
        &self,
        ask: impl FnOnce(&[Mounted]) -> T,
    ) -> Result<(Vec<Mounted>, T), AccessError> {
        let guard = self.lock.read()?;
        let counts: Vec<Mounted> = load(&self.dir)?.all().filter_map(mounted).collect();
        let answer = ask(&counts);
        drop(guard);
        Ok((counts, answer))
    }

    /// Replaces files that cannot be parsed with empty ones, and takes the lock for changing
    /// counts.
    pub(crate) fn write_replacing_damaged<'a>(
        &'a self,
        layers: &'a Locked<Layer>,
    ) -> Result<CountsGuard<'a>, AccessError> {
        let lock = self.lock.write()?;
        let dir = Dir::create_ambient_all(&self.dir, DIR_MODE)?;
        for file in [MOUNTS_FILE, ADDITIONAL_FILE] {
            if let Err(AccessError::Mounts { .. }) = load_file(&dir, file) {
                let _token = lock.record_write()?;
                let empty: [&[u8]; 1] = [b"[]"];
                self.io
                    .replace(&dir, file.as_ref(), FILE_MODE, &empty, Durability::Durable)?;
            }
        }
        drop(lock);
        self.write(layers)
    }

    /// Takes the lock for changing counts, inside that of the layers.
    pub(crate) fn write<'a>(
        &'a self,
        _layers: &'a Locked<Layer>,
    ) -> Result<CountsGuard<'a>, AccessError> {
        self.lock_for(NewLayers::InThisStore)
    }

    /// Takes the lock for changing counts of layers in additional stores. The caller holds the lock
    /// of that store.
    pub(crate) fn write_additional<'a>(
        &'a self,
        _layers: &'a ReadGuard<Layer>,
    ) -> Result<CountsGuard<'a>, AccessError> {
        self.lock_for(NewLayers::InAdditionalStore)
    }

    fn lock_for(&self, new_layers: NewLayers) -> Result<CountsGuard<'_>, AccessError> {
        let lock = self.lock.write()?;
        Ok(CountsGuard {
            dir: &self.dir,
            lock,
            io: &*self.io,
            counts: load(&self.dir)?,
            new_layers,
        })
    }
}

impl CountsGuard<'_> {
    /// Finds a layer that is mounted.
    pub(crate) fn get(&self, layer: &LayerId) -> Option<Mounted> {
        let mut all = self.counts.all();
        all.find(|record| record.id == layer.as_str())
            .and_then(mounted)
    }

    /// Lists the layers that are mounted.
    pub(crate) fn all(&self) -> Vec<Mounted> {
        self.counts.all().filter_map(mounted).collect()
    }

    /// Saves a new count; 0 removes the layer from the list.
    pub(crate) fn set(
        &mut self,
        layer: &LayerId,
        path: &Path,
        count: u32,
    ) -> Result<(), AccessError> {
        let is_it = |record: &MountPointRecord| record.id == layer.as_str();
        let is_additional = self.new_layers == NewLayers::InAdditionalStore
            || self.counts.additional.iter().any(is_it);
        let (records, file) = match is_additional {
            false => (&mut self.counts.own, MOUNTS_FILE),
            true => (&mut self.counts.additional, ADDITIONAL_FILE),
        };
        let position = records.iter().position(|known| known.id == layer.as_str());
        let record = MountPointRecord {
            id: layer.to_string(),
            path: path.to_string_lossy().into_owned(),
            count: count.into(),
            ..MountPointRecord::default()
        };
        match (position.and_then(|at| records.get_mut(at)), count) {
            (Some(_), 0) => records.retain(|known| known.id != layer.as_str()),
            (Some(known), _) => (known.path, known.count) = (record.path, record.count),
            (None, 0) => return Ok(()),
            (None, _) => records.push(record),
        }
        let kept = records
            .iter()
            .filter(|record| record.count > 0 && !record.path.is_empty());
        let bytes = write_array(kept);
        let dir = Dir::create_ambient_all(self.dir, DIR_MODE)?;
        // The token is written first: a crash in between costs other processes a needless reload,
        // but never a missed change.
        let _token = self.lock.record_write()?;
        // Mounts do not survive a reboot. But where the run root does, a file torn by a power cut
        // would block every mount, so it is synced. Run roots are usually in memory, where syncing
        // costs nothing.
        Ok(self.io.replace(
            &dir,
            file.as_ref(),
            FILE_MODE,
            &[&bytes],
            Durability::Durable,
        )?)
    }
}

fn load(dir: &Path) -> Result<Counts, AccessError> {
    let dir = match Dir::open_ambient(dir) {
        Ok(dir) => dir,
        Err(error) if error.is_not_found() => return Ok(Counts::default()),
        Err(error) => return Err(error.into()),
    };
    Ok(Counts {
        own: load_file(&dir, MOUNTS_FILE)?,
        additional: load_file(&dir, ADDITIONAL_FILE)?,
    })
}

fn load_file(dir: &Dir, file: &str) -> Result<Vec<MountPointRecord>, AccessError> {
    let bytes = dir.read_file(file, MAX_MOUNTS)?.unwrap_or_default();
    read_array(&bytes).map_err(|source| AccessError::Mounts {
        path: dir.path().join(file),
        source,
    })
}

/// Converts a record; `None` if it cannot be true.
fn mounted(record: &MountPointRecord) -> Option<Mounted> {
    let count = u32::try_from(record.count)
        .ok()
        .filter(|count| *count > 0)?;
    let layer = record.layer_id().ok()?;
    (!record.path.is_empty()).then(|| Mounted {
        layer,
        path: record.path.clone().into(),
        count,
    })
}

#[cfg(test)]
mod tests {
    use layerhold_sys::{HostIo, publish};

    use super::*;

    fn layer(id: &str) -> LayerId {
        id.parse().unwrap()
    }

    #[test]
    fn counts_go_into_the_file_as_go_writes_them() {
        let place = tempfile::tempdir().unwrap();
        let counts = MountCounts::new(place.path(), Arc::new(HostIo)).unwrap();
        assert_eq!(counts.read().unwrap(), []);
        let mut guard = counts.lock_for(NewLayers::InThisStore).unwrap();
        guard.set(&layer("a"), Path::new("/mnt/a"), 1).unwrap();
        guard.set(&layer("b"), Path::new("/mnt/b"), 1).unwrap();
        guard.set(&layer("a"), Path::new("/mnt/a"), 2).unwrap();
        drop(guard);
        let dir = Dir::open_ambient(place.path()).unwrap();
        let file = || dir.read_file(MOUNTS_FILE, 1000).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(file()).unwrap(),
            r#"[{"id":"a","path":"/mnt/a","count":2},{"id":"b","path":"/mnt/b","count":1}]"#
        );
        let expected = Mounted {
            layer: layer("a"),
            path: "/mnt/a".into(),
            count: 2,
        };
        assert_eq!(counts.read().unwrap().first(), Some(&expected));
        let mut guard = counts.lock_for(NewLayers::InThisStore).unwrap();
        guard.set(&layer("a"), Path::new("/mnt/a"), 0).unwrap();
        guard.set(&layer("b"), Path::new("/mnt/b"), 0).unwrap();
        guard.set(&layer("c"), Path::new("/mnt/c"), 0).unwrap();
        assert_eq!((guard.all(), file()), (vec![], b"[]".to_vec()));
        assert_eq!(
            dir.stat(MOUNTS_LOCK).unwrap().map(|stat| stat.size),
            Some(64)
        );
    }

    #[test]
    fn what_cannot_be_true_is_no_mount() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(place.path()).unwrap();
        let text = br#"[{"id":"a","path":"","count":1},{"id":"b","path":"/b","count":0},{"id":"../c","path":"/c","count":1},{"id":"d","path":"/d","count":-1}]"#;
        publish(&dir, MOUNTS_FILE, 0o600, &[text], Durability::Volatile).unwrap();
        assert_eq!(
            MountCounts::new(place.path(), Arc::new(HostIo))
                .unwrap()
                .read()
                .unwrap(),
            []
        );
        publish(&dir, MOUNTS_FILE, 0o600, &[b"[{"], Durability::Volatile).unwrap();
        let error = MountCounts::new(place.path(), Arc::new(HostIo))
            .unwrap()
            .read()
            .unwrap_err();
        assert_eq!(error.kind(), Some(crate::ErrorKind::LoadError));
    }
}
