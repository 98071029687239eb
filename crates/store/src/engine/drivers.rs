//! Opens one of the graph drivers that a store may use.

use std::sync::Arc;

use layerhold_driver::{self as driver, Driver, DriverConfig, detect, refuse_other_drivers};

use crate::engine::built_in::missing_feature;
use crate::engine::error::OpenError;
use crate::engine::options::StoreOptions;

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
    detect(name, &config, &options.drivers).map_err(|source| failed(options, source))
}

/// Refuses a graph root that has only contents of drivers that this store may not use.
pub(crate) fn refuse_others(options: &StoreOptions) -> Result<(), OpenError> {
    let refused = refuse_other_drivers(&options.graph_root, &options.drivers);
    refused.map_err(|source| failed(options, source))
}

fn failed(options: &StoreOptions, source: driver::OpenError) -> OpenError {
    let root = options.graph_root.clone();
    let left_out = match &source {
        driver::OpenError::NotCompiledIn { name, .. }
        | driver::OpenError::OtherDriver { name, .. } => missing_feature(name),
        _ => None,
    };
    match left_out {
        Some(feature) => OpenError::DriverLeftOut { root, feature },
        None => OpenError::Driver { root, source },
    }
}

#[cfg(test)]
mod tests {
    use layerhold_sys::Dir;

    use super::*;
    use crate::engine::open::open;

    /// The feature that opening a store asks for.
    fn asked_for(options: StoreOptions) -> Option<&'static str> {
        match open(options.with_driver_option("ignore_chown_errors=true")) {
            Err(OpenError::DriverLeftOut { feature, .. }) => Some(feature),
            Err(_) => None,
            Ok(engine) => {
                // Or the mount of its home would stay.
                engine.driver().cleanup().unwrap();
                None
            }
        }
    }

    #[test]
    fn a_driver_that_was_left_out_is_asked_for_by_its_feature() {
        let features = [
            ("overlay", cfg!(feature = "overlay")),
            ("vfs", cfg!(feature = "vfs")),
        ];
        for (driver, is_on) in features {
            let place = tempfile::tempdir().unwrap();
            let (graph, run) = (place.path().join("graph"), place.path().join("run"));
            let options = StoreOptions::new(&graph, run);
            let expected = (!is_on).then_some(driver);
            assert_eq!(asked_for(options.clone().with_driver(driver)), expected);
            // The same without a name, where a store of that driver is.
            let place = Dir::create_ambient_all(graph.join(driver), 0o700);
            drop(place.unwrap());
            if !is_on {
                assert_eq!(asked_for(options), expected);
            }
        }
    }

    #[test]
    fn a_driver_that_the_caller_left_out_is_no_feature() {
        let place = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(place.path().join("graph"), place.path().join("run"))
            .with_drivers(layerhold_driver::Registry::new());
        let of = |options: StoreOptions| open(options).unwrap_err();
        let is_none = matches!(
            of(options.clone()),
            OpenError::Driver {
                source: driver::OpenError::NoneUsable,
                ..
            }
        );
        assert!(is_none);
        if cfg!(feature = "vfs") {
            let is_unknown = matches!(
                of(options.with_driver("vfs")),
                OpenError::Driver {
                    source: driver::OpenError::NotCompiledIn { .. },
                    ..
                }
            );
            assert!(is_unknown);
        }
    }
}
