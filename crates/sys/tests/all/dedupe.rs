//! Sharing blocks on filesystems with and without support for it.

use std::fs::File;
use std::io::Write;

use layerhold_sys::{DedupeEnd, Dir, dedupe_file, may_dedupe, set_file_mode, shares_all_blocks};
use layerhold_testkit::{Filesystem, FilesystemKind, require_filesystem};

const MIB: usize = 1 << 20;

fn file(dir: &Dir, name: &str, content: &[u8]) -> File {
    let mut file = dir.create_file(name, 0o600).unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    dir.open_file(name).unwrap()
}

fn free(filesystem: &Filesystem) -> u64 {
    Dir::open_ambient(filesystem.path())
        .unwrap()
        .sync_filesystem()
        .unwrap();
    let df = std::process::Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(filesystem.path())
        .output()
        .unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    text.lines().nth(1).unwrap().trim().parse().unwrap()
}

/// Equal files share their blocks afterwards, and the space of one is free again.
fn shares(kind: FilesystemKind) {
    let Some(filesystem) = require_filesystem(kind, 320) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    // Longer than one call handles, and with a partial last block.
    let content = b"0123456789abcdef".repeat(40 * MIB / 16 + 1);
    let length = content.len() as u64;
    let one = file(&dir, "one", &content);
    let two = file(&dir, "two", &content);
    assert!(may_dedupe(&one).unwrap());
    assert!(!shares_all_blocks(&one, &two));
    let before = free(&filesystem);
    let done = dedupe_file(&one, &two, length).unwrap();
    assert_eq!((done.bytes, done.end), (length, DedupeEnd::Complete));
    let freed = free(&filesystem).saturating_sub(before);
    assert!(freed > 35 << 20, "only {freed} bytes came free");
    assert!(shares_all_blocks(&one, &two));
    assert!(dir.read_file("two", 1 << 30).unwrap().unwrap() == content);
    // Repeating it changes nothing and gives the same result.
    assert_eq!(dedupe_file(&one, &two, length).unwrap(), done);
}

#[test]
fn root_loop_btrfs_files_come_to_share_blocks() {
    shares(FilesystemKind::Btrfs);
}

#[test]
fn root_loop_xfs_files_come_to_share_blocks() {
    shares(FilesystemKind::Xfs);
}

#[test]
fn root_loop_what_differs_is_not_shared() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 128) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    let mut content = vec![7; 20 * MIB];
    let one = file(&dir, "one", &content);
    content[17 * MIB] = 8;
    let two = file(&dir, "two", &content);
    let done = dedupe_file(&one, &two, content.len() as u64).unwrap();
    assert_eq!(done.end, DedupeEnd::Different);
    assert_eq!(done.bytes, 16 << 20, "what came before is shared");
    assert!(!shares_all_blocks(&one, &two));
    assert!(dir.read_file("two", 1 << 30).unwrap().unwrap() == content);
}

#[test]
fn root_loop_filesystems_that_cannot_say_so() {
    for kind in [
        FilesystemKind::Ext4,
        FilesystemKind::Tmpfs,
        FilesystemKind::XfsNoReflink,
    ] {
        let Some(filesystem) = require_filesystem(kind, 64) else {
            return;
        };
        let dir = Dir::open_ambient(filesystem.path()).unwrap();
        let one = file(&dir, "one", &[1; 8192]);
        let two = file(&dir, "two", &[1; 8192]);
        let error = dedupe_file(&one, &two, 8192).unwrap_err();
        assert!(error.is_unsupported(), "{kind:?}: {error:?}");
        assert_eq!(
            may_dedupe(&one).unwrap(),
            kind == FilesystemKind::XfsNoReflink
        );
        assert!(!shares_all_blocks(&one, &two));
    }
}

#[test]
fn root_loop_two_filesystems_share_nothing() {
    let kind = FilesystemKind::Btrfs;
    let (Some(first), Some(second)) =
        (require_filesystem(kind, 128), require_filesystem(kind, 128))
    else {
        return;
    };
    let dirs = [&first, &second].map(|each| Dir::open_ambient(each.path()).unwrap());
    let [one, two] = dirs.map(|dir| file(&dir, "same", &[1; 8192]));
    let error = dedupe_file(&one, &two, 8192).unwrap_err();
    assert!(error.crosses_devices(), "{error:?}");
}

#[test]
fn root_loop_a_file_need_not_be_writable() {
    let Some(filesystem) = require_filesystem(FilesystemKind::Btrfs, 128) else {
        return;
    };
    let dir = Dir::open_ambient(filesystem.path()).unwrap();
    let one = file(&dir, "one", &[1; 8192]);
    let two = file(&dir, "two", &[1; 8192]);
    set_file_mode(&two, 0o400).unwrap();
    let done = dedupe_file(&one, &two, 8192).unwrap();
    assert_eq!(done.end, DedupeEnd::Complete);
}
