//! Every type of entry, and its attributes.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use layerhold_archive::layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_archive::layerhold_sys::{OpenOptions, stat_file};
use layerhold_archive::{PackOptions, Replace, UnpackError, UnpackOptions, UserNamespace, pack};
use layerhold_testkit::{NodeKind, TarBuilder, TarEntry, TarKind, require_peer, require_root, run};

use crate::support::{UnpackDir, unpack_error};

fn identity_of_process() -> (u64, u64) {
    let metadata = std::fs::metadata("/proc/self").unwrap();
    (metadata.uid().into(), metadata.gid().into())
}

/// An entry that does not need root to unpack.
fn own(entry: TarEntry) -> TarEntry {
    let (uid, gid) = identity_of_process();
    entry.owner(uid, gid)
}

#[test]
fn files_directories_and_links() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("./")).mode(0o750).mtime(77))
        .entry(own(TarEntry::dir("./d/")).mode(0o751).mtime_nanos(100, 5))
        .entry(
            own(TarEntry::file("./d/f", "content"))
                .mode(0o640)
                .mtime_nanos(200, 123_456_789),
        )
        .entry(own(TarEntry::symlink("./d/s", "../elsewhere/")).mtime(300))
        .entry(
            own(TarEntry::hard_link("./h", "d/f"))
                .mode(0o640)
                .mtime_nanos(200, 123_456_789),
        )
        .entry(own(TarEntry::fifo("./d/p")).mode(0o622).mtime(400))
        .entry(own(TarEntry::file("./d/empty", "")).mode(0o600))
        .finish();
    let summary = place.unpack(&tar).unwrap().unpacked;
    assert_eq!((summary.entries, summary.bytes), (7, 7));

    let tree = place.tree();
    assert_eq!(tree.paths().len(), 6);
    let root = tree.at("");
    assert_eq!((root.mode, root.mtime), (0o750, (77, 0)));
    let d = tree.at("d");
    assert_eq!(
        (d.mode, d.mtime, &d.kind),
        (0o751, (100, 5), &NodeKind::Directory)
    );
    let f = tree.at("d/f");
    assert_eq!((f.mode, f.mtime), (0o640, (200, 123_456_789)));
    assert!(matches!(f.kind, NodeKind::File { size: 7, .. }));
    assert_eq!(std::fs::read(place.root.join("h")).unwrap(), b"content");
    assert_eq!(tree.at("h").same_as.as_deref(), Some("d/f".as_ref()));
    let s = tree.at("d/s");
    assert_eq!(
        (&s.kind, s.mtime),
        (&NodeKind::Symlink("../elsewhere/".into()), (300, 0))
    );
    let p = tree.at("d/p");
    assert_eq!(
        (&p.kind, p.mode, p.mtime),
        (&NodeKind::Fifo, 0o622, (400, 0))
    );
}

#[test]
fn a_directory_without_access_time_gets_its_modification_time() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("d")).mtime(300))
        .entry(own(TarEntry::file("d/f", "x")).mtime(400))
        .entry(own(TarEntry::dir("later")).mtime(300).pax("atime", "500"))
        .finish();
    place.unpack(&tar).unwrap();
    let times = |name: &str| {
        let metadata = std::fs::metadata(place.root.join(name)).unwrap();
        (metadata.mtime(), metadata.atime())
    };
    assert_eq!(times("d"), (300, 300));
    assert_eq!(times("d/f"), (400, 400));
    assert_eq!(times("later"), (300, 500));
}

