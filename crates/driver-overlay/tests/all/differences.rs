//! Differences: read from `diff` where that is the difference, else by comparing.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Command;

use layerhold_driver::layerhold_archive::layerhold_tar_format::Reader;
use layerhold_driver::layerhold_sys::{Dir, directories_opened, xattr};
use layerhold_driver::{DiffRequest, Driver, MountOptions};
use layerhold_testkit::{Feature, TarBuilder, TarEntry, Tree, require_feature, require_peer};

use crate::support::{Place, id, names, write};

/// The names in a tar, sorted.
fn entries(tar: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(tar);
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        names.push(String::from_utf8(entry.header().name.clone()).unwrap());
    }
    names.sort();
    names
}

fn base() -> Vec<u8> {
    TarBuilder::new()
        .dir("d", 0o755)
        .file("d/f", 0o644, "f")
        .file("file", 0o644, "a file")
        .dir("old", 0o755)
        .file("old/g", 0o644, "g")
        .finish()
}

#[test]
fn root_whiteouts_on_the_disk_are_those_of_the_kernel() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &base());
    let tar = TarBuilder::new()
        .whiteout("file")
        .opaque("d")
        .dir("d", 0o755)
        .finish();
    place.layer("top", Some("base"), &tar);
    let whiteout = fs::symlink_metadata(place.home("top/diff/file")).unwrap();
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    let dir = Dir::open_ambient(place.home("top/diff/d")).unwrap();
    let mark = xattr::get(&dir, "trusted.overlay.opaque").unwrap();
    assert_eq!(mark.as_deref(), Some(b"y".as_slice()));
    assert_eq!(names(place.home("top/diff/d")), [""; 0]);
    place.mounted("top", |path| {
        assert_eq!(names(path), ["d", "old"]);
        assert!(names(path.join("d")).is_empty());
    });
    assert_eq!(
        place.changes("top", Some("base")),
        ["C /d", "D /d/f", "D /file"]
    );
    assert_eq!(
        entries(&place.diff("top", Some("base"))),
        [".wh.file", "d/", "d/.wh..wh..opq"]
    );
}

#[test]
fn root_peer_whiteouts_of_a_program_are_files() {
    if require_peer("fuse-overlayfs").is_none() || require_feature(Feature::Fuse).is_none() {
        return;
    }
    let options = ["overlay.mount_program=/usr/bin/fuse-overlayfs"];
    let Some(place) = Place::with(&options) else {
        return;
    };
    assert_eq!(
        crate::support::read(place.home(".has-mount-program")),
        "true"
    );
    place.layer("base", None, &base());
    let tar = TarBuilder::new()
        .whiteout("file")
        .dir("d", 0o755)
        .opaque("d")
        .finish();
    place.layer("top", Some("base"), &tar);
    assert_eq!(names(place.home("top/diff")), [".wh.file", "d"]);
    assert_eq!(names(place.home("top/diff/d")), [".wh..wh..opq"]);
    place.mounted("top", |path| {
        assert_eq!(names(path), ["d", "old"]);
        assert!(names(path.join("d")).is_empty());
    });
    // What the program writes itself, as root, are devices; both are understood.
    place.writable("rw", Some("base"));
    place.mounted("rw", |path| fs::remove_file(path.join("file")).unwrap());
    assert_eq!(place.changes("rw", Some("base")), ["D /file"]);
    assert_eq!(
        place.changes("top", Some("base")),
        ["C /d", "D /d/f", "D /file"]
    );
    assert!(!place.driver.capabilities().native_diff);
    // Nothing of the looking stays mounted.
    let table = crate::support::read("/proc/self/mountinfo");
    let left: Vec<_> = table
        .lines()
        .filter(|line| line.contains("fuse") && line.contains(place.base().to_str().unwrap()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn root_files_and_directories_may_replace_each_other() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &base());
    place.writable("rw", Some("base"));
    place.mounted("rw", |path| {
        fs::remove_file(path.join("file")).unwrap();
        fs::create_dir(path.join("file")).unwrap();
        write(path.join("file/inner"), "x");
        fs::remove_dir_all(path.join("d")).unwrap();
        write(path.join("d"), "now a file");
    });
    assert_eq!(
        place.changes("rw", Some("base")),
        ["C /d", "C /file", "A /file/inner"]
    );
    // What is packed gives the same tree again.
    place.layer("again", Some("base"), &place.diff("rw", Some("base")));
    let tree = |name: &str| {
        let tree = place.mounted(name, Tree::of).without_directory_times();
        tree.map(|_, node| node.mtime.1 = 0)
    };
    tree("again").assert_same(&tree("rw"));
}

#[test]
fn root_renamed_directories_are_found_by_comparing() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &base());
    place.writable("rw", Some("base"));
    let renaming = MountOptions::new().with_option("redirect_dir=on");
    place.mounted_with("rw", &renaming, |path| {
        fs::rename(path.join("old"), path.join("new")).unwrap();
    });
    // `diff` holds a directory without contents that refers to another one.
    assert!(names(place.home("rw/diff/new")).is_empty());
    let dir = Dir::open_ambient(place.home("rw/diff/new")).unwrap();
    assert!(
        xattr::get(&dir, "trusted.overlay.redirect")
            .unwrap()
            .is_some()
    );

    // Looking has to follow such references as well, which is the kernel's choice without the
    // option.
    let configured = Place::at(place.base(), &["overlay.mountopt=redirect_dir=on"]);
    assert!(!configured.driver.capabilities().native_diff);
    let expected = ["A /new", "A /new/g", "D /old"];
    assert_eq!(configured.changes("rw", Some("base")), expected);
    let tar = configured.diff("rw", Some("base"));
    assert_eq!(entries(&tar), [".wh.old", "new/", "new/g"]);
}

