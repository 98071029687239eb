//! The contents of layers.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use layerhold_driver::LayerError;
use layerhold_sys::{Dir, NodeKind, SetTime, Times, Timestamp, make_device, xattr};
use layerhold_testkit::{TarBuilder, TarEntry};

use crate::case::assert_is;
use crate::fixture::{fill, id, read, read_open};
use crate::{DriverFixture, MountFidelity};

/// `cap_net_bind_service+ep`, revision 2 (linux/capability.h).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Makes one entry of each kind that an ordinary user can make.
fn furnish(fixture: &DriverFixture, root: &Path) {
    fs::create_dir_all(root.join("dir/below")).unwrap();
    fs::create_dir(root.join("closed")).unwrap();
    for (path, content) in [
        ("dir/file", "content"),
        ("dir/below/empty", ""),
        ("run", "#!/bin/sh"),
    ] {
        File::create(root.join(path))
            .unwrap()
            .write_all(content.as_bytes())
            .unwrap();
    }
    fs::hard_link(root.join("dir/file"), root.join("dir/below/same")).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("also the same")).unwrap();
    symlink("dir/file", root.join("link")).unwrap();
    symlink("/no/where", root.join("dangling")).unwrap();
    let dir = Dir::open_ambient(root).unwrap();
    dir.make_node("pipe", NodeKind::Fifo, 0o640, 0).unwrap();
    dir.make_node("socket", NodeKind::Socket, 0o600, 0).unwrap();
    let longest = match fixture.mount_fidelity() {
        MountFidelity::LikeFuse => 251,
        _ => 255,
    };
    File::create(root.join("x".repeat(longest))).unwrap();
    xattr::set(
        &File::open(root.join("run")).unwrap(),
        "user.note",
        b"kept\0too",
    )
    .unwrap();
    for (path, mode) in [
        ("run", 0o751),
        ("closed", 0o700),
        ("dir", 0o1777),
        ("dir/file", 0o400),
    ] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Gives everything below a directory times of its own, with nanoseconds.
fn date(root: &Path) {
    let mut waiting = vec![Dir::open_ambient(root).unwrap()];
    let mut second = 1_000_000_000;
    while let Some(dir) = waiting.pop() {
        for entry in dir
            .entries()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
        {
            second += 1;
            let at = |nanoseconds| {
                SetTime::At(Timestamp {
                    seconds: second,
                    nanoseconds,
                })
            };
            let times = Times {
                accessed: at(123_456_789),
                modified: at(987_654_321),
            };
            dir.set_times(&entry.name, &times).unwrap();
            if entry.file_type == layerhold_sys::FileType::Dir {
                waiting.push(dir.open_dir(&entry.name).unwrap());
            }
        }
    }
}

pub(super) fn child_starts_as_its_parent(fixture: &DriverFixture) {
    fixture.writable("parent", None);
    fixture.mounted("parent", |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).unwrap();
        furnish(fixture, path);
        date(path);
    });
    fixture
        .stage(Some(&id("parent")))
        .commit(&id("child"))
        .unwrap();
    let (child, parent) = (fixture.tree("child"), fixture.tree("parent"));
    assert!(child.at("also the same").same_as.is_none() && child.at("dir/file").same_as.is_some());
    assert_eq!(child.at("").mode, 0o711);
    assert_eq!(child.at("link").mtime.1, 987_654_321);
    child.assert_same(&parent);
}

pub(super) fn root_child_keeps_every_attribute(fixture: &DriverFixture) {
    fixture.writable("parent", None);
    fixture.mounted("parent", |path| {
        furnish(fixture, path);
        let dir = Dir::open_ambient(path).unwrap();
        dir.make_node("null", NodeKind::CharDevice, 0o666, make_device(1, 3))
            .unwrap();
        dir.make_node(
            "disk",
            NodeKind::BlockDevice,
            0o660,
            make_device(259, 70_000),
        )
        .unwrap();
        fs::hard_link(path.join("null"), path.join("dir/null too")).unwrap();
        for (name, uid, gid) in [
            ("run", 1, 2),
            ("link", 3, 4),
            ("null", 5, 6),
            ("pipe", 7, 8),
            ("dir", 9, 10),
        ] {
            dir.set_owner(name, Some(uid), Some(gid)).unwrap();
        }
        xattr::set(
            &File::open(path.join("run")).unwrap(),
            "security.capability",
            &CAPABILITY,
        )
        .unwrap();
        dir.set_mode("run", 0o6755).unwrap();
        dir.set_mode("dir", 0o2775).unwrap();
        date(path);
    });
    fixture
        .stage(Some(&id("parent")))
        .commit(&id("child"))
        .unwrap();
    let (child, parent) = (fixture.tree("child"), fixture.tree("parent"));
    assert_eq!(child.at("run").mode, 0o6755);
    assert_eq!(child.at("run").xattrs.len(), 2);
    assert_eq!((child.at("link").uid, child.at("link").gid), (3, 4));
    child.assert_same(&parent);
}

