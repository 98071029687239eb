//! Mounts.

use layerhold_driver::{LayerError, MountOptions};
use layerhold_testkit::TarBuilder;

use crate::DriverFixture;
use crate::fixture::{id, read};

pub(super) fn mounts_are_counted(fixture: &DriverFixture) {
    fixture.layer("m", None, &TarBuilder::new().file("f", 0o644, "x").finish());
    let first = fixture
        .driver
        .mount(&id("m"), &MountOptions::new())
        .unwrap();
    let second = fixture
        .driver
        .mount(&id("m"), &MountOptions::new())
        .unwrap();
    assert_eq!(first, second);
    fixture.driver.unmount(&id("m")).unwrap();
    assert_eq!(read(first.join("f")), "x");
    fixture.driver.unmount(&id("m")).unwrap();
    // And again from the start.
    assert_eq!(fixture.mounted("m", |path| read(path.join("f"))), "x");
}

pub(super) fn read_only_mounts(fixture: &DriverFixture) {
    fixture.layer("m", None, &TarBuilder::new().file("f", 0o644, "x").finish());
    let path = fixture
        .driver
        .mount(&id("m"), &MountOptions::read_only())
        .unwrap();
    assert_eq!(read(path.join("f")), "x");
    fixture.driver.unmount(&id("m")).unwrap();
}

pub(super) fn looking_is_no_use(fixture: &DriverFixture) {
    fixture.layer("m", None, &TarBuilder::new().file("f", 0o644, "x").finish());
    let first = fixture.driver.view(&id("m"), "").unwrap();
    let second = fixture.driver.view(&id("m"), "").unwrap();
    let path = fixture
        .driver
        .mount(&id("m"), &MountOptions::new())
        .unwrap();
    for view in [first, second] {
        assert_eq!(view.root().read_file("f", 10).unwrap().unwrap(), b"x");
        drop(view);
        assert_eq!(read(path.join("f")), "x");
    }
    fixture.driver.unmount(&id("m")).unwrap();
    assert!(fixture.temporary().is_empty());
    assert!(matches!(
        fixture.driver.view(&id("nosuch"), ""),
        Err(LayerError::Unknown { .. })
    ));
}
