//! Both `dedup` commands, on filesystems that can share blocks and on others.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use layerhold_testkit::{Filesystem, FilesystemKind, Ran, TarBuilder, require_filesystem, run};
use serde_json::{Value, json};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD};

const LENGTH: usize = 100_000;

/// A store with two images that have a file in common.
fn store(kind: FilesystemKind) -> Option<Filesystem> {
    let filesystem = require_filesystem(kind, 64)?;
    for (number, other) in ["x", "y"].into_iter().enumerate() {
        let tar = TarBuilder::new()
            .file("same", 0o644, "0123456789".repeat(LENGTH / 10))
            .file("other", 0o644, other.repeat(LENGTH))
            .finish();
        let path = filesystem.path().join("tar");
        std::fs::write(&path, tar).unwrap();
        let layer = number.to_string().repeat(64);
        let import = ["import-layer", "-i", &layer, "-f", path.to_str().unwrap()];
        containers_storage(filesystem.path(), import).assert_success();
        containers_storage(filesystem.path(), ["create-image", &layer]).assert_success();
    }
    Some(filesystem)
}

fn on<S: AsRef<OsStr>>(
    program: &str,
    flags: [&str; 3],
    base: &Path,
    args: impl IntoIterator<Item = S>,
) -> Ran {
    let mut command = Command::new(program);
    command.arg(flags[0]).arg(base.join("root"));
    command.arg(flags[1]).arg(base.join("runroot"));
    command.args([flags[2], "vfs"]);
    run(command.args(args))
}

fn containers_storage<S: AsRef<OsStr>>(base: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    on(CONTAINERS_STORAGE, ["-g", "-R", "-s"], base, args)
}

fn layerhold<S: AsRef<OsStr>>(base: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    on(LAYERHOLD, ["--root", "--runroot", "--driver"], base, args)
}

#[test]
fn root_loop_equal_files_are_kept_once() {
    let Some(filesystem) = store(FilesystemKind::Btrfs) else {
        return;
    };
    let base = filesystem.path();
    assert_eq!(
        layerhold(base, ["dedup"]).text(),
        "100 kB shared now; 100 kB in all, in 1 file of 2 layers\n"
    );
    assert_eq!(
        layerhold(base, ["dedup", "--method", "sha256"]).text(),
        "0 B shared now; 100 kB in all, in 1 file of 2 layers\n"
    );
    let json: Value =
        serde_json::from_str(&layerhold(base, ["--format", "json", "dedup"]).text()).unwrap();
    assert_eq!(
        json,
        json!({ "deduped": LENGTH, "newlyShared": 0, "files": 1, "layers": 2, "failed": 0 })
    );
    for flags in [
        &[][..],
        &["--hash-method=size"],
        &["--hash-method", "sha256"],
    ] {
        let text = format!("Deduplicated {LENGTH} bytes\n");
        assert_eq!(
            containers_storage(base, [&["dedup"], flags].concat()).text(),
            text
        );
        let json = containers_storage(base, [&["dedup", "-j"], flags].concat()).text();
        assert_eq!(json, format!("{{\"Deduped\":{LENGTH}}}\n"));
    }
}

#[test]
fn root_loop_where_it_cannot_be_done_people_are_told_and_scripts_are_not() {
    let Some(filesystem) = store(FilesystemKind::Ext4) else {
        return;
    };
    let base = filesystem.path();
    let ran = layerhold(base, ["dedup"]);
    assert_eq!(ran.code, Some(1));
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        err.starts_with("layerhold: cannot share blocks on the filesystem of /"),
        "{err}"
    );
    assert!(
        err.ends_with("that needs btrfs, or XFS created with reflink=1\n"),
        "{err}"
    );
    assert_eq!(
        containers_storage(base, ["dedup"]).text(),
        "Deduplicated 0 bytes\n"
    );
}

#[test]
fn root_loop_methods_are_those_of_the_go_tool() {
    let Some(filesystem) = store(FilesystemKind::Tmpfs) else {
        return;
    };
    let ran = containers_storage(filesystem.path(), ["dedup", "--hash-method=md5"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        String::from_utf8_lossy(&ran.stderr),
        "invalid hash method: md5\n"
    );
    let ran = containers_storage(filesystem.path(), ["dedup", "more"]);
    assert_eq!(ran.code, Some(1));
    // The help has the method that is meant when none is given.
    let ran = containers_storage(filesystem.path(), ["dedup", "--help"]);
    let help = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(help.contains("  --hash-method=crc "), "{help}");
}
