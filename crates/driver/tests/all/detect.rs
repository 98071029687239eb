//! Which driver a store uses.

use std::fs;
use std::sync::Arc;

use layerhold_driver::{
    AlreadyRegistered, Driver, DriverConfig, DriverFactory, OpenError, Registry, detect,
    prior_drivers,
};

use crate::fake::{FakeFactory, Opens};

struct Store {
    place: tempfile::TempDir,
    registry: Registry,
    priority: Vec<String>,
}

/// A graph root with something of each name in `prior`, and the drivers given.
fn store(prior: &[&str], drivers: &[(&'static str, Opens)]) -> Store {
    let place = tempfile::tempdir().unwrap();
    for name in prior {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    let mut registry = Registry::new();
    for (name, opens) in drivers {
        registry.register(FakeFactory(name, *opens)).unwrap();
    }
    Store {
        place,
        registry,
        priority: Vec::new(),
    }
}

impl Store {
    fn prefer(mut self, names: &[&str]) -> Self {
        self.priority = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    #[track_caller]
    fn check(&self, requested: Option<&str>, expected: Result<&str, &str>) {
        let config =
            DriverConfig::new(self.place.path(), "/run/none").with_priority(self.priority.clone());
        let found = detect(requested, &config, &self.registry);
        let found = found
            .map(|driver| driver.name())
            .map_err(|error| error.to_string());
        let root = self.place.path().display().to_string();
        assert_eq!(found, expected.map_err(|text| text.replace("ROOT", &root)));
    }
}

const ALL: [(&str, Opens); 4] = [
    ("vfs", Opens::Fine),
    ("zfs", Opens::Fine),
    ("btrfs", Opens::Fine),
    ("overlay", Opens::Fine),
];

#[test]
fn a_requested_driver_is_opened_whatever_is_there() {
    let both = store(&["overlay", "btrfs"], &ALL);
    both.check(Some("vfs"), Ok("vfs"));
    both.check(Some("overlay2"), Ok("overlay"));
    both.check(
        Some("nosuch"),
        Err("failed to GetDriver graph nosuch ROOT: driver not supported"),
    );
    let broken = store(&[], &[("zfs", Opens::Prerequisites), ("vfs", Opens::Fine)]);
    broken.check(
        Some("zfs"),
        Err("zfs: prerequisites for driver not satisfied (wrong filesystem?)"),
    );
    store(&[], &[("btrfs", Opens::IncompatibleFilesystem)]).check(
        Some("btrfs"),
        Err("btrfs: backing file system is unsupported for this graph driver"),
    );
    store(&[], &ALL).check(Some(""), Ok("overlay"));
}

#[test]
fn an_empty_root_gets_the_first_usable_driver() {
    store(&[], &ALL).check(None, Ok("overlay"));
    let unusable = [
        ("overlay", Opens::IncompatibleFilesystem),
        ("btrfs", Opens::Prerequisites),
        ("zfs", Opens::NotSupported),
    ];
    store(&[], &unusable).check(None, Err("no supported storage backend found"));
    let fallback = [unusable[0], unusable[1], unusable[2], ("vfs", Opens::Fine)];
    store(&[], &fallback).check(None, Ok("vfs"));
    // A driver outside of the list is taken when nothing in it works.
    let other = [unusable[0], ("other", Opens::Fine)];
    store(&[], &other).check(None, Ok("other"));
    store(&[], &ALL)
        .prefer(&["zfs", "overlay"])
        .check(None, Ok("zfs"));
    store(&[], &ALL).prefer(&["nosuch"]).check(None, Ok("vfs"));
}

#[test]
fn errors_of_another_kind_end_the_search() {
    let drivers = [("overlay", Opens::Fails), ("vfs", Opens::Fine)];
    store(&[], &drivers).check(None, Err("open directory /no/such/directory"));
}

#[test]
fn a_prior_driver_decides() {
    store(&["btrfs"], &ALL).check(None, Ok("btrfs"));
    store(&["zfs"], &ALL).check(None, Ok("zfs"));
    // What a driver that is not compiled in left is not seen.
    store(&["aufs", "zfs"], &ALL).check(None, Ok("zfs"));
    let broken = [("overlay", Opens::Fine), ("btrfs", Opens::Prerequisites)];
    store(&["btrfs"], &broken).check(
        None,
        Err("btrfs: prerequisites for driver not satisfied (wrong filesystem?)"),
    );
}

#[test]
fn a_prior_driver_counts_even_as_a_file() {
    let root = store(&[], &ALL);
    drop(fs::File::create(root.place.path().join("zfs")).unwrap());
    root.check(None, Ok("zfs"));
}

#[test]
fn vfs_is_passed_over_unless_preferred() {
    store(&["vfs"], &ALL).check(None, Ok("overlay"));
    store(&["vfs"], &ALL)
        .prefer(&["overlay", "vfs"])
        .check(None, Ok("vfs"));
}

#[test]
fn several_prior_drivers_are_an_error() {
    let text = "ROOT contains several valid graphdrivers: NAMES; Please cleanup or explicitly choose storage driver (-s <DRIVER>)";
    let several = |names: &str| text.replace("NAMES", names);
    store(&["overlay", "btrfs"], &ALL).check(None, Err(&several("btrfs, overlay")));
    store(&["overlay", "vfs"], &ALL).check(None, Err(&several("vfs, overlay")));
    // The driver's own refusal comes first.
    let broken = [("overlay", Opens::NotSupported), ("vfs", Opens::Fine)];
    store(&["overlay", "vfs"], &broken).check(None, Err("overlay: driver not supported"));
}

#[test]
fn prior_drivers_of_no_root_are_none() {
    let root = store(&["vfs", "overlay"], &ALL);
    assert_eq!(
        prior_drivers(root.place.path(), &root.registry).unwrap(),
        ["vfs", "overlay"]
    );
    assert!(
        prior_drivers(&root.place.path().join("nowhere"), &root.registry)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_prior_driver_of_another_library_decides_too() {
    let mine = [("overlay", Opens::Fine), ("mine", Opens::Fine)];
    store(&["mine"], &mine).check(None, Ok("mine"));
    store(&[], &mine).check(None, Ok("overlay"));
    let text = "ROOT contains several valid graphdrivers: overlay, mine; Please cleanup or explicitly choose storage driver (-s <DRIVER>)";
    store(&["mine", "overlay"], &mine).check(None, Err(text));
    // The configuration's list is the whole list.
    store(&["mine"], &mine)
        .prefer(&["overlay"])
        .check(None, Ok("overlay"));
}

#[test]
fn a_driver_replaces_the_one_of_its_name() {
    let registry = Registry::new()
        .with(FakeFactory("vfs", Opens::Fails))
        .with(FakeFactory("mine", Opens::Fine))
        .with(FakeFactory("vfs", Opens::Fine));
    assert!(registry.names().eq(["vfs", "mine"]));
    let place = tempfile::tempdir().unwrap();
    let config = DriverConfig::new(place.path(), "/run/none");
    assert_eq!(registry.clone().open("vfs", &config).unwrap().name(), "vfs");
}

/// Fails with the options that it is opened with.
struct Telling;

impl DriverFactory for Telling {
    fn name(&self) -> &'static str {
        "telling"
    }

    fn open(&self, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError> {
        let reason = config.options.join(" ");
        Err(OpenError::NotSupported { reason })
    }
}

#[test]
fn options_of_other_registered_drivers_are_left_out() {
    let registry = Registry::new()
        .with(Telling)
        .with(FakeFactory("mine", Opens::Fine));
    let options = ["Mine.a=1", "telling.b=2", "vfs.c=3", "d=4", "nosuch.e=5"];
    let config = DriverConfig::new("/g", "/r").with_options(options.map(str::to_owned).into());
    let error = registry.open("telling", &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "telling.b=2 vfs.c=3 d=4 nosuch.e=5: driver not supported"
    );
}

#[test]
fn names_are_registered_once() {
    let mut registry = Registry::new();
    registry.register(FakeFactory("vfs", Opens::Fine)).unwrap();
    let again = registry.register(FakeFactory("vfs", Opens::Fails));
    assert_eq!(again, Err(AlreadyRegistered { name: "vfs" }));
    assert_eq!(
        again.unwrap_err().to_string(),
        "name already registered vfs"
    );
    assert!(registry.names().eq(["vfs"]));
}

#[test]
fn a_store_of_a_driver_that_is_not_registered_is_refused() {
    let told = "cannot use ROOT: it is a store of the overlay driver, which is not in this program, and nothing in it was changed; use podman or buildah for it, name another root, or give another driver by name to begin a second store there: driver not supported";
    store(&["overlay"], &[("vfs", Opens::Fine)]).check(None, Err(told));
    let few = [("overlay", Opens::Fine), ("vfs", Opens::Fine)];
    for other in ["btrfs", "zfs"] {
        let told = format!(
            "cannot use ROOT: it is a store of the {other} driver, which is not in this program, and nothing in it was changed; use podman or buildah for it, name another root, or give another driver by name to begin a second store there: driver not supported"
        );
        store(&[other], &few).check(None, Err(&told));
        store(&[other, "vfs"], &few).check(None, Err(&told));
        store(&[other], &few).check(Some("vfs"), Ok("vfs"));
        let both = store(&[other, "overlay"], &few);
        let told = format!(
            "ROOT contains several valid graphdrivers: overlay, {other}; Please cleanup or explicitly choose storage driver (-s <DRIVER>)"
        );
        both.check(None, Err(&told));
    }
}
