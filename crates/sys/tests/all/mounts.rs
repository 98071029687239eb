//! Mounts and the mount table.

use std::ffi::OsStr;

use layerhold_sys::mount::{self, Depth, Detach, MountOptions, Propagation};
use layerhold_sys::{Dir, FsMagic, fs_magic, is_read_only, mountinfo};
use layerhold_testkit::{FilesystemKind, require_filesystem};

fn info(path: &std::path::Path) -> mountinfo::MountInfo {
    let mounts = mountinfo::read_mounts().unwrap();
    let found = mounts.into_iter().rfind(|mount| mount.mount_point == path);
    found.unwrap_or_else(|| panic!("{} is not mounted", path.display()))
}

#[test]
fn root_mounts_come_and_go() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    // A name that the mount table has to escape.
    let target = dir.ensure_dir("a b\\c\td", 0o700).unwrap();
    let path = target.path();
    assert!(!mount::is_mount_point(path).unwrap());
    let options = MountOptions::parse("nosuid,nodev,size=64k,mode=711,private");
    mount::mount(OsStr::new("source"), path, "tmpfs", &options).unwrap();
    assert!(mount::is_mount_point(path).unwrap());
    let shown = info(path);
    assert_eq!(
        (shown.fs_type, shown.source),
        ("tmpfs".into(), "source".into())
    );
    let words = shown
        .options
        .to_str()
        .unwrap()
        .split(',')
        .collect::<Vec<_>>();
    assert!(words.contains(&"nosuid") && words.contains(&"nodev"));
    assert!(shown.propagation.is_empty());
    let inside = Dir::open_ambient(path).unwrap();
    assert_eq!(fs_magic(&inside).unwrap(), FsMagic::TMPFS);
    assert_eq!(inside.stat_self().unwrap().permissions(), 0o711);
    // Busy, so only a lazy unmount succeeds at once.
    mount::unmount(path, Detach::Lazy).unwrap();
    assert!(!mount::is_mount_point(path).unwrap());
    mount::unmount(path, Detach::Lazy).unwrap();
    drop(inside);
}

#[test]
fn root_bind_mounts_become_read_only_and_private() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    let source = dir.ensure_dir("source", 0o700).unwrap();
    let target = dir.ensure_dir("target", 0o700).unwrap();
    let options = MountOptions::parse("bind,ro");
    mount::mount(source.path().as_os_str(), target.path(), "", &options).unwrap();
    let inside = Dir::open_ambient(target.path()).unwrap();
    assert!(is_read_only(&inside).unwrap() && !is_read_only(&source).unwrap());
    assert!(
        inside
            .create_file("f", 0o600)
            .unwrap_err()
            .is_read_only_filesystem()
    );
    drop(source.create_file("f", 0o600).unwrap());
    drop(inside);

    let second = dir.ensure_dir("second", 0o700).unwrap();
    mount::bind_mount(source.path(), second.path(), Depth::Single).unwrap();
    mount::remount_read_only(second.path()).unwrap();
    let inside = Dir::open_ambient(second.path()).unwrap();
    assert!(
        inside
            .create_file("g", 0o600)
            .unwrap_err()
            .is_read_only_filesystem()
    );
    drop(inside);

    mount::set_propagation(target.path(), Propagation::Shared, Depth::Single).unwrap();
    assert_eq!(info(target.path()).propagation.len(), 1);
    mount::make_private(target.path()).unwrap();
    assert!(info(target.path()).propagation.is_empty());

    assert!(!mount::is_mount_point(source.path()).unwrap());
    mount::make_private(source.path()).unwrap();
    assert!(mount::is_mount_point(source.path()).unwrap());
    mount::unmount(source.path(), Detach::WhenUnused).unwrap();

    mount::unmount_recursive(filesystem.path(), Detach::Lazy).unwrap();
    assert!(!mount::is_mount_point(filesystem.path()).unwrap());
    // A mount for the handle to unmount on drop.
    mount::make_private(filesystem.path()).unwrap();
}

#[test]
fn root_a_busy_mount_is_reported_when_patience_ends() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let open = Dir::open_ambient(filesystem.path()).unwrap();
    let error = mount::unmount(filesystem.path(), Detach::WhenUnused).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    drop(open);
}
