//! Limits of layers: project quota.

use std::path::Path;
use std::process::Command;

use layerhold_driver::{
    Driver, DriverConfig, LayerAccess, LayerRef, OpenError, OptionError, StageRequest,
};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_testkit::{
    Filesystem, FilesystemKind, Ran, SkipReason, TarBuilder, require_filesystem, require_root, run,
    skip,
};

use crate::support::{Place, id};

/// Runs a script without the privilege to exceed quotas, which ext4 respects.
fn shell(dir: &Path, script: &str) -> Ran {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-sys_resource", "sh", "-c", script]);
    run(command.current_dir(dir))
}

/// Writes until nothing more fits, and tells how much did.
fn fill(dir: &Path) -> u64 {
    let ran = shell(dir, "dd if=/dev/zero of=big bs=64k count=512 conv=fsync");
    assert!(!ran.succeeded(), "there was no limit");
    std::fs::metadata(dir.join("big")).unwrap().len()
}

fn limited(place: &Place) {
    place.layer(
        "base",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    assert!(place.driver.capabilities().quotas);
    place.writable("default", Some("base"));
    let base = id("base");
    let mut request = StageRequest::new()
        .with_access(LayerAccess::ReadWrite)
        .with_parent(LayerRef::Committed(&base));
    request.storage_options = [("size".into(), "4M".into()), ("inodes".into(), "20".into())].into();
    place
        .driver
        .stage(&request)
        .unwrap()
        .commit(&id("own"))
        .unwrap();

    let written = |name: &str| place.mounted(name, fill);
    let (default, own) = (written("default"), written("own"));
    assert!((6 << 20..=8 << 20).contains(&default), "{default}");
    assert!((2 << 20..=4 << 20).contains(&own), "{own}");
    let many =
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do : > $n || exit 1; done";
    place
        .driver
        .stage(&request)
        .unwrap()
        .commit(&id("many"))
        .unwrap();
    let made = place.mounted("many", |path| {
        assert!(!shell(path, many).succeeded());
        std::fs::read_dir(path).unwrap().count()
    });
    assert!((5..20).contains(&made), "{made}");

    // Another process gives its layers other projects.
    let second = place.reopen();
    second
        .stage(&request)
        .unwrap()
        .commit(&id("second"))
        .unwrap();
    let more = place.mounted("second", fill);
    assert!((2 << 20..=4 << 20).contains(&more), "{more}");
    for name in ["second", "many", "own", "default", "base"] {
        place.remove(name);
    }
}

fn limited_on(kind: FilesystemKind) {
    if require_root().is_none() {
        return;
    }
    match Filesystem::create_with(kind, 320, "prjquota") {
        Ok(disk) => limited(&Place::at(disk.path(), &["overlay.size=8M"])),
        Err(_) => {
            let why = format!("the kernel mounts no {} with prjquota", kind.name());
            let skipped: Option<()> = skip(&why, SkipReason::Kernel);
            assert_eq!(skipped, None);
        }
    }
}

#[test]
fn root_loop_xfs_limits_layers() {
    limited_on(FilesystemKind::Xfs);
}

#[test]
fn root_loop_ext4_limits_layers() {
    limited_on(FilesystemKind::Ext4Quota);
}

#[test]
fn root_loop_limits_need_the_mount_option() {
    for (kind, expected) in [
        (
            FilesystemKind::Xfs,
            "storage options overlay.size and overlay.inodes not supported. Filesystem does not support Project Quota: ",
        ),
        (
            FilesystemKind::Ext4,
            "storage option overlay.size and overlay.inodes only supported for backingFS XFS. Found extfs",
        ),
    ] {
        let Some(disk) = require_filesystem(kind, 320) else {
            return;
        };
        let config = DriverConfig::new(disk.path().join("g"), disk.path().join("r"))
            .with_options(vec!["overlay.size=8M".into()]);
        let error = OverlayDriver::open(&config).map(drop).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        // Without limits it is as good as any.
        let place = Place::at(disk.path(), &[]);
        assert!(!place.driver.capabilities().quotas);
        assert!(!place.home("backingFsBlockDev").exists());
    }
}

#[test]
fn root_loop_other_filesystems_have_no_limits() {
    let Some(disk) = require_filesystem(FilesystemKind::Tmpfs, 16) else {
        return;
    };
    let config = DriverConfig::new(disk.path().join("g"), disk.path().join("r"))
        .with_options(vec!["overlay.inodes=10".into()]);
    match OverlayDriver::open(&config).map(drop) {
        Err(OpenError::Option(error @ OptionError::Quota(_))) => assert_eq!(
            error.to_string(),
            "storage option overlay.size and overlay.inodes only supported for backingFS XFS. Found tmpfs"
        ),
        other => panic!("{other:?}"),
    }
    let place = Place::at(disk.path(), &[]);
    let mut request = StageRequest::new().with_access(LayerAccess::ReadWrite);
    request.storage_options = [("size".into(), "1M".into())].into();
    let error = place.driver.stage(&request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
    );
}

#[test]
fn root_forced_modes_need_a_program_for_containers() {
    let Some(place) = Place::with(&["overlay.force_mask=shared"]) else {
        return;
    };
    let tar = TarBuilder::new().file("f", 0o4711, "x").finish();
    place.layer("base", None, &tar);
    let file = std::fs::metadata(place.home("base/diff/f")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&file) & 0o7777, 0o755);
    let request = StageRequest::new().with_access(LayerAccess::ReadWrite);
    let error = place.driver.stage(&request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "overlay: force_mask option for writeable layers is only supported with a mount_program"
    );
}
