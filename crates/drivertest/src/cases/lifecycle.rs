//! Layers come, are there, and go.

use std::fs::{self, File};
use std::io::Write;

use layerhold_driver::{Access, LayerError, LayerRef, MountOptions, StageRequest, Trash, fallback};
use layerhold_sys::{Dir, tree_usage};
use layerhold_testkit::TarBuilder;

use crate::rig::{attributes, fill, id, read};
use crate::{Rig, Shows};

pub(super) fn create_exists_list_remove(rig: &Rig) {
    assert!(!rig.driver.exists(&id("empty")).unwrap());
    assert!(!rig.lists() || rig.list().is_empty());
    rig.stage(None).commit(&id("empty")).unwrap();
    assert!(rig.driver.exists(&id("empty")).unwrap());
    assert!(!rig.lists() || rig.list() == ["empty"]);
    rig.mounted("empty", |path| {
        assert_eq!(attributes(path).0, 0o555);
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    });

    let mut trash = Trash::new();
    rig.driver.remove(&id("empty"), &mut trash).unwrap();
    assert!(!rig.driver.exists(&id("empty")).unwrap());
    assert!(!rig.lists() || rig.list().is_empty());
    trash.erase().unwrap();
    assert_eq!(rig.temporary(), [""; 0].map(std::path::PathBuf::from));
}

pub(super) fn unknown_layers_are_reported(rig: &Rig) {
    #[track_caller]
    fn check<T>(outcome: Result<T, LayerError>) {
        match outcome {
            Err(LayerError::Unknown { id: unknown }) => assert_eq!(unknown, id("nosuch")),
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("found a layer that does not exist"),
        }
    }
    let (unknown, driver) = (id("nosuch"), &rig.driver);
    check(driver.mount(&unknown, &MountOptions::new()));
    check(driver.usage(&unknown));
    check(driver.contents(&unknown));
    check(driver.apply_target(&unknown, ""));
    check(driver.stage(&StageRequest::new().with_parent(LayerRef::Committed(&unknown))));
    check(driver.stage(&StageRequest::new().with_template(LayerRef::Committed(&unknown))));
    let mut trash = Trash::new();
    driver.remove(&unknown, &mut trash).unwrap();
    trash.erase().unwrap();
}

pub(super) fn commit_to_a_taken_id_keeps_the_stage(rig: &Rig) {
    rig.layer(
        "taken",
        None,
        &TarBuilder::new().file("who", 0o644, "first").finish(),
    );
    let staged = rig.stage(None);
    fill(
        &*staged,
        &TarBuilder::new().file("who", 0o644, "second").finish(),
    );
    let failed = staged.commit(&id("taken")).unwrap_err();
    assert!(
        matches!(&failed.source, LayerError::Exists { id: taken } if *taken == id("taken")),
        "{failed:?}"
    );
    assert_eq!(rig.mounted("taken", |path| read(path.join("who"))), "first");

    failed.staged.commit(&id("free")).unwrap();
    assert_eq!(rig.mounted("free", |path| read(path.join("who"))), "second");
    assert_eq!(rig.mounted("taken", |path| read(path.join("who"))), "first");
}

pub(super) fn remove_while_somebody_reads(rig: &Rig) {
    rig.layer(
        "doomed",
        None,
        &TarBuilder::new().file("f", 0o644, "still here").finish(),
    );
    let path = rig
        .driver
        .mount(&id("doomed"), &MountOptions::new())
        .unwrap();
    let reader = Dir::open_ambient(&path).unwrap();
    rig.driver.unmount(&id("doomed")).unwrap();

    let mut trash = Trash::new();
    rig.driver.remove(&id("doomed"), &mut trash).unwrap();
    // The ID is free although the contents are not erased yet.
    rig.layer(
        "doomed",
        None,
        &TarBuilder::new().file("f", 0o644, "new").finish(),
    );
    drop(reader);
    trash.erase().unwrap();
    assert_eq!(rig.mounted("doomed", |path| read(path.join("f"))), "new");
    assert!(rig.temporary().is_empty());
}

