//! Image stores, additional stores, layers of other programs, and homes that may not be written to.

use std::fs;
use std::os::unix::fs::MetadataExt;

use layerhold_driver::layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_driver::{
    Access, Driver, LayerAccess, LayerError, MountOptions, RemapRequest, Trash, Usage,
};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_testkit::TarBuilder;

use crate::support::{Place, id, mount_line, names, read, write};

fn file(name: &str, content: &str) -> Vec<u8> {
    TarBuilder::new().file(name, 0o644, content).finish()
}

#[test]
fn root_the_image_store_takes_image_layers_and_keeps_nothing_of_them() {
    let Some(mut place) = Place::new() else {
        return;
    };
    let images = place.base().join("images");
    place.config = place.config.clone().with_image_store(Some(images.clone()));
    place.driver = OverlayDriver::open(&place.config).unwrap();
    place.layer("image", None, &file("f", "image"));
    place.writable("container", Some("image"));
    assert_eq!(names(images.join("overlay")), ["image", "l", "tempdirs"]);
    assert!(names(place.home("")).contains(&"container".to_owned()));
    assert_eq!(names(images.join("overlay/l")).len(), 1);
    assert_eq!(names(place.home("l")).len(), 1);
    place.mounted("container", |path| {
        assert_eq!(read(path.join("f")), "image");
        write(path.join("g"), "container");
    });
    // As in Go, its own layers are mounted in the run root and cannot be written to.
    place.mounted("image", |path| {
        assert_eq!(path, place.run("image/merged"));
        assert!(mount_line(path).unwrap().contains("lowerdir"));
        assert!(fs::File::create(path.join("x")).is_err());
    });
    assert!(!place.run("image").exists());
    assert_eq!(place.driver.list().unwrap().unwrap().len(), 2);
    assert_eq!(place.driver.temp_roots().len(), 2);

    place.remove("container");
    place.remove("image");
    // Go leaves links in both.
    assert!(names(images.join("overlay/l")).is_empty() && names(place.home("l")).is_empty());
}

#[test]
fn root_additional_stores_are_read_only() {
    let Some(other) = Place::new() else { return };
    other.layer("shared", None, &file("f", "shared"));
    other.layer("upper", Some("shared"), &file("g", "upper"));
    let option = format!("overlay.imagestore={}", other.base().join("g").display());
    let Some(place) = Place::with(&[&option]) else {
        return;
    };
    assert!(place.driver.exists(&id("upper")).unwrap());
    assert!(place.driver.list().unwrap().unwrap().is_empty());
    assert_eq!(place.driver.additional_stores(), [other.base().join("g")]);
    place.writable("container", Some("upper"));
    place.mounted("container", |path| assert_eq!(names(path), ["f", "g"]));
    assert_eq!(place.changes("container", Some("upper")), [""; 0]);

    let before = names(other.home("upper"));
    place.mounted("upper", |path| {
        assert_eq!(path, place.run("upper/merged"));
        assert_eq!(read(path.join("g")), "upper");
        assert!(fs::File::create(path.join("x")).is_err());
    });
    assert_eq!(names(other.home("upper")), before);
    let mut trash = Trash::new();
    for refused in [
        place.driver.remove(&id("upper"), &mut trash).unwrap_err(),
        place.driver.apply_target(&id("upper"), "").unwrap_err(),
    ] {
        assert!(
            matches!(refused, LayerError::ReadOnlyStore { .. }),
            "{refused:?}"
        );
    }

    // Their lost links are looked through without being written.
    fs::remove_dir_all(other.home("l")).unwrap();
    place.mounted("container", |path| assert_eq!(names(path), ["f", "g"]));
    assert!(!other.home("l").exists());
}

