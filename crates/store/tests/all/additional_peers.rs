//! Tests additional stores beside the Go tool and podman.

use std::path::Path;

use layerhold::layerhold_ids::ImageId;
use layerhold::{ContainerSpec, DeleteMode, MountRequest, Store};
use layerhold_testkit::{GoStore, Podman, Ran, require_peer, require_root, scratch};

use crate::support::{image, long, options, small_tar};

/// The option for every tool that names an additional store.
fn option(root: &Path) -> String {
    format!("vfs.imagestore={}", root.display())
}

fn ours(go: &GoStore, additional: &Path) -> Store {
    let mut options = options(go.root()).with_driver_option(option(additional));
    options.graph_root = go.root().to_owned();
    options.run_root = go.runroot().to_owned();
    Store::open(options).unwrap()
}

/// Runs the Go tool with the additional store.
fn run(go: &GoStore, additional: &Path, args: &[&str]) -> Ran {
    let option = option(additional);
    go.run(["--storage-opt", &option].iter().chain(args))
}

/// The lines that begin with a word.
fn lines(text: &str, word: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with(word));
    lines.map(str::to_owned).collect()
}

#[test]
fn root_peer_the_go_tool_uses_our_store_as_an_additional_one() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("containers-storage") else {
        return;
    };
    let place = scratch();
    let there = place.path().join("there");
    let alone = Store::open(options(&there)).unwrap();
    let (theirs, layer) = image(&alone, "theirs", &small_tar());
    drop(alone);
    let there = there.join("root");
    let go = GoStore::below(&place.path().join("here"), "vfs");
    let shown = run(&go, &there, &["image", "theirs"]).text();
    assert_eq!(lines(&shown, "ID:"), [format!("ID: {theirs}")]);
    assert_eq!(lines(&shown, "Read Only:"), ["Read Only: true"]);
    assert_eq!(
        lines(&shown, "Size:"),
        [format!("Size: {}", small_tar().len())]
    );

    let here = ours(&go, &there);
    let view = here.snapshot().unwrap();
    assert_eq!(view.additional_store_of_image(&theirs), Some(&*there));
    // A container that Go makes on it can be used and removed here.
    let created = run(&go, &there, &["create-container", "-n", "box", "theirs"]);
    created.assert_success();
    let tree = here.mount("box", &MountRequest::new()).unwrap();
    assert_eq!(std::fs::read(tree.join("etc/hostname")).unwrap(), b"box\n");
    here.delete_container("box").unwrap();
    // The reverse.
    let mut tx = here.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("ours").image(theirs.clone()))
        .unwrap();
    tx.commit().unwrap();
    run(&go, &there, &["mount", "ours"]).assert_success();
    run(&go, &there, &["delete-container", "ours"]).assert_success();
    assert_eq!(here.snapshot().unwrap().containers().count(), 0);

    // An image that one tool copied from there is found here by the other. Go lists it twice.
    here.add_names("theirs", &["mine".to_owned()]).unwrap();
    let shown = run(&go, &there, &["image", "mine"]).text();
    assert_eq!(lines(&shown, "Name:"), ["Name: mine", "Name: theirs"]);
    assert_eq!(lines(&shown, "Read Only:"), [""; 0]);
    let listed = run(&go, &there, &["images", "-q"]).text();
    assert_eq!(lines(&listed, theirs.as_str()).len(), 2);
    assert_eq!(here.snapshot().unwrap().images().count(), 1);
    here.delete_image("mine", DeleteMode::Delete).unwrap();
    let named = run(&go, &there, &["add-names", "-n", "by go", theirs.as_str()]);
    named.assert_success();
    let view = here.snapshot().unwrap();
    assert_eq!(view.image("by go").unwrap().id(), &theirs);
    assert_eq!(view.images().count(), 1);

    // Go cannot make this mount, but keeps its count.
    let path = here
        .mount_image(theirs.as_str(), &MountRequest::new())
        .unwrap();
    assert_eq!(path, there.join("vfs/dir").join(layer.as_str()));
    let own = long('e');
    run(&go, &there, &["create-layer", "-i", &own]).assert_success();
    run(&go, &there, &["mount", &own]).assert_success();
    assert_eq!(here.mounted(layer.as_str()).unwrap(), 1);
    assert_eq!(here.mounts().unwrap().len(), 2);
}

#[test]
fn root_peer_podman_and_we_share_an_additional_store() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = scratch();
    let there = Podman::below(&place.path().join("there"), "vfs");
    let file = place.path().join("layer.tar");
    std::fs::write(&file, small_tar()).unwrap();
    there
        .run(["import", "-q", file.to_str().unwrap(), "localhost/theirs:1"])
        .assert_success();
    let go = GoStore::below(&place.path().join("here"), "vfs");
    let here = ours(&go, there.root());
    let theirs: ImageId = here
        .snapshot()
        .unwrap()
        .image("localhost/theirs:1")
        .unwrap()
        .id()
        .clone();
    assert!(here.image_data(theirs.as_str(), "manifest").is_ok());
    here.add_names(theirs.as_str(), &["localhost/mine:1".to_owned()])
        .unwrap();
    let podman = Podman::beside(&go);
    let option = option(there.root());
    let shown = podman.run([
        "--storage-opt",
        &option,
        "images",
        "--format",
        "{{.Repository}} {{.ReadOnly}}",
    ]);
    let mut shown = shown.lines();
    shown.sort();
    assert_eq!(
        shown,
        [
            "localhost/mine false",
            "localhost/theirs false",
            "localhost/theirs true"
        ]
    );
    // All of its data came along.
    podman
        .run(["--storage-opt", &option, "inspect", "localhost/mine:1"])
        .assert_success();
    // Without the additional store only the layer of the image is missing.
    assert_eq!(
        Store::open(options(&place.path().join("here")))
            .unwrap()
            .image_data("localhost/mine:1", "manifest")
            .unwrap(),
        here.image_data("localhost/theirs:1", "manifest").unwrap()
    );
    podman
        .run([
            "--storage-opt",
            &option,
            "rmi",
            "localhost/mine:1",
            "localhost/theirs:1",
        ])
        .assert_success();
    assert!(here.exists("localhost/theirs:1").unwrap());
    assert!(!here.exists("localhost/mine:1").unwrap());
}
