//! What an area does while its owner lives.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use layerhold_staging::{BeginError, StagedDeletion, TempRoot};
use layerhold_sys::Dir;
use layerhold_testkit::{
    ChildSpec, FilesystemKind, child_role, require_filesystem, require_peer, require_root, scratch,
};

use super::support::{names, store};

fn number(name: &str, prefix: &str) -> u32 {
    name.strip_prefix(prefix).unwrap().parse().unwrap()
}

#[test]
fn the_layout_is_the_documented_one() {
    let place = scratch();
    let store = store(place.path());
    let root = TempRoot::new(place.path().join("a/tmp"));
    assert!(!root.path().exists());
    let area = root.begin().unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(root.path()), 0o700);
    assert_eq!(mode(area.dir().path()), 0o700);
    let entries = names(root.path());
    assert_eq!(entries.len(), 2);
    assert_eq!(
        number(&entries[0], "lock-"),
        number(&entries[1], "temp-dir-")
    );

    assert_eq!(
        area.stage_deletion(&store, "first").unwrap(),
        StagedDeletion::Moved
    );
    let addition = area.stage_addition();
    addition
        .create_file(0o600)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert_eq!(
        area.stage_deletion(&store, "file").unwrap(),
        StagedDeletion::Moved
    );
    assert_eq!(
        area.stage_deletion(&store, "missing").unwrap(),
        StagedDeletion::Missing
    );
    assert_eq!(
        names(area.dir().path()),
        ["0-first", "1-addition", "2-file"]
    );
    assert_eq!(names(store.path()), ["second"]);
    area.close().unwrap();
    assert!(names(root.path()).is_empty());
}

#[test]
fn additions_are_moved_to_their_place_or_erased() {
    let place = scratch();
    let store = store(place.path());
    let root = TempRoot::new(place.path().join("tmp"));
    let area = root.begin().unwrap();
    let kept = area.stage_addition();
    drop(
        kept.create_dir(0o755)
            .unwrap()
            .create_file("f", 0o600)
            .unwrap(),
    );
    let dropped = area.stage_addition();
    assert_ne!(kept.name(), dropped.name());
    drop(dropped.create_file(0o600).unwrap());
    let refused = kept.commit(&store, "first").unwrap_err();
    assert!(refused.source.already_exists());
    // The place it was refused is untouched, and it can be tried again.
    assert!(store.open_dir("first").unwrap().exists("content").unwrap());
    refused.addition.commit(&store, "third").unwrap();
    drop(area);
    assert!(store.open_dir("third").unwrap().exists("f").unwrap());
    assert!(names(root.path()).is_empty());
    assert!(
        dropped
            .commit(&store, "late")
            .unwrap_err()
            .source
            .is_not_found()
    );
}

#[test]
fn names_too_long_with_their_number_are_cut() {
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    let area = TempRoot::new(place.path().join("tmp")).begin().unwrap();
    let long = "n".repeat(255);
    for name in [long.clone(), "ä".repeat(127)] {
        drop(dir.create_file(&name, 0o600).unwrap());
        assert_eq!(
            area.stage_deletion(&dir, &name).unwrap(),
            StagedDeletion::Moved
        );
        assert!(!dir.exists(&name).unwrap());
    }
    assert!(area.dir().exists(format!("0-{}", &long[2..])).unwrap());
    area.close().unwrap();
}

#[test]
fn many_threads_share_an_area() {
    let place = scratch();
    let dir = Dir::open_ambient(place.path()).unwrap();
    let area = TempRoot::new(place.path().join("tmp")).begin().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (area, dir) = (&area, &dir);
            scope.spawn(move || {
                for n in 0..50 {
                    let name = format!("{thread}-{n}");
                    drop(dir.create_file(&name, 0o600).unwrap());
                    assert_eq!(
                        area.stage_deletion(dir, &name).unwrap(),
                        StagedDeletion::Moved
                    );
                }
            });
        }
    });
    assert_eq!(area.dir().entries().unwrap().count(), 200);
    area.close().unwrap();
}

#[test]
fn areas_in_use_are_left_alone() {
    let place = scratch();
    let root = TempRoot::new(place.path().join("tmp"));
    assert!(root.recover_stale().unwrap().removed.is_empty());
    let (one, two) = (root.begin().unwrap(), root.begin().unwrap());
    drop(one.stage_addition().create_file(0o600).unwrap());
    let recovery = root.recover_stale().unwrap();
    assert_eq!((recovery.removed.len(), recovery.in_use.len()), (0, 2));
    assert!(one.dir().exists("0-addition").unwrap());
    two.close().unwrap();
    let recovery = root.recover_stale().unwrap();
    assert_eq!((recovery.removed.len(), recovery.in_use.len()), (0, 1));
    drop(one);
    assert!(names(root.path()).is_empty());
}

#[test]
fn what_is_not_ours_in_the_root_is_left_alone() {
    let place = scratch();
    let root = TempRoot::new(place.path());
    std::fs::write(place.path().join("other"), "").unwrap();
    std::fs::create_dir(place.path().join("temp")).unwrap();
    assert!(root.recover_stale().unwrap().removed.is_empty());
    assert_eq!(names(place.path()), ["other", "temp"]);
}