#[test]
fn sparse_files_of_old_gnu_tar_keep_their_holes() {
    let Some(()) = require_peer("tar") else {
        return;
    };
    let (source, place) = (UnpackDir::new(), UnpackDir::new());
    // More holes than one header can hold, data at both ends, and a hole at the end.
    let path = source.root.join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    for piece in 0..30_u64 {
        let content = [u8::try_from(piece).unwrap() + 1; 5000];
        std::os::unix::fs::FileExt::write_all_at(&file, &content, piece << 20).unwrap();
    }
    file.set_len(64 << 20).unwrap();
    let tar = run(Command::new("tar")
        .args(["--format=gnu", "-S", "-cf", "-", "-C"])
        .arg(&source.root)
        .arg("sparse"));
    let tar = tar.into_result().unwrap();
    assert_eq!(tar[156], b'S', "an old GNU sparse header");
    place.unpack(&tar).unwrap();
    let unpacked = place.root.join("sparse");
    assert!(std::fs::read(&unpacked).unwrap() == std::fs::read(&path).unwrap());
    let metadata = std::fs::metadata(&unpacked).unwrap();
    assert!(metadata.blocks() * 512 < 1 << 20, "{}", metadata.blocks());
}

#[test]
fn contiguous_files_are_files() {
    let place = UnpackDir::new();
    let entry = TarEntry::new(TarKind::Other(b'7'), "f").content("content");
    place
        .unpack(&TarBuilder::new().entry(own(entry)).finish())
        .unwrap();
    assert_eq!(std::fs::read(place.root.join("f")).unwrap(), b"content");
}

#[test]
fn entry_by_entry_gives_the_same_tree() {
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("a")).mode(0o700).mtime(5))
        .entry(own(TarEntry::file("a/f", vec![7; 300_000])).mtime(6))
        .entry(own(TarEntry::symlink("l", "a/f")).mtime(7))
        .finish();
    let (one, two) = (UnpackDir::new(), UnpackDir::new());
    one.unpack(&tar).unwrap();
    two.unpack_by_entry(&tar).unwrap();
    let ignore_root = |place: &UnpackDir| place.tree().retain(|path, _| path.as_os_str() != "");
    ignore_root(&one).assert_same(&ignore_root(&two));
}

#[test]
fn parents_that_no_entry_describes() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::file("a/b/c/f", "x")))
        .finish();
    place.unpack(&tar).unwrap();
    let tree = place.tree();
    for path in ["a", "a/b", "a/b/c"] {
        assert_eq!(tree.at(path).mode, 0o755);
    }
}

#[test]
fn things_replace_each_other() {
    let place = UnpackDir::new();
    let (dir, file, link) = (
        |name: &str| own(TarEntry::dir(name)),
        |name: &str, content: &str| own(TarEntry::file(name, content)),
        |name: &str, to: &str| own(TarEntry::symlink(name, to)),
    );
    let first = TarBuilder::new()
        .entry(dir("was-dir"))
        .entry(file("was-dir/below", "x"))
        .entry(file("was-file", "old"))
        .entry(link("was-link", "was-dir"))
        .entry(file("shared", "old"))
        .entry(own(TarEntry::hard_link("other-name", "shared")))
        .finish();
    place.unpack(&first).unwrap();
    let second = TarBuilder::new()
        .entry(file("was-dir", "now a file"))
        .entry(dir("was-file"))
        .entry(file("was-file/below", "y"))
        .entry(dir("was-link"))
        .entry(file("was-link/below", "z"))
        .entry(file("shared", "new"))
        .finish();
    place.unpack(&second).unwrap();
    let tree = place.tree();
    assert!(matches!(
        tree.at("was-dir").kind,
        NodeKind::File { size: 10, .. }
    ));
    assert_eq!(tree.at("was-file").kind, NodeKind::Directory);
    assert_eq!(tree.at("was-link").kind, NodeKind::Directory);
    let read = |name: &str| std::fs::read_to_string(place.root.join(name)).unwrap();
    assert_eq!(read("was-link/below"), "z");
    // The other name keeps the old content: files are replaced, never overwritten.
    assert_eq!(
        (read("shared"), read("other-name")),
        ("new".into(), "old".into())
    );
}

#[test]
fn a_path_is_looked_up_again_after_its_directory_was_replaced() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("real")))
        .entry(own(TarEntry::dir("a")))
        .entry(own(TarEntry::dir("a/b")))
        .entry(own(TarEntry::file("a/b/one", "1")))
        .entry(own(TarEntry::symlink("a", "real")))
        .entry(own(TarEntry::file("a/b/two", "2")))
        .entry(own(TarEntry::dir("a")))
        .entry(own(TarEntry::file("a/b/three", "3")))
        .finish();
    place.unpack(&tar).unwrap();
    let tree = place.tree();
    let paths: Vec<_> = tree
        .paths()
        .iter()
        .map(|path| path.to_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["a", "a/b", "a/b/three", "real", "real/b", "real/b/two"]
    );
}

