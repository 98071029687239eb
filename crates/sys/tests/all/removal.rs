//! Removing trees that resist.

use std::process::Command;

use layerhold_sys::mount::{self, Depth};
use layerhold_sys::{Dir, NodeKind, make_device, remove_tree};
use layerhold_testkit::{
    ChildSpec, FilesystemKind, child_role, require_filesystem, require_peer, require_root, run,
    scratch,
};

fn attribute(flags: &str, path: &std::path::Path) {
    run(Command::new("chattr").arg(flags).arg(path)).assert_success();
}

#[test]
fn root_immutable_and_append_only_entries_are_removed() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Ext4, 16) else {
        return;
    };
    let Some(()) = require_peer("chattr") else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    let tree = dir.ensure_dir("tree", 0o755).unwrap();
    let sub = tree.ensure_dir("sub", 0o755).unwrap();
    for name in ["immutable", "append", "plain"] {
        drop(sub.create_file(name, 0o600).unwrap());
    }
    sub.symlink("plain", "link").unwrap();
    drop(tree.ensure_dir("empty", 0o755).unwrap());
    attribute("+i", &sub.path().join("immutable"));
    attribute("+a", &sub.path().join("append"));
    attribute("+i", &tree.path().join("empty"));
    attribute("+i", sub.path());
    attribute("+a", tree.path());
    assert!(
        tree.remove_empty_dir("empty")
            .unwrap_err()
            .is_permission_denied()
    );
    remove_tree(&dir, "tree").unwrap();
    assert!(!dir.exists("tree").unwrap());
}

#[test]
fn root_mounts_below_are_detached_and_their_content_stays() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    let kept = dir.ensure_dir("kept", 0o700).unwrap();
    drop(kept.create_file("precious", 0o600).unwrap());
    drop(
        kept.ensure_dir("deep", 0o700)
            .unwrap()
            .create_file("too", 0o600)
            .unwrap(),
    );
    let tree = dir.ensure_dir("tree", 0o700).unwrap();
    let twice = tree.ensure_dir("twice", 0o700).unwrap();
    // A bind mount of the same filesystem has the same device number, so only checking for mounts
    // tells it from a directory.
    mount::bind_mount(kept.path(), twice.path(), Depth::Single).unwrap();
    mount::bind_mount(kept.path(), twice.path(), Depth::Single).unwrap();
    drop(tree.create_file("file", 0o600).unwrap());
    mount::bind_mount(
        &kept.path().join("precious"),
        &tree.path().join("file"),
        Depth::Single,
    )
    .unwrap();
    remove_tree(&dir, "tree").unwrap();
    assert!(!dir.exists("tree").unwrap());
    assert!(kept.exists("precious").unwrap());
    assert!(kept.open_dir("deep").unwrap().exists("too").unwrap());
    let mounts = layerhold_sys::mountinfo::read_mounts().unwrap();
    assert!(
        mounts
            .iter()
            .all(|mount| !mount.mount_point.starts_with(tree.path()))
    );
}

#[test]
fn root_a_mounted_top_is_detached_and_removed() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    let kept = dir.ensure_dir("kept", 0o700).unwrap();
    drop(kept.create_file("precious", 0o600).unwrap());
    dir.create_dir("top", 0o700).unwrap();
    mount::bind_mount(kept.path(), &filesystem.path().join("top"), Depth::Single).unwrap();
    remove_tree(&dir, "top").unwrap();
    assert!(!dir.exists("top").unwrap());
    assert!(kept.exists("precious").unwrap());
}

#[test]
fn root_device_nodes_and_whiteouts_are_removed() {
    let Some(()) = require_root() else { return };
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    let tree = dir.ensure_dir("tree", 0o000).unwrap();
    tree.make_node("whiteout", NodeKind::CharDevice, 0, 0)
        .unwrap();
    tree.make_node("null", NodeKind::CharDevice, 0o600, make_device(1, 3))
        .unwrap();
    tree.make_node("fifo", NodeKind::Fifo, 0o600, 0).unwrap();
    remove_tree(&dir, "tree").unwrap();
    assert!(!dir.exists("tree").unwrap());
}

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    assert_eq!(role.name(), "remove");
    let dir = Dir::open_ambient(role.argument(0)).unwrap();
    role.say(&format!("{:?}", remove_tree(&dir, "tree").is_ok()));
}

#[test]
fn root_an_ordinary_user_removes_what_permissions_forbid() {
    let Some(()) = require_root() else { return };
    let Some(()) = require_peer("setpriv") else {
        return;
    };
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    let tree = dir.ensure_dir("tree", 0o700).unwrap();
    let closed = tree.ensure_dir("closed", 0o700).unwrap();
    drop(closed.create_file("f", 0o000).unwrap());
    drop(closed.ensure_dir("inner", 0o000).unwrap());
    for (dir, name) in [(&closed, "inner"), (&tree, "closed"), (&dir, "tree")] {
        dir.set_owner(name, Some(1234), Some(1234)).unwrap();
    }
    closed.set_owner("f", Some(1234), Some(1234)).unwrap();
    closed.set_own_mode(0o000).unwrap();
    tree.set_own_mode(0o500).unwrap();
    dir.set_own_mode(0o777).unwrap();
    let mut child = ChildSpec::new("removal::child_entry", "remove")
        .argument(place.path().display())
        .through(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"])
        .spawn();
    child.expect("true");
    assert!(child.wait().success());
    assert!(!dir.exists("tree").unwrap());
}
