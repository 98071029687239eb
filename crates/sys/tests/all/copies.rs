//! Copying on filesystems with and without shared blocks.

use std::io::Write;

use layerhold_sys::{Copier, CopyMethod, Dir, stat_file};
use layerhold_testkit::{FilesystemKind, require_filesystem, scratch};

fn copy_between(from: &Dir, to: &Dir, copier: &Copier) -> CopyMethod {
    let mut source = from.create_file("source", 0o600).unwrap();
    source.write_all(&b"content ".repeat(100_000)).unwrap();
    let target = to.create_file("target", 0o600).unwrap();
    let stat = stat_file(&source).unwrap();
    let method = copier.copy(&source, &target, &stat).unwrap();
    let limit = 1 << 20;
    assert!(from.read_file("source", limit).unwrap() == to.read_file("target", limit).unwrap());
    method
}

fn copies_by(kind: FilesystemKind, expected: CopyMethod) {
    let Some(filesystem) = require_filesystem(kind, 64) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    assert_eq!(copy_between(&dir, &dir, &Copier::new()), expected);
}

#[test]
fn root_btrfs_shares_blocks() {
    copies_by(FilesystemKind::Btrfs, CopyMethod::Reflink);
}

#[test]
fn root_xfs_shares_blocks() {
    copies_by(FilesystemKind::Xfs, CopyMethod::Reflink);
}

#[test]
fn root_ext4_copies_in_the_kernel() {
    copies_by(FilesystemKind::Ext4, CopyMethod::CopyFileRange);
}

#[test]
fn root_across_filesystems_content_is_copied() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 8) else {
        return;
    };
    let place = scratch();
    let from = Dir::open_ambient(place.path()).unwrap();
    let to = Dir::open_ambient(filesystem.path()).unwrap();
    let copier = Copier::new();
    let first = copy_between(&from, &to, &copier);
    assert_ne!(first, CopyMethod::Reflink);
    // The copier remembers for the second file what the first one needed.
    from.remove_file("source").unwrap();
    to.remove_file("target").unwrap();
    assert_eq!(copy_between(&from, &to, &copier), first);
}

#[test]
fn root_a_full_disk_is_reported() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Tmpfs, 1) else {
        return;
    };
    let place = scratch();
    let from = Dir::open_ambient(place.path()).unwrap();
    let to = Dir::open_ambient(filesystem.path()).unwrap();
    let mut source = from.create_file("source", 0o600).unwrap();
    source.write_all(&vec![1; 3 << 20]).unwrap();
    let target = to.create_file("target", 0o600).unwrap();
    let stat = stat_file(&source).unwrap();
    let error = Copier::new().copy(&source, &target, &stat).unwrap_err();
    assert!(error.is_out_of_space());
}
