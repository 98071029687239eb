//! `copy`, beside the Go tool and where it goes further.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::twin::Twin;

/// Type, permissions, owner, size and link target of everything below a directory, by path.
fn tree(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let link = fs::read_link(&path).unwrap_or_default();
            let size = if stat.is_dir() { 0 } else { stat.size() };
            let name = path.strip_prefix(root).unwrap();
            lines.push(format!(
                "{} {:o} {}:{} {size} {} {}",
                name.display(),
                stat.mode(),
                stat.uid(),
                stat.gid(),
                stat.mtime(),
                link.display()
            ));
            if stat.is_dir() {
                open.push(path);
            }
        }
    }
    lines.sort();
    lines
}

/// A twin with the layers `plain`, `low` and `high`, of which the last two have maps, and some
/// files to copy.
fn prepared() -> Option<Twin> {
    let twin = Twin::new()?;
    twin.same("create-layer --id plain");
    twin.same("create-layer --id low --uidmap 0:100000:101 --gidmap 0:200000:101");
    twin.same("create-layer --id high --uidmap 0:300000:101 --gidmap 0:400000:101");
    let files = twin.path("files");
    fs::create_dir_all(files.join("dir/sub")).unwrap();
    fs::write(files.join("one"), "one").unwrap();
    fs::write(files.join("dir/two"), "two").unwrap();
    fs::write(files.join("dir/sub/three"), vec![b'x'; 300_000]).unwrap();
    fs::hard_link(files.join("dir/two"), files.join("dir/sub/again")).unwrap();
    symlink("../two", files.join("dir/sub/link")).unwrap();
    symlink("one", files.join("link")).unwrap();
    fs::set_permissions(files.join("one"), fs::Permissions::from_mode(0o4751)).unwrap();
    for (name, id) in [
        ("one", 1),
        ("dir", 5),
        ("dir/two", 2),
        ("dir/sub", 4),
        ("dir/sub/three", 3),
    ] {
        chown(files.join(name), Some(id), Some(id + 10)).unwrap();
    }
    for name in ["dir/sub", "dir", "one"] {
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::File::open(files.join(name))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    Some(twin)
}

#[track_caller]
fn assert_same_trees(twin: &Twin, layer: &str) -> Vec<String> {
    let [go, ours] =
        ["go", "ours"].map(|side| tree(&twin.path(side).join("root/vfs/dir").join(layer)));
    assert_eq!(go, ours, "{layer}");
    ours
}

#[test]
fn root_peer_files_and_trees_arrive_alike() {
    let Some(twin) = prepared() else { return };
    for layer in ["plain", "low", "high"] {
        for line in [
            format!("copy @/files/one {layer}:/one"),
            format!("copy @/files/link {layer}:linked"),
            format!("copy --chown 7:8 @/files/one {layer}:/seven"),
            format!("copy --chown 9 @/files/one {layer}:/nine"),
            format!("copy @/files/dir {layer}:/dir"),
            format!("copy -j @/files/dir {layer}:/deep/down"),
            // Once more, over what is there.
            format!("copy @/files/dir {layer}:/dir"),
            format!("copy @/files/dir/two {layer}:/one"),
        ] {
            twin.same(&line);
        }
        twin.same(&format!("mounted {layer}"));
    }
    for layer in ["plain", "low", "high"] {
        for side in ["go", "ours"] {
            for path in ["deep", "deep/down", "dir", "."] {
                let path = twin.path(side).join("root/vfs/dir").join(layer).join(path);
                fs::File::open(path)
                    .unwrap()
                    .set_modified(std::time::UNIX_EPOCH)
                    .unwrap();
            }
        }
        let lines = assert_same_trees(&twin, layer);
        assert!(
            lines.iter().any(|line| line.starts_with("dir/sub/again ")),
            "{lines:?}"
        );
    }
    // What is one file stays one.
    let two = twin.path("ours/root/vfs/dir/low/dir/two");
    assert_eq!(fs::metadata(two).unwrap().nlink(), 2);
}

#[test]
fn root_peer_files_go_from_layer_to_layer() {
    let Some(twin) = prepared() else { return };
    for line in [
        "copy @/files/dir low:/dir",
        "copy low:/dir high:/dir",
        "copy low:/dir/two plain:/two",
        "copy high:/dir/sub/three @/copied",
        "copy --chown 3:4 low:/dir/two high:/owned",
        "copy low:/nosuch high:/x",
        "copy nosuch:/x high:/x",
        "copy @/files/one nosuch:/x",
        "copy @/nosuch low:/x",
        "copy @/files/one low:/dir",
        "copy --chown x @/files/one low:/x",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (go, ours) = twin.both(&words, b"");
        // The words of errors are our own.
        assert_eq!(
            (go.code, go.out),
            (ours.code, ours.out),
            "{line}\n{}\n{}",
            go.err,
            ours.err
        );
        assert_eq!(go.err.is_empty(), ours.err.is_empty(), "{line}");
    }
    for layer in ["plain", "high"] {
        for side in ["go", "ours"] {
            let root = twin.path(side).join("root/vfs/dir").join(layer);
            fs::File::open(&root)
                .unwrap()
                .set_modified(std::time::UNIX_EPOCH)
                .unwrap();
            if layer == "high" {
                fs::File::open(root.join("dir"))
                    .unwrap()
                    .set_modified(std::time::UNIX_EPOCH)
                    .unwrap();
            }
        }
        assert_same_trees(&twin, layer);
    }
    let owned = fs::metadata(twin.path("ours/root/vfs/dir/high/owned")).unwrap();
    assert_eq!((owned.uid(), owned.gid()), (300_003, 400_004));
    for layer in ["plain", "low", "high"] {
        assert_eq!(
            twin.ours(&format!("mounted {layer}")).out,
            "",
            "{layer} was left mounted"
        );
    }
}

#[test]
fn root_a_slash_at_the_end_means_a_directory() {
    let Some(twin) = prepared() else { return };
    // The Go tool loses the slash, and puts a file of that name there.
    assert_eq!(
        twin.ours("copy @/files/one @/files/dir/two low:/made/below/")
            .code,
        Some(0)
    );
    let layer = twin.path("ours/root/vfs/dir/low");
    for (path, uid, gid) in [
        ("made", 0, 0),
        ("made/below", 0, 0),
        ("made/below/one", 1, 11),
        ("made/below/two", 2, 12),
    ] {
        let stat = fs::metadata(layer.join(path)).unwrap();
        assert_eq!(
            (stat.uid(), stat.gid()),
            (100_000 + uid, 200_000 + gid),
            "{path}"
        );
    }
    assert_eq!(
        twin.ours("copy --chown 5 @/files/one low:/owned/").code,
        Some(0)
    );
    let stat = fs::metadata(layer.join("owned")).unwrap();
    assert_eq!((stat.uid(), stat.mode() & 0o7777), (100_005, 0o755));
    assert_eq!(twin.ours("copy @/files/one").code, Some(1));
    assert_eq!(twin.ours("copy").code, Some(1));
}

#[test]
fn root_links_of_a_layer_stay_inside() {
    let Some(twin) = prepared() else { return };
    let layer = twin.path("ours/root/vfs/dir/plain");
    fs::create_dir(layer.join("etc")).unwrap();
    symlink("/etc", layer.join("absolute")).unwrap();
    symlink("../../../../../../../../../etc", layer.join("climbing")).unwrap();
    fs::write(layer.join("etc/inside"), "inside").unwrap();
    for link in ["absolute", "climbing"] {
        // Writing goes to the layer's own directory, and so does reading.
        let done = twin.ours(&format!(
            "copy @/files/one plain:/{link}/layerhold-test-{link}"
        ));
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        let written = format!("layerhold-test-{link}");
        assert!(layer.join("etc").join(&written).exists());
        assert!(!Path::new("/etc").join(&written).exists());
        let done = twin.ours(&format!("copy plain:/{link}/inside @/out-{link}"));
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        assert_eq!(
            fs::read(twin.path(&format!("out-{link}"))).unwrap(),
            b"inside"
        );
        let done = twin.ours(&format!("copy plain:/{link}/hostname @/out-{link}"));
        assert_eq!(done.code, Some(1), "{done:?}");
    }
}

#[test]
fn root_what_is_no_file_is_not_opened() {
    let Some(twin) = prepared() else { return };
    let pipe = twin.path("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    for what in ["@/pipe", "/dev/zero"] {
        let done = twin.ours(&format!("copy {what} plain:/x"));
        assert_eq!(done.code, Some(1));
        assert!(
            done.err.contains("neither a file nor a directory"),
            "{}",
            done.err
        );
    }
    // In a tree they are entries like others.
    fs::create_dir(twin.path("tree")).unwrap();
    fs::rename(&pipe, twin.path("tree/pipe")).unwrap();
    fs::write(twin.path("tree/.wh.file"), "kept").unwrap();
    assert_eq!(twin.ours("copy @/tree plain:/").code, Some(0));
    let layer = twin.path("ours/root/vfs/dir/plain");
    assert_eq!(fs::read(layer.join(".wh.file")).unwrap(), b"kept");
    assert!(fs::symlink_metadata(layer.join("pipe")).is_ok());
}

#[test]
fn root_owners_without_a_mapping_are_refused() {
    let Some(twin) = prepared() else { return };
    chown(twin.path("files/one"), Some(5000), Some(5000)).unwrap();
    for line in ["copy @/files/one low:/x", "copy -o 200 @/files/dir low:/x"] {
        let done = twin.ours(line);
        assert_eq!(done.code, Some(1), "{line}");
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
    assert_eq!(twin.ours("mounted low").out, "");
}
