//! The graph drivers that this crate is built with.

use layerhold_driver::Registry;

/// Returns the drivers whose features are on.
pub(crate) fn built_in() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "overlay")]
    let registry = registry.with(layerhold_driver_overlay::OverlayFactory::new());
    #[cfg(feature = "vfs")]
    let registry = registry.with(layerhold_driver_vfs::VfsFactory);
    registry
}

/// Returns the feature of this crate that brings a driver which was left out.
pub(crate) fn missing_feature(driver: &str) -> Option<&'static str> {
    match driver {
        "overlay" | "overlay2" if !cfg!(feature = "overlay") => Some("overlay"),
        "vfs" if !cfg!(feature = "vfs") => Some("vfs"),
        _ => None,
    }
}
