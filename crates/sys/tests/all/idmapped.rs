//! Mounts with shifted owners.

use std::path::Path;

use layerhold_sys::mount::{self, Depth, Detach};
use layerhold_sys::{Dir, IdMapping, UserNamespace, clone_idmapped};
use layerhold_testkit::{FilesystemKind, SkipReason, require_filesystem, require_root, skip};

fn map(inside: u32, outside: u32, count: u32) -> IdMapping {
    IdMapping {
        inside,
        outside,
        count,
    }
}

fn owner(dir: &Dir, name: &str) -> (u32, u32) {
    let stat = dir.stat(name).unwrap().unwrap();
    (stat.uid, stat.gid)
}

fn shows_shifted_owners(kind: FilesystemKind) {
    let Some(filesystem) = require_filesystem(kind, 64) else {
        return;
    };
    let root = Dir::open_ambient(filesystem.path()).unwrap();
    let source = root.ensure_dir("source", 0o755).unwrap();
    drop(root.ensure_dir("target", 0o755).unwrap());
    for (name, uid, gid) in [("root", 0, 0), ("user", 7, 8), ("outside", 5000, 5000)] {
        drop(source.create_file(name, 0o644).unwrap());
        std::os::unix::fs::chown(source.path().join(name), Some(uid), Some(gid)).unwrap();
    }
    // Two ranges, and groups that differ from users.
    let users = [map(0, 100_000, 5), map(5, 300_000, 1000)];
    let namespace = UserNamespace::new(&users, &[map(0, 200_000, 1000)]).unwrap();
    let mapped = match clone_idmapped(&source, &namespace, Depth::Single) {
        // Since Linux 6.3.
        Err(error) if kind == FilesystemKind::Tmpfs && error.raw_os_error() == Some(22) => {
            let why = "the kernel shifts no owners of tmpfs";
            let skipped: Option<()> = skip(why, SkipReason::Kernel);
            assert_eq!(skipped, None);
            return;
        }
        other => other.unwrap(),
    };

    let inside = mapped.open(Path::new("mapped")).unwrap();
    assert_eq!(owner(&inside, "root"), (100_000, 200_000));
    assert_eq!(owner(&inside, "user"), (300_002, 200_008));
    // IDs without a mapping show as the overflow ID.
    assert_eq!(owner(&inside, "outside"), (65_534, 65_534));

    let target = root.path().join("target");
    mapped.attach(&target).unwrap();
    drop((inside, mapped, namespace));
    let attached = Dir::open_ambient(&target).unwrap();
    assert_eq!(owner(&attached, "root"), (100_000, 200_000));
    // The reverse: a file created there by the shifted owner is stored unshifted.
    layerhold_sys::best_effort(attached.create_dir("made", 0o755));
    std::os::unix::fs::chown(target.join("user"), Some(100_001), Some(200_001)).unwrap();
    assert_eq!(owner(&source, "user"), (1, 1));
    drop(attached);
    mount::unmount(&target, Detach::WhenUnused).unwrap();
}

#[test]
fn root_loop_ext4_shows_shifted_owners() {
    shows_shifted_owners(FilesystemKind::Ext4);
}

#[test]
fn root_loop_xfs_shows_shifted_owners() {
    shows_shifted_owners(FilesystemKind::Xfs);
}

#[test]
fn root_tmpfs_shows_shifted_owners() {
    shows_shifted_owners(FilesystemKind::Tmpfs);
}

#[test]
fn root_loop_a_detached_copy_has_no_place_and_ends_with_its_handle() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Ext4, 8) else {
        return;
    };
    let before = layerhold_sys::mountinfo::read_mounts().unwrap();
    let root = Dir::open_ambient(filesystem.path()).unwrap();
    let namespace = UserNamespace::new(&[map(0, 5, 1)], &[map(0, 5, 1)]).unwrap();
    drop(clone_idmapped(&root, &namespace, Depth::Recursive).unwrap());
    // Other tests mount at the same time, but not here.
    let here = |mounts: Vec<layerhold_sys::mountinfo::MountInfo>| {
        let mounts = mounts.into_iter();
        mounts
            .filter(|m| m.mount_point.starts_with(filesystem.path()))
            .count()
    };
    assert_eq!(
        here(layerhold_sys::mountinfo::read_mounts().unwrap()),
        here(before)
    );
    drop(root);
    mount::unmount(filesystem.path(), Detach::WhenUnused).unwrap();
    mount::make_private(filesystem.path()).unwrap();
}

#[test]
fn root_a_filesystem_that_cannot_says_so() {
    let Some(()) = require_root() else { return };
    let proc = Dir::open_ambient("/proc").unwrap();
    let namespace = UserNamespace::new(&[map(0, 5, 1)], &[map(0, 5, 1)]).unwrap();
    let error = clone_idmapped(&proc, &namespace, Depth::Single).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(22), "{error}");
}

#[test]
fn root_maps_that_the_kernel_refuses() {
    let Some(()) = require_root() else { return };
    let fine = [map(0, 1, 1)];
    for wrong in [&[][..], &[map(0, 1, 0)], &[map(0, 1, 5), map(3, 100, 5)]] {
        let error = UserNamespace::new(wrong, &fine).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(22), "{error}");
        assert!(error.path().ends_with("uid_map"));
        let error = UserNamespace::new(&fine, wrong).unwrap_err();
        assert!(error.path().ends_with("gid_map"));
    }
}

#[test]
fn root_namespaces_may_be_made_by_many_threads() {
    let Some(()) = require_root() else { return };
    // Threads that keep the allocator busy while the process is copied.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 1..20 {
                    let text = vec!["x".repeat(n * 100); 50].join(",");
                    assert!(!text.is_empty());
                    let ranges = [map(0, 1000 * thread + 1, 10)];
                    drop(UserNamespace::new(&ranges, &ranges).unwrap());
                }
            });
        }
    });
}
