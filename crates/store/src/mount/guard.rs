//! Mounts that end with a value.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_driver::Stacking;
use layerhold_ids::LayerId;
use layerhold_sys::{Cancel, best_effort, unique_mount_id};

use crate::catalog::key::Key;
use crate::engine::Engine;
use crate::mount::error::MountError;
use crate::mount::layer::{
    MountRequest, MountTarget, StillMounted, Unmounting, mount_locked, mount_target,
    unmount_counted,
};
use crate::mount::stale::{is_mounted_here, stale};
use crate::records::kinds::ItemId;

/// One use of the mount of a layer, a container or an image, which ends when this is dropped.
///
/// The layer is unmounted with its last use. Uses of other guards, handles and processes go on,
/// Go's tools among them. If the mount was ended by force, and the layer was mounted again for
/// others, this leaves their mount alone. Kernels before 6.8 cannot tell the two mounts apart, nor
/// can the driver vfs, which mounts nothing and only counts.
///
/// A [`Cancel`] of the store does not keep the guard from ending its use. A bound on waits for
/// locks does, if it passes: the layer then stays mounted and counted.
///
/// Dropping ignores errors; [`unmount`](Self::unmount) returns them. A process that is killed leaves
/// the layer mounted and counted, until [`Store::unmount`](crate::Store::unmount) is called for it
/// or the machine is started again.
///
/// ```
/// use layerhold::{LayerSpec, MountRequest, Store, StoreOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
/// # let store = Store::open(options)?;
/// # let mut tx = store.begin()?;
/// # tx.import_layer(LayerSpec::new().name("base"), std::io::Cursor::new(vec![0u8; 1024]))?;
/// # tx.commit()?;
/// {
///     let mount = store.mount_guard("base", &MountRequest::new())?;
///     assert!(mount.path().is_dir());
/// }
/// assert_eq!(store.mounted("base")?, 0);
/// # Ok(())
/// # }
/// ```
#[must_use = "the layer is unmounted when the guard is dropped"]
pub struct MountGuard {
    engine: Arc<Engine>,
    layer: LayerId,
    path: PathBuf,
    /// The kernel's number of the mount; `None` where nothing is mounted (vfs), and from kernels
    /// that reuse numbers.
    number: Option<u64>,
    /// Whether the use is still to be ended.
    is_open: bool,
}

impl MountGuard {
    /// Returns the mount point.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the layer that is mounted: of a container, its own layer; of an image, its top layer
    /// or the copy of it without ID maps.
    #[must_use]
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }

    /// Ends this use of the mount, and tells whether the layer has others.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when the mount was ended by force before;
    /// [`MountError::Driver`] when the driver cannot unmount it. The use stays counted then, and
    /// [`Store::unmount`](crate::Store::unmount) ends it.
    pub fn unmount(mut self) -> Result<StillMounted, MountError> {
        self.is_open = false;
        self.end()
    }

    /// Leaves the layer mounted: [`Store::unmount`](crate::Store::unmount) ends this use. Returns
    /// the mount point.
    #[must_use = "the mount point is needed to find the mount again"]
    pub fn keep(mut self) -> PathBuf {
        self.is_open = false;
        std::mem::take(&mut self.path)
    }

    fn end(&self) -> Result<StillMounted, MountError> {
        let engine = &*self.engine;
        let in_use = engine.use_driver()?;
        let layers = engine.catalog.lock_layers()?;
        let mut counts = engine.catalog.mounts.write(&layers)?;
        let not_mounted = || MountError::NotMounted {
            layer: self.layer.clone(),
        };
        let counted = counts.get(&self.layer).ok_or_else(not_mounted)?;
        if !self.is_still_there()? {
            // Only where no process has the mount any more, the count is of no use to others.
            if !stale(engine, vec![counted.clone()])?.is_empty() {
                counts.set(&self.layer, &counted.path, 0)?;
            }
            return Err(not_mounted());
        }
        let driver = &*in_use.driver;
        unmount_counted(engine, driver, &mut counts, &self.layer, Unmounting::Once)
    }

    /// Whether the mount is the one that this guard made or found.
    fn is_still_there(&self) -> Result<bool, MountError> {
        let is_same = self
            .number
            .is_none_or(|number| unique_mount_id(&self.path) == Some(number));
        Ok(is_same && is_mounted_here(&self.engine, &self.path)?)
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        if self.is_open {
            best_effort(self.end());
        }
    }
}

impl fmt::Debug for MountGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountGuard")
            .field("layer", &self.layer)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Mounts a layer, or the layer of a container.
pub(crate) fn mount_guard(
    engine: &Arc<Engine>,
    key: &Key<'_, ItemId>,
    request: &MountRequest,
) -> Result<MountGuard, MountError> {
    let target = mount_target(engine, key)?;
    guard(engine, &target, request)
}

/// Mounts a layer that was found already.
pub(crate) fn guard(
    engine: &Arc<Engine>,
    target: &MountTarget,
    request: &MountRequest,
) -> Result<MountGuard, MountError> {
    let (path, locked) = mount_locked(engine, target, request)?;
    let is_mounted = engine.driver().capabilities().stacking != Stacking::Copies;
    // Under the lock still, so that it is the number of this mount and no later one.
    let number = is_mounted.then(|| unique_mount_id(&path)).flatten();
    drop(locked);
    Ok(MountGuard {
        // Work that was cancelled ends its mounts too.
        engine: Arc::new(engine.with_cancel(Cancel::new())),
        layer: target.layer.id().clone(),
        path,
        number,
        is_open: true,
    })
}
