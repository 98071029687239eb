//! Tests choosing the driver that a store was used with.

use std::fs;
use std::path::Path;

use layerhold::{LayerSpec, Shutdown, Store, StoreOptions};
use layerhold_sys::best_effort;
use layerhold_testkit::{require_root, scratch};

use crate::support::{id, import, small_tar};

fn options(base: &Path) -> StoreOptions {
    StoreOptions::new(base.join("root"), base.join("runroot"))
        .with_driver_option("vfs.ignore_chown_errors=true")
}

fn found(base: &Path) -> Option<String> {
    options(base).with_driver_of_contents().driver
}

/// Imports a layer with a driver.
fn fill(base: &Path, driver: &str) {
    let store = Store::open(options(base).with_driver(driver)).unwrap();
    import(&store, LayerSpec::new().id(id("layer")), &small_tar());
    best_effort(store.shutdown(Shutdown::Force));
}

#[test]
fn a_store_of_vfs_is_opened_with_vfs() {
    let place = scratch();
    let base = place.path();
    assert_eq!(found(base), None);
    fill(base, "vfs");
    assert_eq!(found(base).as_deref(), Some("vfs"));
    // Directories that overlay creates when it is opened by mistake are not contents.
    fs::create_dir_all(base.join("root/overlay/l")).unwrap();
    fs::create_dir_all(base.join("root/overlay-layers")).unwrap();
    fs::write(base.join("root/overlay-layers/layers.json"), "[]").unwrap();
    assert_eq!(found(base).as_deref(), Some("vfs"));
    // Layers without records count, and so do records without layers.
    let records = base.join("root/vfs-layers/layers.json");
    let text = fs::read(&records).unwrap();
    fs::remove_file(&records).unwrap();
    assert_eq!(found(base).as_deref(), Some("vfs"));
    fs::write(&records, text).unwrap();
    fs::remove_dir_all(base.join("root/vfs")).unwrap();
    assert_eq!(found(base).as_deref(), Some("vfs"));
}

#[test]
fn a_directory_is_no_contents() {
    let place = scratch();
    fs::create_dir_all(place.path().join("root/vfs/dir")).unwrap();
    assert_eq!(found(place.path()), None);
}

#[test]
fn what_is_asked_for_counts() {
    let place = scratch();
    fill(place.path(), "vfs");
    let named = options(place.path()).with_driver("overlay");
    let named = named.with_driver_of_contents().driver;
    assert_eq!(named.as_deref(), Some("overlay"));
    let mut ordered = options(place.path());
    ordered.driver_priority = vec!["overlay".to_owned()];
    assert_eq!(ordered.with_driver_of_contents().driver, None);
}

#[test]
fn root_contents_of_several_drivers_are_not_chosen_from() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    fill(place.path(), "overlay");
    fs::create_dir_all(place.path().join("root/vfs/dir")).unwrap();
    assert_eq!(found(place.path()).as_deref(), Some("overlay"));
    fill(place.path(), "vfs");
    assert_eq!(found(place.path()), None);
    let error = Store::open(options(place.path()).with_driver_of_contents()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    // The failed opening mounted the home of overlay before it found the other drivers.
    let overlay = Store::open(options(place.path()).with_driver("overlay")).unwrap();
    best_effort(overlay.shutdown(Shutdown::Force));
    assert!(
        source.contains("contains several valid graphdrivers: "),
        "{source}"
    );
}

#[test]
fn a_store_of_a_driver_that_is_not_here_is_not_touched() {
    for driver in ["btrfs", "zfs"] {
        let place = scratch();
        let base = place.path();
        for dir in [driver.to_owned(), format!("{driver}-layers")] {
            fs::create_dir_all(base.join("root").join(dir)).unwrap();
        }
        for priority in [&[][..], &["overlay".to_owned()], &["vfs".to_owned()]] {
            let mut options = options(base).with_driver_of_contents();
            options.driver_priority = priority.to_vec();
            let error = Store::open(options).unwrap_err();
            let error = std::error::Error::source(&error).unwrap().to_string();
            let told = format!("it is a store of the {driver} driver");
            assert!(error.contains(&told), "{error}");
            assert!(error.ends_with("driver not supported"), "{error}");
        }
        let names = fs::read_dir(base.join("root")).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [driver.to_owned(), format!("{driver}-layers")]);
        assert!(!base.join("runroot").exists());
        // A named driver is used.
        fill(base, "vfs");
    }
}