pub(super) fn sparse_files_stay_sparse(fixture: &DriverFixture) {
    const SIZE: u64 = 64 << 20;
    fixture.writable("parent", None);
    let blocks = fixture.mounted("parent", |path| {
        let file = File::create(path.join("sparse")).unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(b"in the middle", SIZE / 2).unwrap();
        file.sync_all().unwrap();
        file.metadata().unwrap().blocks()
    });
    fixture
        .stage(Some(&id("parent")))
        .commit(&id("child"))
        .unwrap();
    fixture.mounted("child", |path| {
        let file = File::open(path.join("sparse")).unwrap();
        file.sync_all().unwrap();
        let stat = file.metadata().unwrap();
        assert_eq!(stat.len(), SIZE);
        // A filesystem without holes has none to keep.
        assert!(
            stat.blocks() <= blocks.max(1 << 11),
            "{} blocks from {blocks}",
            stat.blocks()
        );
        let mut middle = [0; 13];
        file.read_exact_at(&mut middle, SIZE / 2).unwrap();
        assert_eq!(&middle, b"in the middle");
        file.read_exact_at(&mut middle, SIZE - 13).unwrap();
        assert_eq!(middle, [0; 13]);
    });
}

pub(super) fn siblings_do_not_share_writes(fixture: &DriverFixture) {
    let tar = TarBuilder::new().file("f", 0o644, "base");
    let tar = match fixture.mount_fidelity() {
        MountFidelity::LikeFuse => tar.file("g", 0o644, "base"),
        _ => tar.hard_link("g", "f"),
    };
    fixture.layer("base", None, &tar.finish());
    for name in ["left", "right"] {
        fixture.changed(name, "base", |path| {
            let mut file = OpenOptions::new()
                .append(true)
                .open(path.join("f"))
                .unwrap();
            file.write_all(name.as_bytes()).unwrap();
        });
    }
    fixture.changed("third", "left", |path| {
        let mut file = OpenOptions::new()
            .append(true)
            .open(path.join("g"))
            .unwrap();
        file.write_all(b"third").unwrap();
    });
    let content =
        |name: &str| fixture.mounted(name, |path| [read(path.join("f")), read(path.join("g"))]);
    assert_eq!(content("base"), ["base", "base"]);
    assert_eq!(content("right")[0], "baseright");
    assert_eq!(content("left")[0], "baseleft");
    assert!(content("third")[1].ends_with("third"));
}

pub(super) fn recorded_files_are_read(fixture: &DriverFixture) {
    let tar = TarBuilder::new()
        .dir("a", 0o755)
        .file("a/f", 0o600, "in a")
        .dir("a/b", 0o755)
        .file("a/b/g", 0o644, "in b")
        .symlink("to-a", "/a")
        .symlink("to-f", "a/f")
        .entry(TarEntry::fifo("pipe"))
        .finish();
    let staged = fixture.stage(None);
    fill(&*staged, &tar);
    let mut before = staged.contents().unwrap();
    assert_eq!(read_open(before.open(Path::new("a/f")).unwrap()), "in a");
    drop(before);
    staged.commit(&id("recorded")).unwrap();

    let mut contents = fixture.driver.contents(&id("recorded")).unwrap();
    let mut check = |path: &str, expected: &str| {
        assert_eq!(
            read_open(contents.open(Path::new(path)).unwrap()),
            expected,
            "{path}"
        );
    };
    check("a/f", "in a");
    check("a/b/g", "in b");
    check("./a/b/g", "in b");
    check("/a/f", "in a");
    check("../../a/b/../f", "in a");
    check("to-a/b/g", "in b");
    for path in ["a", "pipe", "to-f"] {
        let error = contents.open(Path::new(path)).unwrap_err();
        assert_is!(&error, LayerError::NotRegular { path: told } if told == Path::new(path));
    }
    for path in ["none", "none/f", "../etc/passwd"] {
        assert!(
            contents.open(Path::new(path)).unwrap_err().is_not_found(),
            "{path}"
        );
    }
}

