//! Mounts: depth, options, who counts.

use std::fs;
use std::path::Path;
use std::process::Command;

use layerhold_driver::layerhold_sys::OverlayApi;
use layerhold_driver::{Driver, DriverFactory, LayerError, MountDurability, MountOptions, Trash};
use layerhold_driver_overlay::OverlayFactory;
use layerhold_testkit::TarBuilder;

use crate::support::{Place, id, mount_line, names, read, write};

/// Stacks layers until `count` are below the last one, whose name is returned.
fn stack(place: &Place, count: usize) -> String {
    place.layer(
        "n0",
        None,
        &TarBuilder::new().file("bottom", 0o644, "here").finish(),
    );
    for n in 1..=count {
        place.writable(&format!("n{n}"), Some(&format!("n{}", n - 1)));
    }
    format!("n{count}")
}

#[test]
fn root_500_layers_may_be_below_another_one() {
    let Some(place) = Place::new() else { return };
    let top = stack(&place, 500);
    for api in [OverlayApi::detect(), OverlayApi::Classic] {
        let driver = OverlayFactory::new()
            .with_api(api)
            .open(&place.config)
            .unwrap();
        let path = driver.mount(&id(&top), &MountOptions::new()).unwrap();
        assert_eq!(read(path.join("bottom")), "here", "{api:?}");
        driver.unmount(&id(&top)).unwrap();
    }
    place.writable("n501", Some(&top));
    let error = place
        .driver
        .mount(&id("n501"), &MountOptions::new())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "max depth exceeded: 501 layers are below layer n501, and 500 can be mounted"
    );
    assert!(
        matches!(
            error,
            LayerError::MaxDepth {
                layers: 501,
                limit: 500,
                ..
            }
        ),
        "{error:?}"
    );
    // Read-only it is one of the lower directories itself.
    let error = place
        .driver
        .mount(&id(&top), &MountOptions::read_only())
        .unwrap_err();
    assert!(
        matches!(error, LayerError::MaxDepth { layers: 501, .. }),
        "{error:?}"
    );
}

#[test]
fn root_options_reach_the_kernel() {
    let Some(place) = Place::with(&["overlay.mountopt=nodev,metacopy=on"]) else {
        return;
    };
    place.writable("l1", None);
    let line = |options: &MountOptions| {
        place.mounted_with("l1", options, |path| mount_line(path).unwrap())
    };
    let configured = line(&MountOptions::new());
    assert!(
        configured.contains("nodev") && configured.contains("metacopy=on"),
        "{configured}"
    );
    assert!(configured.contains("upperdir="), "{configured}");
    // Those of the call stand in place of the configured ones, except for the one that has to be
    // the same always.
    let called = line(&MountOptions::new().with_option("noexec"));
    assert!(
        called.contains("noexec") && !called.contains("nodev"),
        "{called}"
    );
    assert!(called.contains("metacopy=on"), "{called}");
    let read_only = line(&MountOptions::read_only());
    assert!(
        read_only.contains(" ro,") && !read_only.contains("upperdir="),
        "{read_only}"
    );

    let wrong = MountOptions::new().with_option("colour=red");
    let error = place.driver.mount(&id("l1"), &wrong).unwrap_err();
    assert!(
        error.to_string().starts_with("creating overlay mount to "),
        "{error}"
    );
    assert!(error.to_string().contains("colour=red"), "{error}");
    assert_eq!(mount_line(&place.home("l1/merged")), None);
}

#[test]
fn root_volatile_mounts_can_be_mounted_again() {
    let Some(place) = Place::new() else { return };
    place.writable("l1", None);
    let volatile = MountOptions::new().with_durability(MountDurability::Volatile);
    for round in ["first", "second"] {
        place.mounted_with("l1", &volatile, |path| {
            assert!(mount_line(path).unwrap().contains("volatile"));
            write(path.join(round), "x");
        });
    }
    // The kernel's own mark, which a crash leaves and a clean end too.
    assert!(place.home("l1/work/work/incompat/volatile").exists());
    place.mounted("l1", |path| assert_eq!(names(path), ["first", "second"]));
}

#[test]
fn root_a_mount_that_nobody_counts_is_taken_over() {
    let Some(place) = Place::new() else { return };
    place.writable("l1", None);
    let path = place.driver.mount(&id("l1"), &MountOptions::new()).unwrap();
    write(path.join("f"), "x");
    // Another process finds what a crashed one left.
    let second = place.reopen();
    assert_eq!(second.mount(&id("l1"), &MountOptions::new()).unwrap(), path);
    second.unmount(&id("l1")).unwrap();
    assert_eq!(mount_line(&path), None);
    // And the first one finds that it was unmounted.
    assert_eq!(place.mounted("l1", |path| read(path.join("f"))), "x");

    // What is left may be of another sort than what is wanted now.
    place
        .driver
        .mount(&id("l1"), &MountOptions::read_only())
        .unwrap();
    let third = place.reopen();
    third.mount(&id("l1"), &MountOptions::new()).unwrap();
    write(path.join("f"), "y");
    third.unmount(&id("l1")).unwrap();
    assert_eq!(mount_line(&path), None);
}

