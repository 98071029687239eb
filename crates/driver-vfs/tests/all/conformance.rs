//! What every driver must do.

use layerhold_driver_vfs::VfsFactory;
use layerhold_drivertest::Factory;

fn factory() -> Factory {
    // So that the suite passes for ordinary users too: what needs root asks for it.
    Factory::new(|| Box::new(VfsFactory)).with_option("vfs.ignore_chown_errors=true")
}

layerhold_drivertest::conformance!(factory());
