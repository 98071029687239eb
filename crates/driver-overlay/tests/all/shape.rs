//! What is on the disk, name by name as Go has it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use layerhold_driver::layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_driver::{
    Driver, DriverConfig, LayerAccess, LayerError, LayerRef, OpenError, StageRequest, Trash,
};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_testkit::{FilesystemKind, TarBuilder, TarEntry, require_filesystem};

use crate::support::{Place, id, names, read};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn root_layers_are_directories_with_a_short_name() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "base",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    place.writable("child", Some("base"));
    place.writable("grandchild", Some("child"));

    assert_eq!(
        names(place.home("")),
        [
            ".has-mount-program",
            "base",
            "child",
            "grandchild",
            "l",
            "tempdirs"
        ]
    );
    assert_eq!(read(place.home(".has-mount-program")), "false");
    assert_eq!(
        names(place.home("base")),
        ["diff", "empty", "link", "merged", "work"]
    );
    assert_eq!(
        names(place.home("child")),
        ["diff", "link", "lower", "merged", "work"]
    );
    for (path, expected) in [
        ("", 0o755),
        ("l", 0o755),
        (".has-mount-program", 0o600),
        ("tempdirs", 0o700),
        ("base", 0o700),
        ("base/diff", 0o555),
        ("base/empty", 0o700),
        ("base/link", 0o644),
        ("base/merged", 0o700),
        ("base/work", 0o700),
        ("child/diff", 0o555),
        ("child/lower", 0o644),
    ] {
        assert_eq!(mode(place.home(path)), expected, "{path}");
    }
    let link = |name: &str| read(place.home(name).join("link"));
    for name in ["base", "child", "grandchild"] {
        assert_eq!(link(name).len(), 26, "{name}");
        let target = fs::read_link(place.home("l").join(link(name))).unwrap();
        assert_eq!(target, Path::new("..").join(name).join("diff"));
    }
    assert_eq!(
        read(place.home("child/lower")),
        format!("l/{}", link("base"))
    );
    assert_eq!(
        read(place.home("grandchild/lower")),
        format!("l/{}:l/{}", link("child"), link("base"))
    );

    place.remove("grandchild");
    assert_eq!(names(place.home("l")).len(), 2);
    place.remove("child");
    place.remove("base");
    assert_eq!(
        names(place.home("")),
        [".has-mount-program", "l", "tempdirs"]
    );
    assert!(names(place.home("l")).is_empty() && names(place.home("tempdirs")).is_empty());
}

#[test]
fn root_names_of_the_driver_are_no_layers() {
    let Some(place) = Place::new() else { return };
    for name in ["l", "tempdirs", "staging"] {
        assert!(!place.driver.exists(&id(name)).unwrap());
        let failed = place.stage(None, LayerAccess::ReadOnly).commit(&id(name));
        assert!(matches!(
            failed.unwrap_err().source,
            LayerError::Exists { .. }
        ));
        place.remove(name);
    }
    assert_eq!(
        names(place.home("")),
        [".has-mount-program", "l", "tempdirs"]
    );
}

#[test]
fn root_children_have_the_root_directory_of_their_parent() {
    let Some(place) = Place::new() else { return };
    // The entry of the root applies, as in every driver.
    let tar = TarBuilder::new()
        .entry(TarEntry::dir("./").mode(0o1750).owner(7, 8))
        .finish();
    place.layer("base", None, &tar);
    place.layer("child", Some("base"), &[0; 1024]);
    let mut both = Vec::new();
    for name in ["base", "child"] {
        let stat = fs::metadata(place.home(name).join("diff")).unwrap();
        both.push((stat.mode() & 0o7777, stat.uid(), stat.gid()));
    }
    assert_eq!(both, [(0o1750, 7, 8); 2]);

    // Filled in the other order: the child was staged before the parent had its entries.
    let parent = place.stage(None, LayerAccess::ReadOnly);
    let request = StageRequest::new().with_parent(LayerRef::Staged(&*parent));
    let early = place.driver.stage(&request).unwrap();
    layerhold_driver::fallback::unpack(&*parent, IdMappings::IDENTITY, &mut tar.as_slice())
        .unwrap();
    parent.commit(&id("late")).unwrap();
    early.commit(&id("early")).unwrap();
    assert_eq!(mode(place.home("early/diff")), 0o1750);
}

#[test]
fn root_directories_belong_to_the_root_of_the_maps() {
    let Some(place) = Place::new() else { return };
    let map = |host| IdMap::new(vec![IdRange::new(0, host, 65536)]);
    let request = StageRequest::new().with_id_maps(IdMappings::new(map(1000), map(2000)));
    place
        .driver
        .stage(&request)
        .unwrap()
        .commit(&id("mapped"))
        .unwrap();
    for path in ["", "diff", "work", "merged", "empty"] {
        let stat = fs::metadata(place.home("mapped").join(path)).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (1000, 2000), "{path}");
    }
}

