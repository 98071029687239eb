//! Differences between two trees.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use layerhold_archive::layerhold_sys::{Dir, SetTime, Times, Timestamp, xattr};
use layerhold_archive::{Cancel, CompareOptions, changes_size, compare};

use crate::support::{UnpackDir, write};

fn listed(new: &UnpackDir, old: Option<&UnpackDir>) -> Vec<String> {
    let changes = compare(
        &new.dir,
        old.map(|place| &place.dir),
        &CompareOptions::new(),
    )
    .unwrap();
    changes.iter().map(ToString::to_string).collect()
}

/// Two copies of one tree, with equal times.
fn twins() -> (UnpackDir, UnpackDir) {
    let make = || {
        let place = UnpackDir::new();
        for directory in ["d", "d/e", "gone"] {
            std::fs::create_dir(place.root.join(directory)).unwrap();
        }
        for file in ["d/f", "d/e/g", "gone/h", "i"] {
            write(place.root.join(file), file.as_bytes());
        }
        std::os::unix::fs::symlink("target", place.root.join("l")).unwrap();
        for entry in ["d/f", "d/e/g", "d/e", "d", "gone/h", "gone", "i", "l"] {
            set_time(&place, entry, 1000, 5);
        }
        place
    };
    (make(), make())
}

fn set_time(place: &UnpackDir, path: &str, seconds: i64, nanoseconds: u32) {
    let time = SetTime::At(Timestamp {
        seconds,
        nanoseconds,
    });
    let times = Times {
        accessed: time,
        modified: time,
    };
    let (dir, name) = place.dir.resolve_parent_in_root(Path::new(path)).unwrap();
    dir.set_times(name, &times).unwrap();
}

#[test]
fn equal_trees_and_no_tree() {
    let (new, old) = twins();
    assert_eq!(listed(&new, Some(&old)), Vec::<String>::new());
    let all = [
        "A /d",
        "A /d/e",
        "A /d/e/g",
        "A /d/f",
        "A /gone",
        "A /gone/h",
        "A /i",
        "A /l",
    ];
    assert_eq!(listed(&new, None), all);
}

