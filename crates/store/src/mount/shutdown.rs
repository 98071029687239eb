//! Shutting a store down, and what can be said about it.

use layerhold_ids::{Digest, LayerId};
use layerhold_lockfile::LockFile;

use crate::catalog::locked::Locked;
use crate::check::mounted as kernel_mounts;
use crate::engine::Engine;
use crate::errors::{AccessError, ShutdownError};
use crate::mount::layer::Unmounting;
use crate::records::Layer;
use crate::store::Store;

/// What a shutdown does about mounted layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shutdown {
    /// It fails.
    #[default]
    Refuse,
    /// It unmounts them.
    Force,
}

impl Store {
    /// Releases what the driver holds in the kernel. Returns the layers that were mounted and have
    /// been unmounted.
    ///
    /// Other processes, and this handle, open the driver again when they next need it: they learn
    /// of the shutdown from `storage.lock`, which is written before anything is released.
    ///
    /// Go: `Store.Shutdown`.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::Mounted`] when layers are mounted and [`Shutdown::Force`] was not asked
    /// for.
    pub fn shutdown(&self, how: Shutdown) -> Result<Vec<LayerId>, ShutdownError> {
        let inner = &self.inner;
        let guard = inner.graph_lock.write().map_err(AccessError::Lock)?;
        let layers = inner.lock_layers()?;
        let mounted = inner.unmount_all(&layers, how)?;
        let _token = guard.record_write().map_err(AccessError::Token)?;
        inner.driver().cleanup().map_err(ShutdownError::Driver)?;
        drop(layers);
        Ok(mounted)
    }

    /// Returns facts on the driver, as rows of a table.
    ///
    /// Go: `Store.Status`.
    #[must_use]
    pub fn status(&self) -> Vec<(String, String)> {
        self.inner.driver().status()
    }

    /// Returns facts on this library, as rows of a table.
    ///
    /// Go: `Store.Version`.
    #[must_use]
    pub fn version(&self) -> Vec<(String, String)> {
        vec![("Version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]
    }

    /// Returns a lock that processes take around work on something of this digest, below the run
    /// root.
    ///
    /// Go: `Store.GetDigestLock`.
    ///
    /// # Errors
    ///
    /// When its path cannot be used.
    pub fn digest_lock(&self, digest: &Digest) -> Result<LockFile, AccessError> {
        Ok(LockFile::new(
            self.inner.layout.run_locks.join(digest.as_str()),
        )?)
    }
}

impl Engine {
    fn unmount_all(
        &self,
        layers: &Locked<Layer>,
        how: Shutdown,
    ) -> Result<Vec<LayerId>, ShutdownError> {
        let mut counts = self.mounts.write(layers)?;
        let mut mounted: Vec<LayerId> = counts.all().into_iter().map(|mount| mount.layer).collect();
        // Those whose counts got lost would go with the mount that the driver's home is.
        let uncounted = kernel_mounts(self).map_err(AccessError::Os)?;
        let is_new = |layer: &LayerId| !mounted.contains(layer);
        let uncounted: Vec<LayerId> = uncounted.into_keys().filter(is_new).collect();
        mounted.extend(uncounted);
        if how == Shutdown::Refuse && !mounted.is_empty() {
            return Err(ShutdownError::Mounted { layers: mounted });
        }
        let driver = self.driver();
        for layer in &mounted {
            let unmounted = self.unmount_counted(&*driver, &mut counts, layer, Unmounting::Force);
            unmounted.map_err(|error| ShutdownError::Unmount(Box::new(error)))?;
        }
        Ok(mounted)
    }
}