#[test]
fn absolute_links_lead_inside() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("run")))
        .entry(own(TarEntry::dir("var")))
        .entry(own(TarEntry::symlink("var/run", "/run")))
        .entry(own(TarEntry::symlink("up", "../../../../run")))
        .entry(own(TarEntry::file("var/run/pid", "1")))
        .entry(own(TarEntry::file("up/lock", "2")))
        .finish();
    place.unpack(&tar).unwrap();
    let tree = place.tree();
    assert!(tree.get("run/pid").is_some() && tree.get("run/lock").is_some());
    assert_eq!(tree.at("var/run").kind, NodeKind::Symlink("/run".into()));
}

#[test]
fn directories_without_write_permission_are_filled_first() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("d")).mode(0o500))
        .entry(own(TarEntry::dir("d/e")).mode(0))
        .entry(own(TarEntry::file("d/e/f", "x")))
        .entry(own(TarEntry::dir("twice")).mode(0o100))
        .entry(own(TarEntry::dir("twice")).mode(0o711))
        .finish();
    place.unpack(&tar).unwrap();
    let mode = |name: &str| {
        std::fs::symlink_metadata(place.root.join(name))
            .unwrap()
            .mode()
            & 0o7777
    };
    assert_eq!((mode("d"), mode("twice")), (0o500, 0o711));
    if require_root().is_some() {
        assert_eq!(mode("d/e"), 0);
    }
}

#[test]
fn an_entry_below_a_file_is_refused() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::file("f", "x")))
        .entry(own(TarEntry::file("f/g", "x")))
        .finish();
    let error = unpack_error(place.unpack(&tar));
    assert!(
        matches!(error, UnpackError::ParentNotDirectory { entry } if entry.to_str() == Some("f/g"))
    );
}

#[test]
fn kinds_may_be_kept_from_replacing_each_other() {
    let options = || UnpackOptions::new().with_replace(Replace::SameKind);
    let attempt = |first: TarEntry, second: TarEntry| {
        let place = UnpackDir::new();
        let tar = TarBuilder::new()
            .entry(own(first))
            .entry(own(second))
            .finish();
        place.unpack_with(&tar, options())
    };
    for (first, second) in [
        (TarEntry::dir("x"), TarEntry::file("x", "")),
        (TarEntry::file("x", ""), TarEntry::dir("x")),
    ] {
        let error = unpack_error(attempt(first, second));
        assert!(matches!(error, UnpackError::KindDiffers { .. }));
    }
    attempt(TarEntry::file("x", ""), TarEntry::symlink("x", "y")).unwrap();
}

#[test]
fn unknown_kinds_and_a_root_that_is_a_file() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::new(TarKind::Other(b'V'), "volume")))
        .finish();
    let error = unpack_error(place.unpack(&tar));
    assert!(matches!(
        error,
        UnpackError::UnsupportedKind { flag: b'V', .. }
    ));
    let tar = TarBuilder::new()
        .entry(own(TarEntry::file("./", "x")))
        .finish();
    // A regular entry whose name ends in a slash may count as a directory; one named "." cannot.
    layerhold_sys::best_effort(place.unpack(&tar));
    let tar = TarBuilder::new()
        .entry(own(TarEntry::symlink(".", "x")))
        .finish();
    assert!(matches!(
        unpack_error(place.unpack(&tar)),
        UnpackError::RootNotDirectory
    ));
}

#[test]
fn owners_that_no_kernel_keeps_are_refused() {
    for uid in [u64::from(u32::MAX), 1 << 32] {
        let place = UnpackDir::new();
        let tar = TarBuilder::new()
            .entry(TarEntry::file("f", "").owner(uid, 0))
            .finish();
        let error = unpack_error(place.unpack(&tar));
        assert!(
            matches!(error, UnpackError::NumberOutOfRange { what: "owner", .. }),
            "{error:?}"
        );
    }
}