#[test]
fn root_metadata_without_contents_is_found_by_comparing() {
    let Some(place) = Place::with(&["overlay.mountopt=metacopy=on"]) else {
        return;
    };
    place.layer("base", None, &base());
    place.writable("rw", Some("base"));
    place.mounted("rw", |path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path.join("file"), mode).unwrap();
    });
    if place.driver.status()[3].1 == "false" {
        return;
    }
    assert!(!place.driver.capabilities().native_diff);
    assert_eq!(place.changes("rw", Some("base")), ["C /file"]);
    place.layer("again", Some("base"), &place.diff("rw", Some("base")));
    place.mounted("again", |path| {
        assert_eq!(crate::support::read(path.join("file")), "a file");
    });
}

#[test]
fn root_other_pairs_than_layer_and_parent_are_compared() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &base());
    place.layer(
        "one",
        Some("base"),
        &TarBuilder::new().file("one", 0o644, "1").finish(),
    );
    place.layer(
        "two",
        Some("one"),
        &TarBuilder::new().whiteout("file").finish(),
    );
    assert_eq!(place.changes("two", Some("one")), ["D /file"]);
    assert_eq!(place.changes("two", Some("base")), ["D /file", "A /one"]);
    assert_eq!(place.changes("base", Some("two")), ["A /file", "D /one"]);
    assert_eq!(place.changes("two", None).len(), 5);
    assert_eq!(
        entries(&place.diff("two", Some("base"))),
        [".wh.file", "one"]
    );
    assert!(place.driver.exists(&id("two")).unwrap());
}

#[test]
fn root_directories_keep_their_times_when_whiteouts_in_them_are_settled() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &base());
    let (time, marker) = (1_000_000, |name| TarEntry::file(name, ""));
    let dir = |name| TarEntry::dir(name).mode(0o755).mtime(time);
    let tar = TarBuilder::new()
        .entry(dir("./"))
        .entry(marker(".wh..wh..opq"))
        .entry(dir("n"))
        .entry(marker("n/.wh.gone"))
        .entry(dir("p"))
        .entry(marker("p/q/.wh.gone"))
        .finish();
    for parent in [None, Some("base")] {
        let name = format!("on-{}", parent.unwrap_or("nothing"));
        place.layer(&name, parent, &tar);
        place.mounted(&name, |path| {
            assert_eq!(names(path), ["n", "p"], "{name}");
            for shown in ["", "n", "p"] {
                let found = fs::metadata(path.join(shown)).unwrap().mtime();
                assert_eq!(found, time, "{shown:?} of {name}");
            }
        });
    }
}