#[test]
fn root_unmounting_what_another_process_mounted() {
    let Some(place) = Place::new() else { return };
    place.writable("l1", None);
    let path = place.driver.mount(&id("l1"), &MountOptions::new()).unwrap();
    place.reopen().unmount(&id("l1")).unwrap();
    assert_eq!(mount_line(&path), None);
    // Not mounted at all is as good.
    place.reopen().unmount(&id("l1")).unwrap();
    assert!(
        names(place.home("l1"))
            .iter()
            .all(|name| name != "merged.1")
    );
}

#[test]
fn root_a_lost_mount_point_is_made_again() {
    let Some(place) = Place::new() else { return };
    place.writable("l1", None);
    fs::remove_dir(place.home("l1/merged")).unwrap();
    place.mounted("l1", |path| assert!(names(path).is_empty()));
    fs::remove_dir(place.home("l1/merged")).unwrap();
    place.driver.unmount(&id("l1")).unwrap();
}

#[test]
fn root_layers_in_use_are_not_removed() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "l1",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    let path = place.driver.mount(&id("l1"), &MountOptions::new()).unwrap();
    let mut user = Command::new("sleep")
        .arg("60")
        .current_dir(&path)
        .spawn()
        .unwrap();
    // The process has to have begun.
    let cwd = format!("/proc/{}/cwd", user.id());
    while fs::read_link(&cwd).unwrap() != path {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let mut trash = Trash::new();
    // No driver of this process counts the mount, as after a crash.
    let error = place.reopen().remove(&id("l1"), &mut trash).unwrap_err();
    user.kill().unwrap();
    user.wait().unwrap();
    match &error {
        LayerError::Busy { users, .. } => {
            let expected = format!("sleep (process {}: current directory)", user.id());
            assert_eq!(*users, [expected]);
        }
        other => panic!("{other:?}"),
    }
    // The layer is as it was, in every part.
    assert_eq!(names(place.home("l")).len(), 1);
    assert_eq!(read(path.join("f")), "x");
    place.reopen().remove(&id("l1"), &mut trash).unwrap();
    trash.erase().unwrap();
    assert_eq!(mount_line(&path), None);
    assert!(names(place.home("l")).is_empty());
}

#[test]
fn root_looking_at_a_layer_does_not_touch_its_mount() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "l1",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    for api in [OverlayApi::detect(), OverlayApi::Classic] {
        let driver = OverlayFactory::new()
            .with_api(api)
            .open(&place.config)
            .unwrap();
        let view = driver.view(&id("l1"), "").unwrap();
        assert!(view.root().exists("f").unwrap());
        assert!(
            view.root()
                .create_file("g", 0o600)
                .unwrap_err()
                .is_read_only_filesystem()
        );
        assert_eq!(mount_line(&place.home("l1/merged")), None);
        // While the view is open, the layer may be mounted, unmounted and viewed.
        let path = driver.mount(&id("l1"), &MountOptions::new()).unwrap();
        drop(view);
        assert_eq!(read(path.join("f")), "x");
        driver.unmount(&id("l1")).unwrap();
        assert!(names(place.home("tempdirs")).is_empty());
    }
}

/// Runs `mount` or `umount`.
fn by_hand(program: &str, arguments: &[&str]) {
    assert!(
        Command::new(program)
            .args(arguments)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn root_shutting_down_takes_away_what_opening_mounted() {
    let Some(place) = Place::new() else { return };
    place.layer(
        "l1",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    let home = place.home("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    assert!(mount_line(Path::new(home)).is_some());
    place.driver.cleanup().unwrap();
    assert_eq!(mount_line(Path::new(home)), None);
    place.driver.cleanup().unwrap();
    // A directory that is a mount already is used as it is, and stays a mount: a disk, and another
    // directory of the same disk.
    let other = place.base().join("other");
    fs::create_dir(&other).unwrap();
    let other = other.to_str().unwrap();
    for arguments in [
        &["-t", "tmpfs", "tmpfs", home][..],
        &["--bind", other, home],
    ] {
        by_hand("mount", arguments);
        let mounted = mount_line(Path::new(home)).unwrap();
        let place = Place::at(place.base(), &[]);
        assert!(names(home).iter().all(|name| name != "l1"));
        place.layer(
            "there",
            None,
            &TarBuilder::new().file("g", 0o644, "y").finish(),
        );
        place.mounted("there", |path| assert_eq!(read(path.join("g")), "y"));
        place.driver.cleanup().unwrap();
        assert_eq!(
            mounted.split(' ').next(),
            mount_line(Path::new(home)).unwrap().split(' ').next()
        );
        assert!(names(home).contains(&"there".to_owned()));
        // What a driver made beside it is its own.
        let again = Place::at(place.base(), &[]);
        again.mounted("there", |path| assert_eq!(read(path.join("g")), "y"));
        std::mem::forget((place, again));
        by_hand("umount", &[home]);
    }
    assert_eq!(mount_line(Path::new(home)), None);
    let place = Place::at(place.base(), &[]);
    place.mounted("l1", |path| assert_eq!(read(path.join("f")), "x"));
}

#[test]
fn root_labels_are_handed_to_the_kernel() {
    let Some(place) = Place::new() else { return };
    if Path::new("/sys/fs/selinux/enforce").exists() {
        return;
    }
    place.writable("l1", None);
    let label = "system_u:object_r:container_file_t:s0:c1,c2";
    // Without SELinux the kernel does not know what to do with one, which is how we see that it got
    // it.
    let options = MountOptions::new().with_label(label);
    let error = place.driver.mount(&id("l1"), &options).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("context=\\\"{label}\\\"")),
        "{error}"
    );
}