#[test]
fn root_owners_and_set_id_bits_survive() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(TarEntry::dir("d").owner(1, 2).mode(0o3775))
        .entry(TarEntry::file("d/suid", "binary").owner(3, 4).mode(0o6755))
        .entry(
            TarEntry::hard_link("again", "d/suid")
                .owner(3, 4)
                .mode(0o6755),
        )
        .entry(TarEntry::symlink("d/l", "x").owner(5, 6))
        .entry(
            TarEntry::char_device("d/null", 1, 3)
                .owner(7, 8)
                .mode(0o666),
        )
        .entry(TarEntry::block_device("d/disk", 259, 70_000).mode(0o660))
        .finish();
    let summary = place.unpack(&tar).unwrap().unpacked;
    assert_eq!(summary.uids, [0, 1, 3, 5, 7]);
    assert_eq!(summary.gids, [0, 2, 4, 6, 8]);
    let tree = place.tree();
    let owned = |path: &str| {
        let node = tree.at(path);
        (node.uid, node.gid, node.mode)
    };
    assert_eq!(owned("d"), (1, 2, 0o3775));
    assert_eq!(owned("d/suid"), (3, 4, 0o6755));
    assert_eq!((tree.at("d/l").uid, tree.at("d/l").gid), (5, 6));
    assert_eq!(owned("d/null"), (7, 8, 0o666));
    assert_eq!(tree.at("d/null").kind, NodeKind::CharDevice(0x103));
    assert!(matches!(tree.at("d/disk").kind, NodeKind::BlockDevice(_)));
}

#[test]
fn root_attributes() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = TarBuilder::new()
        .entry(
            TarEntry::file("f", "x")
                .owner(1, 1)
                .xattr("security.capability", capability)
                .xattr("user.a", "v")
                .xattr("security.selinux", "system_u:object_r:x:s0"),
        )
        .entry(TarEntry::dir("d").xattr("user.b", "w").mtime(50))
        .entry(TarEntry::file("d/f", ""))
        .finish();
    place.unpack(&tar).unwrap();
    let tree = place.tree();
    let f = tree.at("f");
    assert_eq!(
        f.xattrs
            .get("security.capability".as_ref() as &std::ffi::OsStr)
            .unwrap(),
        &capability
    );
    assert_eq!(f.xattrs.len(), 2);
    assert_eq!(
        (tree.at("d").xattrs.len(), tree.at("d").mtime),
        (1, (50, 0))
    );
}

/// Packing and unpacking gives the same tree.
#[test]
fn attributes_with_empty_values_are_set() {
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(own(TarEntry::file("f", "x")).xattr("user.empty", ""))
        .entry(own(TarEntry::file("g", "x")).xattr("security.capability", ""))
        .entry(own(TarEntry::dir("d")).xattr("user.empty", ""))
        .finish();
    place.unpack(&tar).unwrap();
    let tree = place.tree();
    for name in ["f", "d"] {
        let set: Vec<_> = tree.at(name).xattrs.iter().collect();
        assert_eq!(set.len(), 1, "{name}");
        assert!(set[0].1.is_empty());
    }
    // An empty capability is none.
    assert!(tree.at("g").xattrs.is_empty());
    let packed = pack(&place.dir, &PackOptions::default(), Vec::new()).unwrap();
    let again = UnpackDir::new();
    again.unpack(&packed).unwrap();
    tree.without_directory_times()
        .assert_same(&again.tree().without_directory_times());
}

