//! Another process changes the tree while an archive is unpacked into it.

use std::sync::atomic::{AtomicBool, Ordering};

use layerhold_testkit::{TarBuilder, Tree, hostile, require_root};

use crate::support::UnpackDir;

#[test]
fn root_a_swapped_directory_leads_nowhere() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    hostile::sentinel(place.base.path());
    let outside = place.base.path().join("outside");
    let before = Tree::of(&outside);
    let done = AtomicBool::new(false);
    let (target, link, aside) = (
        place.root.join("a"),
        place.base.path().join("link"),
        place.base.path().join("aside"),
    );
    std::os::unix::fs::symlink("../outside", &link).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // Swaps a directory of the tree for a link that leads out, and back.
                layerhold_sys::best_effort(std::fs::rename(&target, &aside));
                layerhold_sys::best_effort(std::fs::rename(&link, &target));
                layerhold_sys::best_effort(std::fs::rename(&target, &link));
                layerhold_sys::best_effort(std::fs::rename(&aside, &target));
            }
        });
        for round in 0..200 {
            let mut tar = TarBuilder::new().dir("a", 0o755);
            for file in 0..10 {
                tar = tar
                    .file(format!("a/sub/secret{file}-{round}"), 0o644, "bad")
                    .file(format!("a/secret{file}-{round}"), 0o644, "bad")
                    .file(format!("a/.wh.secret{}", file + 100), 0o644, "");
            }
            // Whether a round succeeds depends on the race; where its files go does not.
            layerhold_sys::best_effort(place.unpack(&tar.file("a/secret", 0o644, "bad").finish()));
        }
        done.store(true, Ordering::Relaxed);
    });
    before.assert_same(&Tree::of(&outside));
}
