//! Compares archives and trees with those of the Go tool.

use layerhold_archive::layerhold_sys::Dir;
use layerhold_archive::layerhold_tar_format::Reader;
use layerhold_archive::{
    CompareOptions, HeaderStyle, OwnerNames, PackOptions, compare, pack, pack_changes,
};
use layerhold_testkit::{GoStore, TarBuilder, TarEntry, Tree, require_peer, require_root, scratch};

use crate::support::{UnpackDir, write};

fn ready() -> Option<()> {
    require_root()?;
    require_peer("containers-storage")
}

fn base_layer() -> TarBuilder {
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut tar = TarBuilder::new()
        .entry(TarEntry::dir("./").mode(0o751).mtime(1_600_000_000))
        .dir("./bin/", 0o755)
        .entry(
            TarEntry::file("./bin/su", "binary")
                .mode(0o4755)
                .mtime_nanos(1_600_000_001, 5),
        )
        .entry(TarEntry::file("./bin/ping", "binary").xattr("security.capability", capability))
        .entry(
            TarEntry::hard_link("./bin/sudo", "./bin/su")
                .mode(0o4755)
                .mtime_nanos(1_600_000_001, 5),
        )
        .entry(TarEntry::dir("./tmp").mode(0o1777).owner(5, 6))
        .entry(
            TarEntry::symlink("./lib", "usr/lib")
                .owner(7, 8)
                .mtime(1_500_000_000),
        )
        .entry(TarEntry::symlink("./var/run", "/run").owner(7, 8))
        .dir("./run", 0o755)
        .entry(TarEntry::file("./var/run/through", "link").mtime(1_400_000_000))
        .entry(TarEntry::char_device("./dev/null", 1, 3).mode(0o666))
        .entry(TarEntry::fifo("./dev/pipe").mode(0o600).owner(1, 1))
        .entry(TarEntry::file("./etc/old", "1970").mtime(-5))
        .entry(TarEntry::file("../escaped", "clamped"))
        .entry(TarEntry::file("/absolute", "x").xattr("user.note", "hello"))
        .dir("d", 0o755)
        .dir("d/lower", 0o755)
        .file("d/lower/f", 0o644, "f")
        .file("d/g", 0o644, "g")
        .dir("white", 0o755)
        .file("white/out", 0o644, "gone soon");
    for n in 0..50 {
        tar = tar.file(
            format!("many/{}/file{n}", n % 5),
            0o600 + n % 0o100,
            vec![b'z'; n as usize * 100],
        );
    }
    tar.file(
        format!("long/{}/{}", "a".repeat(120), "b".repeat(200)),
        0o644,
        "long",
    )
}

fn upper_layer() -> TarBuilder {
    TarBuilder::new()
        .dir("d", 0o700)
        .file("d/new", 0o644, "kept")
        .opaque("d")
        .whiteout("white/out")
        .whiteout("bin/sudo")
        .file("lib", 0o644, "a file over a symlink")
        .dir("absolute", 0o755)
        .file("absolute/below", 0o644, "a directory over a file")
        .file("many", 0o600, "a file over a directory")
}

/// The installed tool is an older one.
fn like_debian() -> PackOptions {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let names = OwnerNames::parse(&read("/etc/passwd"), &read("/etc/group"));
    PackOptions::new().with_style(HeaderStyle::Legacy(names))
}

/// Leaves out times of directories without an entry: they are those of the test run.
fn comparable(tree: Tree) -> Tree {
    tree.without_directory_times()
}

#[test]
fn peer_unpacks_the_same_trees() {
    let Some(()) = ready() else { return };
    let base = scratch();
    let go = GoStore::below(base.path(), "vfs");
    let (one, two) = (base.path().join("1.tar"), base.path().join("2.tar"));
    write(&one, &base_layer().finish());
    write(&two, &upper_layer().finish());
    let lower = go.id(["import-layer".as_ref(), "-f".as_ref(), one.as_os_str()]);
    let upper = go.id([
        "import-layer".as_ref(),
        "-f".as_ref(),
        two.as_os_str(),
        lower.as_ref(),
    ]);
    let theirs = |id: &str| Tree::of(&go.root().join("vfs/dir").join(id));

    let place = UnpackDir::new();
    place.unpack(&base_layer().finish()).unwrap();
    comparable(place.tree()).assert_same(&comparable(theirs(&lower)));
    assert_eq!(place.tree().at("tmp").mtime, theirs(&lower).at("tmp").mtime);
    place.unpack(&upper_layer().finish()).unwrap();
    comparable(place.tree()).assert_same(&comparable(theirs(&upper)));
}