#[test]
fn root_whiteouts_of_nothing_are_no_files() {
    let Some(place) = Place::new() else { return };
    place.layer("base", None, &base());
    let tar = TarBuilder::new()
        .dir("n", 0o755)
        .whiteout("n/gone")
        .finish();
    place.layer("alone", None, &tar);
    // Of a directory that only one layer has, the kernel lists whiteouts, so none is made. Layers
    // of Go's tools have them.
    place.mounted("alone", |path| assert_eq!(names(path.join("n")), [""; 0]));
    let whiteout = place.home("alone/diff/n/gone");
    let mut mknod = Command::new("mknod");
    let made = mknod.arg(&whiteout).args(["c", "0", "0"]).status();
    assert!(made.unwrap().success());
    place.mounted("alone", |path| assert_eq!(names(path.join("n")), ["gone"]));
    let changes = place.changes("alone", Some("base"));
    assert!(changes.contains(&"A /n".to_owned()), "{changes:?}");
    assert!(!changes.contains(&"A /n/gone".to_owned()), "{changes:?}");
    assert!(!entries(&place.diff("alone", Some("base"))).contains(&"n/gone".to_owned()));
    assert_eq!(place.changes("alone", None), ["A /n"]);
    place.layer(
        "under",
        Some("alone"),
        &TarBuilder::new().dir("n", 0o755).finish(),
    );
    let changes = place.changes("base", Some("alone"));
    assert!(
        !changes.iter().any(|change| change.contains("gone")),
        "{changes:?}"
    );
    // Once something lies on it, the kernel leaves it out itself.
    let changes = place.changes("under", Some("alone"));
    assert!(
        !changes.iter().any(|change| change.contains("gone")),
        "{changes:?}"
    );
}

/// How many directories are opened to read what a layer with so many parents changes.
fn opened_for_the_top_of(depth: usize, top: &[u8]) -> Option<[u64; 2]> {
    let place = Place::new()?;
    let mut parent: Option<String> = None;
    for n in 0..depth {
        let name = format!("layer{n}");
        place.layer(&name, parent.as_deref(), &base());
        parent = Some(name);
    }
    place.layer("top", parent.as_deref(), top);
    let (layer, parent) = (id("top"), parent.as_deref().map(id));
    let mut request = DiffRequest::new(&layer);
    request.parent = parent.as_ref();
    // What the kernel supports is found out once.
    assert!(place.driver.capabilities().native_diff);
    let opened = |work: &dyn Fn()| {
        let before = directories_opened();
        work();
        directories_opened() - before
    };
    Some([
        opened(&|| place.driver.diff(&request, &mut std::io::sink()).unwrap()),
        opened(&|| assert_eq!(place.driver.diff_size(&request).unwrap(), 3)),
    ])
}

#[test]
fn root_parents_are_not_opened_to_pack_or_measure_a_layer() {
    let top = TarBuilder::new()
        .dir("d", 0o755)
        .file("d/new", 0o644, "new")
        .whiteout("file")
        .finish();
    let Some(few) = opened_for_the_top_of(2, &top) else {
        return;
    };
    for depth in [10, 40] {
        assert_eq!(opened_for_the_top_of(depth, &top), Some(few), "{depth}");
    }
    // An opaque directory is packed as one only if it hides something.
    let opaque = TarBuilder::new()
        .dir("d", 0o755)
        .opaque("d")
        .file("d/new", 0o644, "new")
        .finish();
    let Some([packed, measured]) = opened_for_the_top_of(10, &opaque) else {
        return;
    };
    assert!(packed > few[0], "{packed}");
    assert_eq!(measured, few[1]);
}
