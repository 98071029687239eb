//! Project IDs and quotas.

use std::process::Command;

use layerhold_sys::{Dir, Project, ProjectQuota, QuotaLimits, project, set_project};
use layerhold_testkit::{
    Filesystem, FilesystemKind, SkipReason, require_filesystem, require_root, run, skip,
};

#[test]
fn root_loop_projects_are_inherited_below() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Xfs, 320) else {
        return;
    };
    let root = Dir::open_ambient(filesystem.path()).unwrap();
    let none = Project {
        id: 0,
        inherits: false,
    };
    assert_eq!(project(&root).unwrap(), none);
    let dir = root.ensure_dir("dir", 0o700).unwrap();
    let ours = Project {
        id: 3_000_000_000,
        inherits: true,
    };
    set_project(&dir, ours).unwrap();
    assert_eq!(project(&dir).unwrap(), ours);
    assert_eq!(
        project(&dir.ensure_dir("sub", 0o700).unwrap()).unwrap(),
        ours
    );
    let file = dir.create_file("file", 0o600).unwrap();
    assert_eq!(project(&file).unwrap().id, ours.id);
    set_project(
        &dir,
        Project {
            inherits: false,
            ..ours
        },
    )
    .unwrap();
    assert_eq!(
        project(&dir.ensure_dir("later", 0o700).unwrap()).unwrap(),
        none
    );
}

#[test]
fn root_filesystems_without_projects_say_so() {
    let Some(()) = require_root() else { return };
    let proc = Dir::open_ambient("/proc").unwrap();
    let error = project(&proc).unwrap_err();
    assert!(
        error.is_unsupported() || error.raw_os_error() == Some(libc::ENOTTY),
        "{error:?}"
    );
}

#[test]
fn root_filesystems_without_quotas_say_so() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 4) else {
        return;
    };
    let quota = ProjectQuota::new(&Dir::open_ambient(filesystem.path()).unwrap(), "node");
    let code = quota.usage(5).unwrap_err().raw_os_error();
    assert!(matches!(code, Some(libc::ESRCH | libc::ENOSYS)), "{code:?}");
    let code = quota
        .set_limits(5, QuotaLimits::default())
        .unwrap_err()
        .raw_os_error();
    assert!(matches!(code, Some(libc::ESRCH | libc::ENOSYS)), "{code:?}");
}

#[test]
fn root_the_device_node_is_that_of_the_filesystem() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Xfs, 320) else {
        return;
    };
    let home = Dir::open_ambient(filesystem.path()).unwrap();
    let quota = ProjectQuota::new(&home, "backingFsBlockDev");
    // A leftover of a process that was killed in between.
    drop(home.create_file("backingFsBlockDev.tmp", 0o600).unwrap());
    for _ in 0..2 {
        quota.make_node().unwrap();
        let node = home.stat("backingFsBlockDev").unwrap().unwrap();
        assert_eq!(node.file_type(), layerhold_sys::FileType::BlockDevice);
        assert_eq!(
            (node.rdev, node.permissions()),
            (home.stat_self().unwrap().dev, 0o600)
        );
        assert!(!home.exists("backingFsBlockDev.tmp").unwrap());
    }
}

/// Runs a script without the privilege to exceed quotas, which ext4 respects.
fn shell(dir: &Dir, script: &str) -> Result<(), String> {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-sys_resource", "sh", "-c", script]);
    run(command.current_dir(dir.path())).into_result().map(drop)
}

fn limits_hold(kind: FilesystemKind, options: &str) {
    let Some(()) = require_root() else { return };
    let Ok(filesystem) = Filesystem::create_with(kind, 320, options) else {
        let why = format!("the kernel mounts no {} with {options}", kind.name());
        let skipped: Option<()> = skip(&why, SkipReason::Kernel);
        assert_eq!(skipped, None);
        return;
    };
    let home = Dir::open_ambient(filesystem.path()).unwrap();
    let quota = ProjectQuota::new(&home, "backingFsBlockDev");
    let dir = home.ensure_dir("dir", 0o700).unwrap();
    set_project(
        &dir,
        Project {
            id: 10_001,
            inherits: true,
        },
    )
    .unwrap();
    let limits = QuotaLimits {
        bytes: Some(1 << 20),
        inodes: Some(10),
    };
    quota.set_limits(10_001, limits).unwrap();
    let usage = quota.usage(10_001).unwrap().unwrap();
    assert_eq!(usage.limits, limits);
    assert_eq!(usage.inodes, 1);

    shell(&dir, "dd if=/dev/zero of=file bs=4k count=128 conv=fsync").unwrap();
    let used = quota.usage(10_001).unwrap().unwrap();
    assert!(used.bytes >= 512 << 10 && used.bytes < 1 << 20, "{used:?}");
    let full = shell(&dir, "dd if=/dev/zero of=more bs=4k count=256 conv=fsync");
    assert!(full.unwrap_err().contains("dd: error writing 'more'"));
    let refused = shell(&dir, "mkdir 1 2 3 4 5 6 7 8 9");
    assert!(
        refused
            .unwrap_err()
            .contains("mkdir: cannot create directory")
    );
    drop(home.create_file("not-limited", 0o600).unwrap());

    // Change one limit and keep the other; then remove both.
    let more = QuotaLimits {
        bytes: Some(8 << 20),
        inodes: None,
    };
    quota.set_limits(10_001, more).unwrap();
    let kept = quota.usage(10_001).unwrap().unwrap().limits;
    assert_eq!(
        kept,
        QuotaLimits {
            bytes: Some(8 << 20),
            inodes: Some(10)
        }
    );
    let none = QuotaLimits {
        bytes: Some(0),
        inodes: Some(0),
    };
    quota.set_limits(10_001, none).unwrap();
    let kept = quota.usage(10_001).unwrap().unwrap().limits;
    assert_eq!(kept, QuotaLimits::default());
}

#[test]
fn root_loop_xfs_limits_hold() {
    limits_hold(FilesystemKind::Xfs, "prjquota");
}

#[test]
fn root_loop_ext4_limits_hold() {
    limits_hold(FilesystemKind::Ext4Quota, "prjquota");
}
