//! Mounts.

use layerhold_driver::{LayerError, MountOptions};
use layerhold_testkit::TarBuilder;

use crate::Rig;
use crate::rig::{id, read};

pub(super) fn mounts_are_counted(rig: &Rig) {
    rig.layer("m", None, &TarBuilder::new().file("f", 0o644, "x").finish());
    let first = rig.driver.mount(&id("m"), &MountOptions::new()).unwrap();
    let second = rig.driver.mount(&id("m"), &MountOptions::new()).unwrap();
    assert_eq!(first, second);
    rig.driver.unmount(&id("m")).unwrap();
    assert_eq!(read(first.join("f")), "x");
    rig.driver.unmount(&id("m")).unwrap();
    // And again from the start.
    assert_eq!(rig.mounted("m", |path| read(path.join("f"))), "x");
}

pub(super) fn read_only_mounts(rig: &Rig) {
    rig.layer("m", None, &TarBuilder::new().file("f", 0o644, "x").finish());
    let path = rig
        .driver
        .mount(&id("m"), &MountOptions::read_only())
        .unwrap();
    assert_eq!(read(path.join("f")), "x");
    rig.driver.unmount(&id("m")).unwrap();
}

pub(super) fn looking_is_no_use(rig: &Rig) {
    rig.layer("m", None, &TarBuilder::new().file("f", 0o644, "x").finish());
    let first = rig.driver.view(&id("m"), "").unwrap();
    let second = rig.driver.view(&id("m"), "").unwrap();
    let path = rig.driver.mount(&id("m"), &MountOptions::new()).unwrap();
    for view in [first, second] {
        assert_eq!(view.root().read_file("f", 10).unwrap().unwrap(), b"x");
        drop(view);
        assert_eq!(read(path.join("f")), "x");
    }
    rig.driver.unmount(&id("m")).unwrap();
    assert!(rig.temporary().is_empty());
    assert!(matches!(
        rig.driver.view(&id("nosuch"), ""),
        Err(LayerError::Unknown { .. })
    ));
}
