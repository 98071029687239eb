//! What every driver must do: mounted by the kernel in its new way, in its old one, and by a program.

use layerhold_driver::layerhold_sys::OverlayApi;
use layerhold_driver_overlay::OverlayFactory;
use layerhold_drivertest::Factory;

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

/// What fuse-overlayfs itself does in another way: it marks new directories with files that count like others, takes no
/// names of 255 bytes, and does not keep names of one inode together.
const NOT_WITH_A_PROGRAM: [&str; 8] = [
    "usage_counts_each_inode_once",
    "child_starts_as_its_parent",
    "root_child_keeps_every_attribute",
    "siblings_do_not_share_writes",
    "hard_links_across_directories",
    "root_remap_committed",
    // It gives links and directories that it copies up the time of the copy.
    "root_mapped_copy_has_no_changes",
    // Takes long, and the kernel's limits are not those of the program.
    "deep_chain",
];

/// The suite with a mount program, which is slower: in one test, so that its cases do not all run at the same time.
#[test]
fn root_peer_program() {
    if layerhold_testkit::require_root().is_none()
        || layerhold_testkit::require_peer("fuse-overlayfs").is_none()
        || layerhold_testkit::require_feature(layerhold_testkit::Feature::Fuse).is_none()
    {
        return;
    }
    let factory = Factory::new(|| Box::new(OverlayFactory::new()))
        .with_option("overlay.mount_program=/usr/bin/fuse-overlayfs");
    for case in layerhold_drivertest::CASES {
        if !NOT_WITH_A_PROGRAM.contains(&case.name) {
            case.run(&factory);
        }
    }
}