pub(super) fn deep_chain(fixture: &DriverFixture) {
    // As many as Go's own suite stacks.
    const LAYERS: usize = 125;
    let layers = match fixture.mount_fidelity() {
        // A program reads the directories of all layers by itself.
        MountFidelity::LikeFuse => 25,
        _ => LAYERS,
    };
    fixture.layer(
        "0",
        None,
        &TarBuilder::new()
            .file("latest", 0o644, "0")
            .file("bottom", 0o644, "here")
            .finish(),
    );
    for n in 1..=layers {
        let tar = TarBuilder::new()
            .file("latest", 0o644, n.to_string())
            .dir("all", 0o755)
            .file(format!("all/{n}"), 0o644, n.to_string())
            .finish();
        fixture.layer(&n.to_string(), Some(&(n - 1).to_string()), &tar);
    }
    fixture.mounted(&layers.to_string(), |path| {
        assert_eq!(read(path.join("bottom")), "here");
        assert_eq!(read(path.join("latest")), layers.to_string());
        for n in 1..=layers {
            assert_eq!(read(path.join(format!("all/{n}"))), n.to_string());
        }
    });
    assert_eq!(fixture.mounted("7", |path| read(path.join("latest"))), "7");
}

pub(super) fn deep_directories(fixture: &DriverFixture) {
    // More than a process may have descriptors open by default, and nearly as long as a path may
    // be.
    const DEPTH: usize = 1500;
    fixture.writable("deep", None);
    fixture.mounted("deep", |path| {
        let mut dir = Dir::open_ambient(path).unwrap();
        for _ in 0..DEPTH {
            dir = dir.ensure_dir("d", 0o755).unwrap();
        }
        drop(dir.create_file("bottom", 0o640).unwrap());
    });
    fixture
        .stage(Some(&id("deep")))
        .commit(&id("copy"))
        .unwrap();
    fixture.mounted("copy", |path| {
        let bottom = path.join("d/".repeat(DEPTH)).join("bottom");
        assert_eq!(fs::metadata(bottom).unwrap().mode() & 0o7777, 0o640);
    });
    for name in ["copy", "deep"] {
        fixture.remove(name);
    }
    assert!(fixture.temporary().is_empty());
}

pub(super) fn hard_links_across_directories(fixture: &DriverFixture) {
    const DIRECTORIES: usize = 60;
    const INODES: usize = 20;
    fixture.writable("links", None);
    fixture.mounted("links", |path| {
        for d in 0..DIRECTORIES {
            let dir = path.join(format!("{}/{d}", d % 7));
            fs::create_dir_all(&dir).unwrap();
            for n in 0..INODES {
                let name = dir.join(n.to_string());
                if d == 0 {
                    File::create(&name)
                        .unwrap()
                        .write_all(n.to_string().as_bytes())
                        .unwrap();
                } else {
                    fs::hard_link(path.join(format!("0/0/{n}")), name).unwrap();
                }
            }
        }
    });
    fixture
        .stage(Some(&id("links")))
        .commit(&id("copy"))
        .unwrap();
    fixture.mounted("copy", |path| {
        for n in 0..INODES {
            let stat = fs::metadata(path.join(format!("0/0/{n}"))).unwrap();
            let told = fixture.mount_fidelity() != MountFidelity::LikeFuse;
            assert!(!told || stat.nlink() == DIRECTORIES as u64);
            for d in 0..DIRECTORIES {
                let other = path.join(format!("{}/{d}/{n}", d % 7));
                assert!(!told || fs::metadata(&other).unwrap().ino() == stat.ino());
                assert_eq!(read(other), n.to_string());
            }
        }
    });
}
