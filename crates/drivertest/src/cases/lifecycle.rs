//! Making, listing and removing layers.

use std::fs::{self, File};
use std::io::Write;

use layerhold_driver::{Access, LayerError, LayerRef, MountOptions, StageRequest, Trash, fallback};
use layerhold_sys::{Dir, tree_usage};
use layerhold_testkit::TarBuilder;

use crate::case::assert_is;
use crate::fixture::{attributes, fill, id, read};
use crate::{DriverFixture, MountFidelity};

pub(super) fn create_exists_list_remove(fixture: &DriverFixture) {
    assert!(!fixture.driver.exists(&id("empty")).unwrap());
    assert!(!fixture.lists() || fixture.list().is_empty());
    fixture.stage(None).commit(&id("empty")).unwrap();
    assert!(fixture.driver.exists(&id("empty")).unwrap());
    assert!(!fixture.lists() || fixture.list() == ["empty"]);
    fixture.mounted("empty", |path| {
        assert_eq!(attributes(path).0, 0o555);
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    });

    let mut trash = Trash::new();
    fixture.driver.remove(&id("empty"), &mut trash).unwrap();
    assert!(!fixture.driver.exists(&id("empty")).unwrap());
    assert!(!fixture.lists() || fixture.list().is_empty());
    trash.erase().unwrap();
    assert_eq!(fixture.temporary(), [""; 0].map(std::path::PathBuf::from));
}

