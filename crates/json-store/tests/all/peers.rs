//! Files shared with the Go tool.

use std::process::Command;

use layerhold_json_store::{JsonStore, Location, NameChange, Options, Record};
use layerhold_testkit::{require_peer, require_root};

use crate::support::{Place, Thing, strings};

fn go(place: &Place, arguments: &[&str]) -> String {
    let output = Command::new("containers-storage")
        .args(["-s", "vfs", "-g"])
        .arg(place.file("graph"))
        .arg("-R")
        .arg(place.file("run"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Renames a layer that the Go tool made, while it is looked at from both sides.
#[test]
fn root_peer_go_sees_our_changes_and_we_see_its() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let place = Place::new();
    let id = go(&place, &["create-layer", "--name", "first"]);
    let id = id.lines().next().unwrap().trim().to_owned();
    let dir = place.file("graph").join("vfs-layers");
    let options = Options::new(dir.join("layers.lock"), &dir)
        .location(Location::durable(&dir, "layers.json"))
        .location(Location::volatile(&dir, "volatile-layers.json"));
    let store = JsonStore::<Thing>::open(options).unwrap();
    assert_eq!(
        store.snapshot().unwrap().by_name("first"),
        Some(id.as_str())
    );

    let mut guard = store.write().unwrap();
    guard
        .change_names(&id, NameChange::Add, &strings(&["second"]))
        .unwrap();
    guard
        .set_big_data(&id, "Config", b"from us", |layer| {
            layer.set("big-data-names", vec!["Config"])
        })
        .unwrap();
    guard.save().unwrap();
    drop(guard);
    assert_eq!(
        go(&place, &["get-names", &id])
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["second", "first"]
    );
    assert_eq!(
        go(&place, &["get-layer-data", "second", "Config"]),
        "from us"
    );

    go(&place, &["add-names", "--name", "third", "second"]);
    let snapshot = store.snapshot().unwrap();
    // The order of added names is a matter of the tool's command, not of the file.
    let mut names = snapshot.get(&id).unwrap().unwrap().names().to_vec();
    names.sort();
    assert_eq!(names, ["first", "second", "third"]);
    let file = place.file("data.txt");
    for key in [
        "manifest", "A", "AA", "z-1", "日a", "a日", "a/b", "???", "x:",
    ] {
        place.write("data.txt", key);
        go(
            &place,
            &["set-layer-data", "-f", file.to_str().unwrap(), &id, key],
        );
        assert_eq!(
            store.read_big_data(&id, key, 100).unwrap().unwrap(),
            key.as_bytes(),
            "{key}"
        );
    }
    go(&place, &["delete-layer", &id]);
    assert!(store.snapshot().unwrap().is_empty());
}