#[test]
fn root_answers_of_the_kernel_are_kept_as_go_keeps_them() {
    let Some(place) = Place::with(&["overlay.mountopt=nodev"]) else {
        return;
    };
    let expected = [
        ("Backing Filesystem", None),
        ("Supports d_type", Some("true")),
        ("Native Overlay Diff", None),
        ("Using metacopy", Some("false")),
        ("Supports shifting", None),
        ("Supports volatile", None),
    ];
    let status = place.driver.status();
    assert_eq!(status.len(), expected.len());
    for ((key, value), (known, wanted)) in status.iter().zip(expected) {
        assert_eq!(key, known);
        assert!(
            wanted.is_none_or(|wanted| wanted == value),
            "{key}: {value}"
        );
    }
    let kept = names(place.run(""));
    for (feature, row) in [
        ("idmapped-lower-dir", 4),
        ("native-diff(nodev)", 2),
        ("volatile", 5),
    ] {
        assert!(
            kept.contains(&format!("{feature}-{}", status[row].1)),
            "{kept:?}"
        );
    }
    assert!(kept.contains(&"overlay-true".to_owned()), "{kept:?}");
    assert!(
        kept.contains(&"metacopy(nodev)-false".to_owned()),
        "{kept:?}"
    );
    assert_eq!(read(place.run("overlay-true")), "");
    // Nothing that was tried is left behind.
    assert!(names(place.home("tempdirs")).is_empty());

    // They are believed: a kernel that cannot do it is not asked again.
    fs::rename(place.run("volatile-true"), place.run("volatile-false")).unwrap();
    assert_eq!(place.reopen().status()[5].1, "false");
}

#[test]
fn root_metadata_is_told_as_in_go() {
    let Some(place) = Place::new() else { return };
    place.writable("base", None);
    place.writable("child", Some("base"));
    place.writable("top", Some("child"));
    let path = |path: &str| place.home(path).to_str().unwrap().to_owned();
    let told = place.driver.metadata(&id("top")).unwrap();
    let expected = [
        ("LowerDir", path("child/diff") + ":" + &path("base/diff")),
        ("MergedDir", path("top/merged")),
        ("UpperDir", path("top/diff")),
        ("WorkDir", path("top/work")),
    ];
    assert_eq!(told, expected.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!(place.driver.metadata(&id("base")).unwrap().len(), 3);
}

#[test]
fn root_the_home_is_a_mount_of_its_own_unless_told_otherwise() {
    let Some(place) = Place::new() else { return };
    let line = crate::support::mount_line(&place.home("").join("")).or_else(|| {
        crate::support::mount_line(place.home("").parent().unwrap().join("overlay").as_path())
    });
    assert!(line.is_some_and(|line| !line.contains("shared:")));
    place.driver.cleanup().unwrap();
    assert_eq!(
        crate::support::mount_line(&place.config.home("overlay")),
        None
    );

    let Some(place) = Place::with(&["skip_mount_home=true"]) else {
        return;
    };
    assert_eq!(
        crate::support::mount_line(&place.config.home("overlay")),
        None
    );
    place.layer(
        "l1",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    assert_eq!(place.mounted("l1", |path| read(path.join("f"))), "x");
}

#[test]
fn root_a_layer_is_committed_although_the_store_was_shut_down_meanwhile() {
    let Some(place) = Place::new() else { return };
    let staged = place.stage(None, LayerAccess::ReadOnly);
    // Takes the mount of the home away; the next opener makes another one.
    place.driver.cleanup().unwrap();
    let second = place.reopen();
    staged.commit(&id("kept")).unwrap();
    assert!(second.exists(&id("kept")).unwrap());
    assert!(names(place.home("tempdirs")).is_empty());
}

#[test]
fn root_partial_pulls_of_the_dead_are_removed() {
    let Some(place) = Place::new() else { return };
    fs::create_dir_all(place.home("staging/123/dir/usr")).unwrap();
    fs::File::create(place.home("staging/123/staging.lock")).unwrap();
    place.driver.cleanup().unwrap();
    assert!(names(place.home("staging")).is_empty());
}

#[test]
fn root_loop_filesystems_that_cannot_work_are_refused() {
    let Some(small) = require_filesystem(FilesystemKind::Tmpfs, 16) else {
        return;
    };
    let base = small.path();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(base.join(name)).unwrap();
    }
    let merged = base.join("merged");
    let options = format!(
        "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work",
        base.display()
    );
    let mounted = std::process::Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&merged)
        .status()
        .unwrap();
    assert!(mounted.success());
    let config = DriverConfig::new(merged.join("g"), base.join("r"));
    let error = OverlayDriver::open(&config).map(drop);
    std::process::Command::new("umount")
        .arg(&merged)
        .status()
        .unwrap();
    match error {
        // Where fuse-overlayfs is installed it is used without being asked for, as in Go.
        Ok(()) => {}
        Err(error) => {
            assert!(
                matches!(error, OpenError::IncompatibleFilesystem { .. }),
                "{error}"
            );
            assert_eq!(
                error.to_string(),
                "'overlay' is not supported over overlayfs, a mount_program is required: backing file system is unsupported for this graph driver"
            );
        }
    }
}

#[test]
fn root_removing_twice_and_reusing_the_name() {
    let Some(place) = Place::new() else { return };
    place.writable("again", None);
    let first = read(place.home("again/link"));
    let mut trash = Trash::new();
    place.driver.remove(&id("again"), &mut trash).unwrap();
    place.driver.remove(&id("again"), &mut trash).unwrap();
    place.writable("again", None);
    trash.erase().unwrap();
    assert_ne!(read(place.home("again/link")), first);
    assert_eq!(names(place.home("l")).len(), 1);
}