pub(super) fn remove_leaves_siblings_and_children_alone(rig: &Rig) {
    rig.layer(
        "base",
        None,
        &TarBuilder::new().file("f", 0o644, "base").finish(),
    );
    rig.layer(
        "left",
        Some("base"),
        &TarBuilder::new().file("g", 0o644, "left").finish(),
    );
    rig.layer(
        "right",
        Some("base"),
        &TarBuilder::new().file("g", 0o644, "right").finish(),
    );
    let before = rig.tree("left");
    rig.remove("right");
    before.assert_same(&rig.tree("left"));
    // One trash takes any number of layers.
    let mut trash = Trash::new();
    rig.driver.remove(&id("left"), &mut trash).unwrap();
    rig.driver.remove(&id("base"), &mut trash).unwrap();
    trash.erase().unwrap();
    assert!(!rig.lists() || rig.list().is_empty());
    assert!(rig.temporary().is_empty());
}

pub(super) fn usage_counts_each_inode_once(rig: &Rig) {
    rig.writable("used", None);
    let empty = rig.driver.usage(&id("used")).unwrap();
    rig.mounted("used", |path| {
        fs::create_dir(path.join("d")).unwrap();
        File::create(path.join("d/ten"))
            .unwrap()
            .write_all(&[1; 10])
            .unwrap();
        fs::hard_link(path.join("d/ten"), path.join("again")).unwrap();
        File::create(path.join("empty")).unwrap();
        std::os::unix::fs::symlink("d/ten", path.join("link")).unwrap();
    });
    let used = rig.driver.usage(&id("used")).unwrap();
    // Ten bytes once, and the five of the link's target; directory, two files and link.
    assert_eq!(used.bytes, empty.bytes + 15);
    match rig.shows() {
        Shows::LikeFuse => assert!(used.inodes >= empty.inodes + 4),
        _ => assert_eq!(used.inodes, empty.inodes + 4),
    }
}

pub(super) fn own_files_are_those_that_usage_counts(rig: &Rig) {
    let base = TarBuilder::new().file("f", 0o644, "base").finish();
    rig.layer("base", None, &base);
    let own = TarBuilder::new().file("own", 0o644, "12345").finish();
    rig.layer("child", Some("base"), &own);
    for layer in ["base", "child"] {
        let usage = rig.driver.usage(&id(layer)).unwrap();
        // A driver that has no such files of its own says so of every layer.
        let Some(tree) = rig.driver.diff_dir(&id(layer)).unwrap() else {
            assert!(rig.driver.diff_dir(&id("base")).unwrap().is_none());
            continue;
        };
        let counted = tree_usage(&tree).unwrap();
        assert_eq!((counted.bytes, counted.inodes), (usage.bytes, usage.inodes));
        let file = if layer == "base" { "f" } else { "own" };
        assert!(tree.exists(file).unwrap());
    }
    match rig.driver.diff_dir(&id("nosuch")) {
        Ok(None) | Err(LayerError::Unknown { .. }) => {}
        other => panic!("{other:?}"),
    }
}

pub(super) fn read_only_home_is_left_as_it_is(rig: &Rig) {
    rig.layer(
        "kept",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    let before = rig.everything();
    let driver = rig.reopen(Access::ReadOnly);
    assert!(driver.exists(&id("kept")).unwrap());
    assert_eq!(driver.list().unwrap(), rig.driver.list().unwrap());
    assert!(matches!(
        driver.stage(&StageRequest::new()),
        Err(LayerError::ReadOnlyHome { .. })
    ));
    let mut trash = Trash::new();
    let refused = driver.remove(&id("kept"), &mut trash);
    assert!(
        matches!(refused, Err(LayerError::ReadOnlyHome { .. })),
        "{refused:?}"
    );
    trash.erase().unwrap();
    assert_eq!(rig.everything(), before);

    let nowhere = rig.root().join("nothing-here");
    fs::create_dir(&nowhere).unwrap();
    let driver = rig.open_at(&nowhere, Access::ReadOnly);
    assert!(!driver.exists(&id("kept")).unwrap());
    assert_eq!(fs::read_dir(&nowhere).unwrap().count(), 0);
}

pub(super) fn sync_and_cleanup_keep_layers(rig: &Rig) {
    rig.layer(
        "kept",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    rig.driver.sync().unwrap();
    rig.driver.cleanup().unwrap();
    let driver = rig.reopen(Access::ReadWrite);
    assert!(driver.exists(&id("kept")).unwrap());
    let staged = driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&id("kept"))))
        .unwrap();
    let tar = TarBuilder::new().file("g", 0o644, "y").finish();
    fallback::unpack(&*staged, Default::default(), &mut tar.as_slice()).unwrap();
    staged.commit(&id("after")).unwrap();
    assert_eq!(
        rig.mounted("after", |path| read(path.join("f")) + &read(path.join("g"))),
        "xy"
    );
}