pub(super) fn unknown_layers_are_reported(fixture: &DriverFixture) {
    #[track_caller]
    fn check<T>(outcome: Result<T, LayerError>) {
        match outcome {
            Err(LayerError::Unknown { id: unknown }) => assert_eq!(unknown, id("nosuch")),
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("found a layer that does not exist"),
        }
    }
    let (unknown, driver) = (id("nosuch"), &fixture.driver);
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

pub(super) fn commit_to_a_taken_id_keeps_the_stage(fixture: &DriverFixture) {
    fixture.layer(
        "taken",
        None,
        &TarBuilder::new().file("who", 0o644, "first").finish(),
    );
    let staged = fixture.stage(None);
    fill(
        &*staged,
        &TarBuilder::new().file("who", 0o644, "second").finish(),
    );
    let failed = staged.commit(&id("taken")).unwrap_err();
    assert!(
        matches!(&failed.source, LayerError::Exists { id: taken } if *taken == id("taken")),
        "{failed:?}"
    );
    assert_eq!(
        fixture.mounted("taken", |path| read(path.join("who"))),
        "first"
    );

    failed.staged.commit(&id("free")).unwrap();
    assert_eq!(
        fixture.mounted("free", |path| read(path.join("who"))),
        "second"
    );
    assert_eq!(
        fixture.mounted("taken", |path| read(path.join("who"))),
        "first"
    );
}

pub(super) fn remove_while_a_process_reads(fixture: &DriverFixture) {
    fixture.layer(
        "doomed",
        None,
        &TarBuilder::new().file("f", 0o644, "still here").finish(),
    );
    let path = fixture
        .driver
        .mount(&id("doomed"), &MountOptions::new())
        .unwrap();
    let reader = Dir::open_ambient(&path).unwrap();
    fixture.driver.unmount(&id("doomed")).unwrap();

    let mut trash = Trash::new();
    fixture.driver.remove(&id("doomed"), &mut trash).unwrap();
    // The ID is free although the contents are not erased yet.
    fixture.layer(
        "doomed",
        None,
        &TarBuilder::new().file("f", 0o644, "new").finish(),
    );
    drop(reader);
    trash.erase().unwrap();
    assert_eq!(
        fixture.mounted("doomed", |path| read(path.join("f"))),
        "new"
    );
    assert!(fixture.temporary().is_empty());
}

pub(super) fn remove_leaves_siblings_and_children_alone(fixture: &DriverFixture) {
    fixture.layer(
        "base",
        None,
        &TarBuilder::new().file("f", 0o644, "base").finish(),
    );
    fixture.layer(
        "left",
        Some("base"),
        &TarBuilder::new().file("g", 0o644, "left").finish(),
    );
    fixture.layer(
        "right",
        Some("base"),
        &TarBuilder::new().file("g", 0o644, "right").finish(),
    );
    let before = fixture.tree("left");
    fixture.remove("right");
    before.assert_same(&fixture.tree("left"));
    // One trash takes any number of layers.
    let mut trash = Trash::new();
    fixture.driver.remove(&id("left"), &mut trash).unwrap();
    fixture.driver.remove(&id("base"), &mut trash).unwrap();
    trash.erase().unwrap();
    assert!(!fixture.lists() || fixture.list().is_empty());
    assert!(fixture.temporary().is_empty());
}

pub(super) fn usage_counts_each_inode_once(fixture: &DriverFixture) {
    fixture.writable("used", None);
    let empty = fixture.driver.usage(&id("used")).unwrap();
    fixture.mounted("used", |path| {
        fs::create_dir(path.join("d")).unwrap();
        File::create(path.join("d/ten"))
            .unwrap()
            .write_all(&[1; 10])
            .unwrap();
        fs::hard_link(path.join("d/ten"), path.join("again")).unwrap();
        File::create(path.join("empty")).unwrap();
        std::os::unix::fs::symlink("d/ten", path.join("link")).unwrap();
    });
    let used = fixture.driver.usage(&id("used")).unwrap();
    // Ten bytes once, and the five of the link's target; directory, two files and link.
    assert_eq!(used.bytes, empty.bytes + 15);
    match fixture.mount_fidelity() {
        MountFidelity::LikeFuse => assert!(used.inodes >= empty.inodes + 4),
        _ => assert_eq!(used.inodes, empty.inodes + 4),
    }
}

pub(super) fn own_files_are_those_that_usage_counts(fixture: &DriverFixture) {
    let base = TarBuilder::new().file("f", 0o644, "base").finish();
    fixture.layer("base", None, &base);
    let own = TarBuilder::new().file("own", 0o644, "12345").finish();
    fixture.layer("child", Some("base"), &own);
    for layer in ["base", "child"] {
        let usage = fixture.driver.usage(&id(layer)).unwrap();
        // A driver that has no such files of its own says so of every layer.
        let Some(tree) = fixture.driver.diff_dir(&id(layer)).unwrap() else {
            assert!(fixture.driver.diff_dir(&id("base")).unwrap().is_none());
            continue;
        };
        let counted = tree_usage(&tree).unwrap();
        assert_eq!((counted.bytes, counted.inodes), (usage.bytes, usage.inodes));
        let file = if layer == "base" { "f" } else { "own" };
        assert!(tree.exists(file).unwrap());
    }
    match fixture.driver.diff_dir(&id("nosuch")) {
        Ok(None) | Err(LayerError::Unknown { .. }) => {}
        other => panic!("{other:?}"),
    }
}

pub(super) fn read_only_home_is_left_as_it_is(fixture: &DriverFixture) {
    fixture.layer(
        "kept",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    let before = fixture.everything();
    let driver = fixture.reopen(Access::ReadOnly);
    assert!(driver.exists(&id("kept")).unwrap());
    assert_eq!(driver.list().unwrap(), fixture.driver.list().unwrap());
    assert_is!(
        driver.stage(&StageRequest::new()),
        Err(LayerError::ReadOnlyHome { .. })
    );
    let mut trash = Trash::new();
    assert_is!(
        driver.remove(&id("kept"), &mut trash),
        Err(LayerError::ReadOnlyHome { .. })
    );
    trash.erase().unwrap();
    assert_eq!(fixture.everything(), before);

    let nowhere = fixture.root().join("nothing-here");
    fs::create_dir(&nowhere).unwrap();
    let driver = fixture.open_at(&nowhere, Access::ReadOnly);
    assert!(!driver.exists(&id("kept")).unwrap());
    assert_eq!(fs::read_dir(&nowhere).unwrap().count(), 0);
}

pub(super) fn sync_and_cleanup_keep_layers(fixture: &DriverFixture) {
    fixture.layer(
        "kept",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    fixture.driver.sync().unwrap();
    fixture.driver.cleanup().unwrap();
    let driver = fixture.reopen(Access::ReadWrite);
    assert!(driver.exists(&id("kept")).unwrap());
    let staged = driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&id("kept"))))
        .unwrap();
    let tar = TarBuilder::new().file("g", 0o644, "y").finish();
    fallback::unpack(&*staged, Default::default(), &mut tar.as_slice()).unwrap();
    staged.commit(&id("after")).unwrap();
    assert_eq!(
        fixture.mounted("after", |path| read(path.join("f")) + &read(path.join("g"))),
        "xy"
    );
}