/// A tree with everything that Go packs in a special way.
fn tree_to_pack() -> UnpackDir {
    let place = UnpackDir::new();
    place.unpack(&base_layer().finish()).unwrap();
    std::fs::hard_link(place.root.join("lib"), place.root.join("lib2")).unwrap();
    std::fs::hard_link(place.root.join("dev/null"), place.root.join("dev/null2")).unwrap();
    place
}

#[test]
fn peer_packs_the_same_bytes() {
    let Some(()) = ready() else { return };
    let base = scratch();
    let go = GoStore::below(base.path(), "vfs");
    let source = tree_to_pack();
    // A layer made by hand has no tar-split, so Go has to pack it.
    let id = go.id(["create-layer"]);
    let directory = go.root().join("vfs/dir").join(&id);
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(source.root.join("."))
        .arg(&directory)
        .status()
        .unwrap();
    assert!(copied.success());
    let theirs = go.run(["diff", "-u", &id]).into_result().unwrap();
    let dir = Dir::open_ambient(&directory).unwrap();
    let ours = pack(&dir, &like_debian(), Vec::new()).unwrap();
    assert_same_archive(&ours, &theirs);
    assert!(ours == theirs);
}

#[test]
fn peer_exports_the_same_changes() {
    let Some(()) = ready() else { return };
    let base = scratch();
    let go = GoStore::below(base.path(), "vfs");
    let tar = base.path().join("1.tar");
    write(&tar, &base_layer().finish());
    let lower = go.id(["import-layer".as_ref(), "-f".as_ref(), tar.as_os_str()]);
    let upper = go.id(["create-layer", &lower]);
    let path = |id: &str| go.root().join("vfs/dir").join(id);
    let (new, old) = (path(&upper), path(&lower));
    let below = |name: &str| new.join(name);
    std::fs::remove_dir_all(below("many/3")).unwrap();
    write(below("many/0/file0"), b"changed");
    write(below("many/new"), b"new");
    std::fs::remove_file(below("lib")).unwrap();
    write(below("lib"), b"no link");
    std::fs::remove_dir_all(below("d")).unwrap();
    write(below("d"), b"no directory");
    std::fs::create_dir(below("added")).unwrap();
    std::os::unix::fs::symlink("x", below("added/link")).unwrap();
    std::fs::hard_link(below("bin/su"), below("bin/three")).unwrap();
    std::os::unix::fs::chown(below("etc/old"), Some(9), Some(9)).unwrap();

    let open = |path: &std::path::Path| Dir::open_ambient(path).unwrap();
    let changes = compare(&open(&new), Some(&open(&old)), &CompareOptions::new()).unwrap();
    let mut theirs: Vec<String> = go.run(["changes", &upper]).lines();
    theirs.retain(|line| !line.is_empty());
    let mut ours: Vec<String> = changes.iter().map(describe).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);

    let theirs = go.run(["diff", "-u", &upper]).into_result().unwrap();
    // Deletions carry the time of the call; take that of Go.
    let mut reader = Reader::new(&theirs[..]);
    let mut now = None;
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        if String::from_utf8_lossy(&header.name).contains(".wh.") {
            now = Some(header.mtime);
        }
    }
    let ours = pack_changes(&open(&new), &changes, &like_debian(), Vec::new()).unwrap();
    assert_same_archive(&ours, &theirs);
    assert!(now.is_some() && ours.len() == theirs.len());
}

fn describe(change: &layerhold_archive::Change) -> String {
    use layerhold_archive::ChangeKind;
    let word = match change.kind {
        ChangeKind::Modify => "Modify",
        ChangeKind::Add => "Add",
        ChangeKind::Delete => "Delete",
    };
    format!("{word} {:?}", change.path)
}

/// Compares header by header, so that a failure names the entry; whiteouts carry the time of the
/// call.
fn assert_same_archive(ours: &[u8], theirs: &[u8]) {
    let list = |tar: &[u8]| {
        let mut reader = Reader::new(tar);
        let mut headers = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut header = entry.header().clone();
            if String::from_utf8_lossy(&header.name).contains(".wh.") {
                header.mtime = Default::default();
            }
            headers.push(header);
        }
        headers
    };
    let (ours, theirs) = (list(ours), list(theirs));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}
