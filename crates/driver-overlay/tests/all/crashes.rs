//! Processes that die in the middle.

use layerhold_driver::{
    Driver, LayerAccess, LayerRef, MountOptions, StageRequest, Trash, TreeFor, TreeRequest,
    fallback,
};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_staging::TempRoot;
use layerhold_testkit::{ChildSpec, TarBuilder, child_role};

use crate::support::{Place, id, mount_line, names, read};

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let config = layerhold_driver::DriverConfig::new(role.argument(0), role.argument(1));
    if role.name() == "namespace" {
        return crate::filesystems::in_namespace(&role);
    }
    let driver = OverlayDriver::open(&config).unwrap();
    match role.name() {
        "stage" => {
            let base = driver.stage(&StageRequest::new()).unwrap();
            let tar = TarBuilder::new().file("f", 0o644, "x").finish();
            fallback::unpack(&*base, Default::default(), &mut tar.as_slice()).unwrap();
            let request = StageRequest::new().with_parent(LayerRef::Staged(&*base));
            let top = driver.stage(&request).unwrap();
            role.say("staged");
            role.listen();
            drop((base, top));
        }
        "tree" => {
            let request = TreeRequest::new(TreeFor::New(LayerAccess::ReadOnly));
            let tree = driver.stage_tree(&request).unwrap();
            drop(tree.root().create_file("f", 0o644).unwrap());
            role.say("filled");
            role.listen();
            drop(tree);
        }
        "mount" => {
            driver.mount(&id("l1"), &MountOptions::new()).unwrap();
            role.say("mounted");
            role.listen();
        }
        "remove" => {
            let mut trash = Trash::new();
            driver.remove(&id("l1"), &mut trash).unwrap();
            role.say("removed");
            role.listen();
            trash.erase().unwrap();
        }
        other => panic!("unknown role {other}"),
    }
}

/// Runs a part of a child until it has said something, and kills it.
fn killed(place: &Place, role: &str, message: &str) {
    let mut child = ChildSpec::new("crashes::child_entry", role)
        .argument(place.config.root.display())
        .argument(place.config.run_root.display())
        .spawn();
    child.expect(message);
    child.kill();
}

fn recover(place: &Place) {
    for root in place.driver.temp_roots() {
        let recovery = TempRoot::new(root).recover_stale().unwrap();
        assert!(recovery.failed.is_empty(), "{recovery:?}");
    }
    assert!(names(place.home("tempdirs")).is_empty());
}

#[test]
fn root_killed_while_staging() {
    let Some(place) = Place::new() else { return };
    killed(&place, "stage", "staged");
    assert!(place.driver.list().unwrap().unwrap().is_empty());
    recover(&place);
    assert!(names(place.home("l")).is_empty());
}

#[test]
fn root_killed_while_a_layer_is_mounted() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "l1",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    killed(&place, "mount", "mounted");
    assert!(mount_line(&place.home("l1/merged")).is_some());
    assert_eq!(place.mounted("l1", |path| read(path.join("f"))), "x");
    assert_eq!(mount_line(&place.home("l1/merged")), None);
    killed(&place, "mount", "mounted");
    place.remove("l1");
    assert!(place.driver.list().unwrap().unwrap().is_empty());
}

#[test]
fn root_killed_while_removing() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "l1",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    killed(&place, "remove", "removed");
    assert!(!place.driver.exists(&id("l1")).unwrap());
    assert!(names(place.home("l")).is_empty());
    recover(&place);
}

/// What the steps of rewriting owners leave when they are cut off.
#[test]
fn root_cut_off_while_owners_are_rewritten() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "base",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    place.writable("l1", Some("base"));
    place.mounted("l1", |path| crate::support::write(path.join("own"), "y"));
    std::fs::rename(place.home("l1/diff"), place.home("l1/diff2")).unwrap();
    place.mounted("l1", |path| {
        assert_eq!(names(path), ["f", "own"]);
    });
    drop(place.stage(Some("l1"), LayerAccess::ReadWrite));
    assert_eq!(place.changes("l1", Some("base")), ["A /own"]);
}