#[test]
fn what_counts_as_a_change() {
    let (new, old) = twins();
    let path = |name: &str| new.root.join(name);
    // Only the mode of an entry deep below: its directories are listed too.
    std::fs::set_permissions(path("d/e/g"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_dir_all(path("gone")).unwrap();
    std::fs::remove_file(path("l")).unwrap();
    std::os::unix::fs::symlink("tarpit", path("l")).unwrap();
    set_time(&new, "l", 1000, 5);
    write(path("j"), b"new");
    let expected = ["C /d", "C /d/e", "C /d/e/g", "D /gone", "A /j", "C /l"];
    assert_eq!(listed(&new, Some(&old)), expected);
}

#[test]
fn sizes_times_and_attributes() {
    let (new, old) = twins();
    write(new.root.join("i"), b"longer than it was");
    set_time(&new, "i", 1000, 5);
    set_time(&new, "d/f", 1001, 5);
    set_time(&new, "d/e/g", 1000, 6);
    let file = new.dir.resolve_dir_in_root("gone").unwrap();
    xattr::set_at(&file, "h", "user.a", b"1").unwrap();
    let expected = [
        "C /d",
        "C /d/e",
        "C /d/e/g",
        "C /d/f",
        "C /gone",
        "C /gone/h",
        "C /i",
    ];
    assert_eq!(listed(&new, Some(&old)), expected);
    // A fraction that one side lacks may have been lost in an archive.
    set_time(&new, "d/e/g", 1000, 0);
    assert_eq!(
        listed(&new, Some(&old)),
        ["C /d", "C /d/f", "C /gone", "C /gone/h", "C /i"]
    );
}

#[test]
fn one_kind_in_place_of_another() {
    let (new, old) = twins();
    std::fs::remove_dir_all(new.root.join("d")).unwrap();
    write(new.root.join("d"), b"file now");
    std::fs::remove_file(new.root.join("i")).unwrap();
    std::fs::create_dir(new.root.join("i")).unwrap();
    write(new.root.join("i/below"), b"");
    assert_eq!(listed(&new, Some(&old)), ["C /d", "C /i", "A /i/below"]);
}

#[test]
fn names_that_sort_around_slashes() {
    let new = UnpackDir::new();
    std::fs::create_dir(new.root.join("a")).unwrap();
    for name in ["a/x", "a.txt", "a-b", "ab"] {
        write(new.root.join(name), b"");
    }
    assert_eq!(
        listed(&new, None),
        ["A /a", "A /a-b", "A /a.txt", "A /a/x", "A /ab"]
    );
}

#[test]
fn hard_links_to_the_other_tree_are_not_even_looked_at() {
    let (new, old) = twins();
    std::fs::remove_file(new.root.join("d/f")).unwrap();
    std::fs::hard_link(old.root.join("d/f"), new.root.join("d/f")).unwrap();
    set_time(&new, "d", 1000, 5);
    assert_eq!(listed(&new, Some(&old)), Vec::<String>::new());
}

#[test]
fn deep_trees_need_few_descriptors() {
    let place = UnpackDir::new();
    let mut dir = place.dir.clone();
    for _ in 0..600 {
        dir.create_dir("d", 0o755).unwrap();
        dir = dir.open_dir("d").unwrap();
    }
    drop(dir.create_file("bottom", 0o644).unwrap());
    let changes = compare(&place.dir, None, &CompareOptions::new()).unwrap();
    assert_eq!(changes.len(), 601);
    let packed = layerhold_archive::pack(&place.dir, &Default::default(), Vec::new()).unwrap();
    assert!(packed.len() > 601 * 512);
    let empty = UnpackDir::new();
    let empty: &Dir = &empty.dir;
    let deleted = compare(empty, Some(&place.dir), &CompareOptions::new()).unwrap();
    assert_eq!(deleted.len(), 1);
}

/// No path is looked up as a whole: the paths of this tree are longer than the kernel accepts.
#[test]
fn each_directory_of_a_deep_tree_is_opened_a_bounded_number_of_times() {
    const DEPTH: u64 = 1000;
    let place = UnpackDir::new();
    let mut dir = place.dir.clone();
    for _ in 0..DEPTH {
        for side in ["a", "z"] {
            drop(dir.create_file(side, 0o644).unwrap());
        }
        dir.create_dir("directory", 0o755).unwrap();
        dir = dir.open_dir("directory").unwrap();
    }
    let opened = |work: &dyn Fn()| {
        let before = layerhold_sys::directories_opened();
        work();
        layerhold_sys::directories_opened() - before
    };
    let changes = compare(&place.dir, None, &CompareOptions::new()).unwrap();
    assert_eq!(changes.len() as u64, 3 * DEPTH);
    let options = layerhold_archive::PackOptions::default();
    let works: [(&str, &dyn Fn()); 4] = [
        ("compare", &|| {
            drop(compare(&place.dir, None, &CompareOptions::new()).unwrap())
        }),
        ("size", &|| {
            assert_eq!(
                changes_size(&place.dir, &changes, &Cancel::new()).unwrap(),
                0
            );
        }),
        ("pack", &|| {
            drop(layerhold_archive::pack(&place.dir, &options, Vec::new()).unwrap())
        }),
        ("pack changes", &|| {
            let packed =
                layerhold_archive::pack_changes(&place.dir, &changes, &options, Vec::new());
            drop(packed.unwrap());
        }),
    ];
    for (name, work) in works {
        let opened = opened(work);
        assert!(opened <= 5 * DEPTH, "{name}: {opened}");
    }
    layerhold_sys::remove_contents(&place.dir).unwrap();
}

#[test]
fn sizes_of_changes() {
    let (new, old) = twins();
    write(new.root.join("big"), &[0; 5000]);
    std::fs::hard_link(new.root.join("big"), new.root.join("same")).unwrap();
    std::fs::remove_file(new.root.join("i")).unwrap();
    let changes = compare(&new.dir, Some(&old.dir), &CompareOptions::new()).unwrap();
    assert_eq!(
        changes_size(&new.dir, &changes, &Cancel::new()).unwrap(),
        5000
    );
}