#[test]
fn abandoned_areas_of_every_form_are_removed() {
    let place = scratch();
    let root = TempRoot::new(place.path());
    let at = |name: &str| place.path().join(name);
    // A lock file alone, a directory alone, both, and names no generator gives.
    std::fs::write(at("lock-1"), "").unwrap();
    std::fs::create_dir_all(at("temp-dir-2/0-x/y")).unwrap();
    std::fs::write(at("lock-3"), "").unwrap();
    std::fs::create_dir_all(at("temp-dir-3/0-x")).unwrap();
    std::fs::create_dir_all(at("temp-dir-")).unwrap();
    std::fs::write(at("lock-with spaces\n"), "").unwrap();
    let recovery = root.recover_stale().unwrap();
    assert_eq!(recovery.removed, ["", "1", "2", "3", "with spaces\n"]);
    assert!(recovery.failed.is_empty());
    assert!(names(place.path()).is_empty());
}

#[test]
fn one_area_that_cannot_be_removed_does_not_keep_the_others() {
    let place = scratch();
    let root = TempRoot::new(place.path());
    // No tool creates a directory of this name, and it cannot be locked.
    std::fs::create_dir(place.path().join("lock-1")).unwrap();
    std::os::unix::fs::symlink("/", place.path().join("lock-2")).unwrap();
    std::fs::write(place.path().join("lock-3"), "").unwrap();
    let recovery = root.recover_stale().unwrap();
    assert_eq!(recovery.removed, ["3"]);
    let failed: Vec<_> = recovery
        .failed
        .iter()
        .map(|failure| &failure.area)
        .collect();
    assert_eq!(failed, ["1", "2"]);
    assert_eq!(names(place.path()), ["lock-1", "lock-2"]);
}

#[test]
fn a_link_in_place_of_an_area_is_removed_and_not_followed() {
    let place = scratch();
    let store = store(place.path());
    let root = TempRoot::new(place.path().join("tmp"));
    std::fs::create_dir(root.path()).unwrap();
    std::os::unix::fs::symlink(store.path(), root.path().join("temp-dir-1")).unwrap();
    assert_eq!(root.recover_stale().unwrap().removed, ["1"]);
    assert!(names(root.path()).is_empty());
    assert_eq!(names(store.path()), ["file", "first", "second"]);
}

#[test]
fn a_root_that_cannot_be_made_is_told() {
    let place = scratch();
    std::fs::write(place.path().join("file"), "").unwrap();
    let root = TempRoot::new(place.path().join("file/tmp"));
    assert!(matches!(root.begin(), Err(BeginError::Root { .. })));
    let error = root.recover_stale().unwrap_err();
    assert_eq!(error.path, root.path());
}

#[test]
fn root_things_on_another_filesystem_are_refused_and_stay() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let place = scratch();
    let store = store(place.path());
    let area = TempRoot::new(filesystem.path().join("tmp"))
        .begin()
        .unwrap();
    let error = area.stage_deletion(&store, "first").unwrap_err();
    assert!(error.source.crosses_devices());
    assert_eq!(error.path, store.path().join("first"));
    assert!(store.exists("first").unwrap());
    area.close().unwrap();
}

#[test]
fn root_a_full_disk_does_not_keep_things_from_being_deleted() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Ext4, 8) else {
        return;
    };
    let store = store(filesystem.path());
    let root = TempRoot::new(filesystem.path().join("tmp"));
    let area = root.begin().unwrap();
    let ballast = vec![1; 32 << 20];
    assert!(std::fs::write(filesystem.path().join("ballast"), ballast).is_err());
    assert_eq!(
        area.stage_deletion(&store, "first").unwrap(),
        StagedDeletion::Moved
    );
    area.close().unwrap();
    assert_eq!(names(store.path()), ["file", "second"]);
}

#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let base = std::path::Path::new(role.argument(0));
    let store = Dir::open_ambient(base)
        .unwrap()
        .ensure_dir("store", 0o700)
        .unwrap();
    let root = TempRoot::new(base.join("tmp"));
    let area = root.begin().unwrap();
    // Directories their owner may not write, as layers often have at the top.
    let closed = store.ensure_dir("closed", 0o555).unwrap();
    drop(closed);
    assert_eq!(
        area.stage_deletion(&store, "closed").unwrap(),
        StagedDeletion::Moved
    );
    let addition = area.stage_addition();
    let dir = addition.create_dir(0o700).unwrap();
    dir.set_own_mode(0o555).unwrap();
    addition.commit(&store, "added").unwrap();
    assert_eq!(store.stat("added").unwrap().unwrap().permissions(), 0o555);
    area.close().unwrap();
    role.say("done");
}

#[test]
fn root_an_ordinary_user_moves_unwritable_directories() {
    let (Some(()), Some(())) = (require_root(), require_peer("setpriv")) else {
        return;
    };
    let place = scratch();
    std::os::unix::fs::chown(place.path(), Some(1234), Some(1234)).unwrap();
    let mut child = ChildSpec::new("areas::child_entry", "user")
        .argument(place.path().display())
        .through(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"])
        .spawn();
    child.expect("done");
    assert!(child.wait().success());
    assert_eq!(names(&place.path().join("store")), ["added"]);
    assert!(names(&place.path().join("tmp")).is_empty());
}
