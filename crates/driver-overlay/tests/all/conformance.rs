//! What every driver must do: mounted by the kernel in its new way, in its old one, and by a
//! program.

use layerhold_driver::layerhold_sys::OverlayApi;
use layerhold_driver_overlay::OverlayFactory;
use layerhold_drivertest::{Factory, MountFidelity};

mod context {
    layerhold_drivertest::conformance!(super::factory(None));
}

mod classic {
    use layerhold_driver::layerhold_sys::OverlayApi;

    layerhold_drivertest::conformance!(super::factory(Some(OverlayApi::Classic)));
}

fn factory(api: Option<OverlayApi>) -> Factory {
    Factory::new(move || {
        let factory = OverlayFactory::new();
        Box::new(match api {
            Some(api) => factory.with_api(api),
            None => factory,
        })
    })
}

/// The suite with a mount program, which is slower: in one test, so that its cases do not all run
/// at the same time.
#[test]
fn root_peer_program() {
    if layerhold_testkit::require_root().is_none()
        || layerhold_testkit::require_peer("fuse-overlayfs").is_none()
        || layerhold_testkit::require_feature(layerhold_testkit::Feature::Fuse).is_none()
    {
        return;
    }
    let factory = Factory::new(|| Box::new(OverlayFactory::new()))
        .with_option("overlay.mount_program=/usr/bin/fuse-overlayfs")
        .with_mount_fidelity(MountFidelity::LikeFuse);
    layerhold_drivertest::run(&factory);
}
