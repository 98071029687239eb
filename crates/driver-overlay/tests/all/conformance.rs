//! What every driver must do.

use layerhold_driver_overlay::OverlayFactory;
use layerhold_drivertest::Factory;

fn factory() -> Factory {
    Factory::new(|| Box::new(OverlayFactory))
}

layerhold_drivertest::conformance!(factory());
