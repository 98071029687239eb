//! Which driver is used when none is named.

use std::process::Command;

use layerhold_testkit::{require_root, run};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD, Place};

/// A command line on the store of a place, without a driver.
fn unnamed(program: &str, place: &Place) -> Command {
    let mut command = Command::new(program);
    let [graph, runtime] = match program {
        LAYERHOLD => ["--root", "--runroot"],
        _ => ["-g", "-R"],
    };
    command.arg(graph).arg(place.path("root"));
    command.arg(runtime).arg(place.path("runroot"));
    for name in ["STORAGE_DRIVER", "STORAGE_OPTS", "CONTAINERS_STORAGE_CONF"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn root_people_get_the_driver_that_has_the_contents() {
    let Some(()) = require_root() else { return };
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    let images = || run(unnamed(LAYERHOLD, &place).arg("images")).text();
    assert!(images().contains("localhost/app:1"));
    assert!(!place.path("root/overlay").exists());
    // The drop-in does as Go does: it opens what is best on this machine, and makes that driver's
    // directories.
    let theirs = run(unnamed(CONTAINERS_STORAGE, &place).args(["images", "-q"]));
    let has_overlay = place.path("root/overlay").exists();
    assert!(!has_overlay || theirs.text().is_empty());
    drop(run(unnamed(CONTAINERS_STORAGE, &place).args([
        "--storage-driver",
        "overlay",
        "shutdown",
    ])));
    // For people that changes nothing.
    assert!(images().contains("localhost/app:1"));
    // An empty store gets the best driver.
    let empty = Place::new();
    let text = run(unnamed(LAYERHOLD, &empty).arg("images")).text();
    assert_eq!(text, "NAME  ID  CREATED  SIZE\n");
    assert_eq!(empty.path("root/overlay").exists(), has_overlay);
    drop(run(unnamed(CONTAINERS_STORAGE, &empty).args([
        "--storage-driver",
        "overlay",
        "shutdown",
    ])));
}
