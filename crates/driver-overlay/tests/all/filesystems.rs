//! The suite on other filesystems, and in a user namespace.

use layerhold_driver::DriverConfig;
use layerhold_driver::layerhold_sys::in_user_namespace;
use layerhold_driver_overlay::{OverlayDriver, OverlayFactory};
use layerhold_drivertest::{CASES, Factory};
use layerhold_testkit::{
    ChildRole, ChildSpec, FilesystemKind, require_filesystem, require_user_namespace, scratch,
};

/// Cases that make a filesystem of their own, and so are the same everywhere.
const ELSEWHERE: [&str; 1] = ["root_full_disk_leaves_nothing_and_can_be_emptied"];

fn suite(factory: &Factory) {
    for case in CASES.iter().filter(|case| !ELSEWHERE.contains(&case.name)) {
        case.run(factory);
    }
}

fn on(kind: FilesystemKind) {
    let Some(disk) = require_filesystem(kind, 320) else {
        return;
    };
    suite(&Factory::new(|| Box::new(OverlayFactory::new())).in_dir(disk.path()));
}

#[test]
fn root_loop_xfs() {
    on(FilesystemKind::Xfs);
}

#[test]
fn root_loop_xfs_without_reflinks() {
    on(FilesystemKind::XfsNoReflink);
}

#[test]
fn root_loop_btrfs() {
    on(FilesystemKind::Btrfs);
}

#[test]
fn root_loop_tmpfs() {
    on(FilesystemKind::Tmpfs);
}

/// Cases that make devices or set attributes that only the host's root may, or owners outside of
/// the namespace.
const NOT_IN_NAMESPACES: [&str; 8] = [
    "root_child_keeps_every_attribute",
    "root_diff_apply_round_trip_of_every_kind",
    "root_mapped_root_owner",
    "root_remap_staged",
    "root_remap_committed",
    "root_remap_refuses_unmapped_owners",
    "root_mapped_diff_has_container_owners",
    "root_mapped_copy_has_no_changes",
];

/// Runs in the namespace.
pub(crate) fn in_namespace(role: &ChildRole) {
    assert!(in_user_namespace().unwrap());
    let place = std::path::PathBuf::from(role.argument(0));
    let config = DriverConfig::new(place.join("g"), place.join("r"));
    match OverlayDriver::open(&config) {
        Ok(driver) => drop(layerhold_driver::Driver::cleanup(&driver)),
        Err(error) => return role.say(&format!("skip: {error}")),
    }
    let factory = Factory::new(|| Box::new(OverlayFactory::new())).in_dir(&place);
    for case in CASES {
        if !ELSEWHERE.contains(&case.name) && !NOT_IN_NAMESPACES.contains(&case.name) {
            case.run(&factory);
        }
    }
    role.say("done");
}

#[test]
fn root_in_a_user_namespace() {
    let Some(namespace) = require_user_namespace() else {
        return;
    };
    let place = scratch();
    namespace.give(place.path());
    let mut child = ChildSpec::new("crashes::child_entry", "namespace")
        .through(namespace.wrapper())
        .argument(place.path().display())
        .argument("-")
        .spawn();
    let told = child.hear();
    assert!(child.wait().success());
    let told = told.unwrap();
    assert!(told == "done" || told.starts_with("skip: "), "{told}");
}
