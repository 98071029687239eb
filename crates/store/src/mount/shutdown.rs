//! Shuts a store down.

use layerhold_driver::LayerError;
use layerhold_ids::LayerId;

use crate::catalog::error::AccessError;
use crate::catalog::locked::Locked;
use crate::engine::Engine;
use crate::mount::error::MountError;
use crate::mount::kernel_table::mounted_layers as kernel_mounts;
use crate::mount::layer::{Unmounting, unmount_counted};
use crate::records::Layer;
use crate::records::error_kind::{ErrorKind, error_kind};

/// Whether a shutdown unmounts layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shutdown {
    /// Fails if layers are mounted.
    #[default]
    Refuse,
    /// Unmounts them.
    Force,
}

pub(crate) fn shutdown(engine: &Engine, how: Shutdown) -> Result<Vec<LayerId>, ShutdownError> {
    let guard = engine.graph_lock.write().map_err(AccessError::Lock)?;
    let layers = engine.lock_layers()?;
    let mounted = unmount_all(engine, &layers, how)?;
    let _token = guard.record_write().map_err(AccessError::Token)?;
    engine.driver().cleanup().map_err(ShutdownError::Driver)?;
    drop(layers);
    Ok(mounted)
}

fn unmount_all(
    engine: &Engine,
    layers: &Locked<Layer>,
    how: Shutdown,
) -> Result<Vec<LayerId>, ShutdownError> {
    let mut counts = engine.catalog.mounts.write(layers)?;
    let mut mounted: Vec<LayerId> = counts.all().into_iter().map(|mount| mount.layer).collect();
    // Layers without a mount count would be unmounted together with the driver's home.
    let uncounted = kernel_mounts(engine).map_err(AccessError::Os)?;
    let is_new = |layer: &LayerId| !mounted.contains(layer);
    let uncounted: Vec<LayerId> = uncounted.into_keys().filter(is_new).collect();
    mounted.extend(uncounted);
    if how == Shutdown::Refuse && !mounted.is_empty() {
        return Err(ShutdownError::Mounted { layers: mounted });
    }
    let driver = engine.driver();
    for layer in &mounted {
        let unmounted = unmount_counted(engine, &*driver, &mut counts, layer, Unmounting::Force);
        unmounted.map_err(|error| ShutdownError::Unmount(Box::new(error)))?;
    }
    Ok(mounted)
}

/// A store cannot be shut down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Layers are mounted, and the shutdown was not forced.
    #[error("a layer is mounted")]
    Mounted {
        /// The layers.
        layers: Vec<LayerId>,
    },
    /// A layer cannot be unmounted.
    #[error("cannot unmount a layer before the shutdown")]
    Unmount(#[source] Box<MountError>),
    /// The driver cannot release its home.
    #[error("cannot clean up the driver's home")]
    Driver(#[source] LayerError),
    /// Locks or records cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

error_kind!(ShutdownError, |error| match error {
    Self::Mounted { .. } => Some(ErrorKind::LayerUsedByContainer),
    Self::Unmount(error) => error.kind(),
    Self::Access(error) => error.kind(),
    Self::Driver(_) => None,
});