#[test]
fn root_a_home_for_reading_is_mounted_in_the_run_root() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &file("f", "x"));
    let config = place.config.clone().with_access(Access::ReadOnly);
    let before = (names(place.home("")), names(place.home("base")));
    let driver = OverlayDriver::open(&config).unwrap();
    let path = driver.mount(&id("base"), &MountOptions::new()).unwrap();
    assert_eq!(path, place.run("base/merged"));
    assert_eq!(read(path.join("f")), "x");
    assert!(fs::File::create(path.join("g")).is_err());
    driver.unmount(&id("base")).unwrap();
    assert_eq!((names(place.home("")), names(place.home("base"))), before);
}

#[test]
fn root_layers_that_another_program_has() {
    let Some(place) = Place::new() else { return };
    let theirs = place.base().join("store/sha256:123");
    fs::create_dir_all(theirs.join("diff")).unwrap();
    write(theirs.join("diff/f"), "theirs");
    place.writable("linked", None);
    // As Go makes them (drivers/overlay/overlay.go, `CreateAs`).
    fs::remove_dir(place.home("linked/diff")).unwrap();
    std::os::unix::fs::symlink(theirs.join("diff"), place.home("linked/diff")).unwrap();
    write(
        place.home("linked/additionallayer"),
        theirs.to_str().unwrap(),
    );
    place.writable("container", Some("linked"));
    place.mounted("container", |path| {
        assert_eq!(read(path.join("f")), "theirs")
    });
    place.mounted_with("linked", &MountOptions::read_only(), |path| {
        assert_eq!(read(path.join("f")), "theirs");
    });
    assert_eq!(place.changes("linked", None), ["A /f"]);
    drop(place.stage(Some("linked"), LayerAccess::ReadWrite));
    // Nothing is written there: not through a mount, not by unpacking, not by rewriting owners.
    place.mounted("linked", |path| {
        assert!(fs::File::create(path.join("g")).is_err());
    });
    let maps = IdMappings::IDENTITY;
    for refused in [
        place.driver.apply_target(&id("linked"), "").map(drop),
        place
            .driver
            .update_id_map(&id("linked"), &RemapRequest::new(&maps, &maps)),
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, LayerError::External { path } if *path == theirs.join("diff")),
            "{error:?}"
        );
    }
    assert_eq!(place.driver.usage(&id("linked")).unwrap(), Usage::default());
    // In a container with ID maps its files are the container's.
    let map = || IdMap::new(vec![IdRange::new(0, 100_000, 65536)]);
    let maps = IdMappings::new(map(), map());
    if place.driver.supports_shifting(&maps) {
        let options = MountOptions::new().with_id_maps(maps);
        place.mounted_with("container", &options, |path| {
            assert_eq!(fs::metadata(path.join("f")).unwrap().uid(), 100_000);
        });
    }
    assert!(place.driver.diff_dir(&id("linked")).unwrap().is_none());

    place.remove("container");
    place.remove("linked");
    // Removing the directory is the signal; a plain directory with something in it stays.
    assert_eq!(read(theirs.join("diff/f")), "theirs");

    place.writable("gone", None);
    fs::remove_dir(place.home("gone/diff")).unwrap();
    std::os::unix::fs::symlink(place.base().join("nowhere"), place.home("gone/diff")).unwrap();
    let error = place
        .driver
        .mount(&id("gone"), &MountOptions::read_only())
        .unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}

#[test]
fn root_layers_of_composefs_are_refused() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &file("f", "x"));
    place.writable("top", Some("base"));
    fs::create_dir(place.home("base/composefs-data")).unwrap();
    write(place.home("base/composefs-data/composefs.blob"), "");
    // Their files would show under names that are digests.
    for refused in [
        place
            .driver
            .mount(&id("top"), &MountOptions::new())
            .map(drop),
        place
            .driver
            .mount(&id("base"), &MountOptions::read_only())
            .map(drop),
        place.driver.view(&id("base"), "").map(drop),
        place
            .driver
            .diff_size(&layerhold_driver::DiffRequest::new(&id("base")))
            .map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the overlay driver cannot read composefs layers"
        );
    }
    place.remove("top");
    place.remove("base");
}
