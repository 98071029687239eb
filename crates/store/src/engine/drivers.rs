//! Opens one of the graph drivers that a store may use.

use std::sync::Arc;

use layerhold_driver::{Driver, DriverConfig, Registry, detect};
use layerhold_driver_overlay::OverlayFactory;
use layerhold_driver_vfs::VfsFactory;
use layerhold_sys::best_effort;

use crate::engine::error::OpenError;
use crate::engine::options::StoreOptions;

/// The drivers that are built in.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    // Registering fails only for a name that is taken, and these names differ.
    best_effort(registry.register(OverlayFactory::new()));
    best_effort(registry.register(VfsFactory));
    registry
}

/// Opens the named graph driver, or the one that fits the graph root.
pub(crate) fn open_driver(
    options: &StoreOptions,
    name: Option<&str>,
) -> Result<Arc<dyn Driver>, OpenError> {
    let config = DriverConfig::new(&options.graph_root, &options.run_root)
        .with_image_store(options.image_store.clone())
        .with_priority(options.driver_priority.clone())
        .with_options(options.driver_options.clone())
        .with_privilege(options.privilege)
        .with_shifting(options.shifting);
    detect(name, &config, &registry()).map_err(|source| OpenError::Driver {
        root: options.graph_root.clone(),
        source,
    })
}