#[test]
fn root_mapped_owners() {
    let Some(()) = require_root() else { return };
    let map = |host| IdMap::new(vec![IdRange::new(0, host, 100)]);
    let options = || UnpackOptions::new().with_id_maps(IdMappings::new(map(1000), map(2000)));
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(TarEntry::file("implied/f", "").owner(5, 6))
        .finish();
    let summary = place.unpack_with(&tar, options()).unwrap().unpacked;
    assert_eq!((summary.uids, summary.gids), (vec![5], vec![6]));
    let tree = place.tree();
    assert_eq!(
        (tree.at("implied/f").uid, tree.at("implied/f").gid),
        (1005, 2006)
    );
    assert_eq!(
        (tree.at("implied").uid, tree.at("implied").gid),
        (1000, 2000)
    );

    let tar = TarBuilder::new()
        .entry(TarEntry::file("f", "").owner(5, 100))
        .finish();
    let error = unpack_error(place.unpack_with(&tar, options()));
    assert!(matches!(
        error,
        UnpackError::UnmappedOwner {
            uid: 5,
            gid: 100,
            ..
        }
    ));
}

#[test]
fn devices_are_left_out_in_a_user_namespace() {
    let place = UnpackDir::new();
    let options = UnpackOptions::new().with_user_namespace(UserNamespace::Child);
    let tar = TarBuilder::new()
        .entry(own(TarEntry::char_device("null", 1, 3)))
        .entry(own(TarEntry::block_device("disk", 8, 0)))
        .entry(own(TarEntry::fifo("pipe")))
        .finish();
    let summary = place.unpack_with(&tar, options).unwrap().unpacked;
    assert_eq!(summary.skipped_devices, 2);
    assert_eq!(place.tree().paths(), ["pipe"].map(std::path::Path::new));
}

#[test]
fn a_mask_hides_owner_mode_and_type() {
    let place = UnpackDir::new();
    let options = UnpackOptions::new().with_force_mask(0o711);
    let tar = TarBuilder::new()
        .entry(TarEntry::dir("d").owner(1, 2).mode(0o1777))
        .entry(TarEntry::file("d/f", "x").owner(3, 4).mode(0o4755))
        .entry(TarEntry::char_device("d/c", 1, 3).owner(5, 6).mode(0o666))
        .finish();
    place.unpack_with(&tar, options).unwrap();
    let tree = place.tree();
    let check = |path: &str, value: &str| {
        let node = tree.at(path);
        let name: &std::ffi::OsStr = "user.containers.override_stat".as_ref();
        let found = node
            .xattrs
            .get(name)
            .map(|value| String::from_utf8_lossy(value));
        assert_eq!(found.as_deref(), Some(value), "{path}");
        if !path.is_empty() {
            assert_eq!(node.mode, 0o711, "{path}");
            assert_eq!(node.uid, std::fs::metadata("/proc/self").unwrap().uid());
        }
    };
    check("d", "1:2:1777:dir");
    check("d/f", "3:4:4755:file");
    check("d/c", "5:6:0666:char-1-3");
    check("", "0:0:0755:dir");
    assert!(matches!(
        tree.at("d/c").kind,
        NodeKind::File { size: 0, .. }
    ));
}

#[test]
fn long_and_strange_names() {
    let place = UnpackDir::new();
    let component = "n".repeat(255);
    let deep = [component.as_str(); 15].join("/");
    let tar = TarBuilder::new()
        .entry(own(TarEntry::file(&deep, "deep")))
        .entry(own(TarEntry::file(b"not \xff\xfe utf-8\n", "x")))
        .finish();
    place.unpack(&tar).unwrap();
    let file = place.dir.open_in_root(&deep, OpenOptions::read()).unwrap();
    assert_eq!(stat_file(&file).unwrap().size, 4);
    drop(file);
    let strange = std::ffi::OsStr::from_bytes(b"not \xff\xfe utf-8\n");
    assert_eq!(place.dir.stat(strange).unwrap().unwrap().size, 1);

    let too_long = TarBuilder::new()
        .entry(own(TarEntry::file("a/".repeat(50_000) + "f", "")))
        .finish();
    let error = unpack_error(place.unpack(&too_long));
    assert!(
        matches!(error, UnpackError::PathTooLong { length: 100_001 }),
        "{error:?}"
    );
    let component = TarBuilder::new()
        .entry(own(TarEntry::file("n".repeat(256), "")))
        .finish();
    assert!(matches!(
        unpack_error(place.unpack(&component)),
        UnpackError::Entry { .. }
    ));
}
