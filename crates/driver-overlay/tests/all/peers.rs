//! Go's tools on the same store.

use std::fs;

use layerhold_driver::{Driver, MountOptions, Trash};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_testkit::{GoStore, TarBuilder, require_peer, require_root, scratch};

use crate::support::{id, names, read, write};

#[test]
fn root_peer_layers_of_the_go_tool_are_mounted_compared_and_removed() {
    if require_root().is_none() || require_peer("containers-storage").is_none() {
        return;
    }
    let scratch = scratch();
    let (root, run) = (scratch.path().join("g"), scratch.path().join("r"));
    let go = GoStore::new(&root, &run, "overlay");
    let tar = scratch.path().join("layer.tar");
    let content = TarBuilder::new()
        .dir("d", 0o755)
        .file("d/f", 0o644, "one")
        .file("gone", 0o644, "x")
        .finish();
    fs::write(&tar, content).unwrap();
    let base = go.id(["import-layer", "--file", tar.to_str().unwrap()]);
    let second = TarBuilder::new()
        .whiteout("gone")
        .file("d/g", 0o644, "two")
        .finish();
    fs::write(&tar, second).unwrap();
    let top = go.id(["import-layer", "--file", tar.to_str().unwrap(), &base]);

    let driver = OverlayDriver::open(&layerhold_driver::DriverConfig::new(&root, &run)).unwrap();
    let path = driver.mount(&id(&top), &MountOptions::new()).unwrap();
    assert_eq!(names(&path), ["d"]);
    assert_eq!(read(path.join("d/f")) + &read(path.join("d/g")), "onetwo");
    write(path.join("ours"), "ours");
    driver.unmount(&id(&top)).unwrap();
    let (layer, parent) = (id(&top), id(&base));
    let request = layerhold_driver::DiffRequest::new(&layer).with_parent(&parent);
    let changes = driver.changes(&request).unwrap();
    let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["C /d", "A /d/g", "D /gone", "A /ours"]);

    // And Go sees what was written.
    let mounted = go.id(["mount", &top]);
    assert_eq!(read(std::path::Path::new(&mounted).join("ours")), "ours");
    // What Go has mounted is found mounted.
    let third = OverlayDriver::open(&layerhold_driver::DriverConfig::new(&root, &run)).unwrap();
    third.unmount(&layer).unwrap();
    assert!(names(&mounted).is_empty());

    let mut trash = Trash::new();
    driver.remove(&layer, &mut trash).unwrap();
    driver.remove(&parent, &mut trash).unwrap();
    trash.erase().unwrap();
    assert!(names(root.join("overlay/l")).is_empty());
    driver.cleanup().unwrap();
}
