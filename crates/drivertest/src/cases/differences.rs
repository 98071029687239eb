//! Changes, sizes, and archives of differences.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use layerhold_driver::{ApplyRequest, ApplySummary};
use layerhold_sys::{Dir, make_device, xattr};
use layerhold_testkit::{NodeKind, TarBuilder, TarEntry, Tree};

use crate::DriverFixture;
use crate::fixture::{fill, id, read};

fn base() -> Vec<u8> {
    TarBuilder::new()
        .dir("a", 0o755)
        .file("a/change", 0o644, "before")
        .file("a/gone", 0o644, "gone")
        .file("a/keep", 0o644, "kept")
        .dir("b", 0o755)
        .file("b/gone", 0o644, "gone")
        .file("kind", 0o644, "a file")
        .symlink("link", "a/keep")
        .file("mode", 0o644, "1234")
        .dir("untouched", 0o755)
        .file("untouched/f", 0o644, "kept")
        .finish()
}

fn write(path: impl AsRef<Path>, content: &str) {
    File::create(path)
        .unwrap()
        .write_all(content.as_bytes())
        .unwrap();
}

/// Changes the tree of [`base`] in every way that shows.
fn change(path: &Path) {
    write(path.join("a/change"), "afterwards");
    fs::remove_file(path.join("a/gone")).unwrap();
    write(path.join("a/new"), "new");
    fs::remove_file(path.join("b/gone")).unwrap();
    fs::remove_dir(path.join("b")).unwrap();
    fs::create_dir(path.join("c")).unwrap();
    write(path.join("c/f"), "added");
    fs::hard_link(path.join("c/f"), path.join("c/same")).unwrap();
    fs::remove_file(path.join("kind")).unwrap();
    fs::create_dir(path.join("kind")).unwrap();
    write(path.join("kind/inner"), "12");
    fs::remove_file(path.join("link")).unwrap();
    symlink("a/change", path.join("link")).unwrap();
    fs::set_permissions(path.join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
}

const CHANGES: [&str; 12] = [
    "C /a",
    "C /a/change",
    "D /a/gone",
    "A /a/new",
    "D /b",
    "A /c",
    "A /c/f",
    "A /c/same",
    "C /kind",
    "A /kind/inner",
    "C /link",
    "C /mode",
];

pub(super) fn changes_are_exact(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    fixture.changed("upper", "base", change);
    assert_eq!(fixture.changes("upper", Some("base")), CHANGES);
    // afterwards, new, added (once), 12, a/change (the link's target), 1234.
    assert_eq!(
        fixture.diff_size("upper", Some("base")),
        10 + 3 + 5 + 2 + 8 + 4
    );
    let all: Vec<_> = fixture.changes("base", None);
    assert_eq!(
        all,
        [
            "A /a",
            "A /a/change",
            "A /a/gone",
            "A /a/keep",
            "A /b",
            "A /b/gone",
            "A /kind",
            "A /link",
            "A /mode",
            "A /untouched",
            "A /untouched/f",
        ]
    );
    assert_eq!(
        fixture.diff_size("base", None),
        6 + 4 + 4 + 4 + 6 + 6 + 4 + 4
    );
}

/// What the archive of a difference keeps of a tree: whole seconds, no sockets, and nothing on the
/// root directory.
fn as_archived(tree: Tree) -> Tree {
    tree.without_directory_times()
        .retain(|path, node| path != Path::new("") && node.kind != NodeKind::Socket)
        .map(|_, node| node.mtime.1 = 0)
}

/// Puts the difference of `upper` on `base` again and compares.
fn round_trip(fixture: &DriverFixture) {
    let staged = fixture.stage(Some(&id("base")));
    fill(&*staged, &fixture.diff("upper", Some("base")));
    staged.commit(&id("again")).unwrap();
    as_archived(fixture.tree("again")).assert_same(&as_archived(fixture.tree("upper")));
    assert_eq!(
        fixture.changes("again", Some("base")),
        fixture.changes("upper", Some("base"))
    );
    assert_eq!(
        fixture.diff_size("again", Some("base")),
        fixture.diff_size("upper", Some("base"))
    );
}

pub(super) fn diff_apply_round_trip(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    fixture.changed("upper", "base", change);
    round_trip(fixture);
}

pub(super) fn root_diff_apply_round_trip_of_every_kind(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    fixture.changed("upper", "base", |path| {
        change(path);
        let dir = Dir::open_ambient(path).unwrap();
        dir.make_node(
            "null",
            layerhold_sys::NodeKind::CharDevice,
            0o666,
            make_device(1, 3),
        )
        .unwrap();
        dir.make_node(
            "disk",
            layerhold_sys::NodeKind::BlockDevice,
            0o660,
            make_device(8, 1),
        )
        .unwrap();
        dir.make_node("pipe", layerhold_sys::NodeKind::Fifo, 0o600, 0)
            .unwrap();
        write(path.join("setuid"), "#!");
        dir.set_owner("setuid", Some(17), Some(18)).unwrap();
        dir.set_mode("setuid", 0o6711).unwrap();
        dir.set_owner("link", Some(19), Some(20)).unwrap();
        xattr::set(
            &File::open(path.join("mode")).unwrap(),
            "user.note",
            b"value",
        )
        .unwrap();
        let long = path.join("l".repeat(120)).join("m".repeat(200));
        fs::create_dir_all(&long).unwrap();
        write(long.join("file with spaces and \u{fc}\u{1f9ed}"), "x");
    });
    round_trip(fixture);
}

pub(super) fn diff_without_parent(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    fixture.changed("upper", "base", change);
    let staged = fixture.stage(None);
    fill(&*staged, &fixture.diff("upper", None));
    staged.commit(&id("flat")).unwrap();
    as_archived(fixture.tree("flat")).assert_same(&as_archived(fixture.tree("upper")));
}

pub(super) fn whiteouts_take_effect(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    let tar = TarBuilder::new()
        .whiteout("link")
        .whiteout("b")
        .dir("a", 0o755)
        .file("a/mine", 0o644, "put before")
        .opaque("a")
        .file("a/too", 0o644, "put after")
        .finish();
    fixture.layer("upper", Some("base"), &tar);
    let paths: Vec<_> = fixture
        .tree("upper")
        .paths()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        paths,
        [
            "a",
            "a/mine",
            "a/too",
            "kind",
            "mode",
            "untouched",
            "untouched/f"
        ]
    );
    // Nothing of it reaches the parent.
    assert_eq!(fixture.tree("base").paths().len(), 11);
}

pub(super) fn apply_to_an_existing_layer(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    fixture.writable("upper", Some("base"));
    let tar = TarBuilder::new()
        .entry(TarEntry::file("mode", "rewritten"))
        .whiteout("kind")
        .entry(TarEntry::file("new", "12345"))
        .finish();
    let layer = id("upper");
    let summary = fixture
        .driver
        .apply_diff(&ApplyRequest::new(&layer), &mut tar.as_slice())
        .unwrap();
    assert_eq!(summary, ApplySummary::new(14, vec![0], vec![0]));
    assert_eq!(
        fixture.changes("upper", Some("base")),
        ["D /kind", "C /mode", "A /new"]
    );
    fixture.mounted("upper", |path| {
        assert_eq!(read(path.join("mode")), "rewritten")
    });
}

pub(super) fn nothing_changed(fixture: &DriverFixture) {
    fixture.layer("base", None, &base());
    fixture
        .stage(Some(&id("base")))
        .commit(&id("same"))
        .unwrap();
    assert_eq!(fixture.changes("same", Some("base")), [""; 0]);
    assert_eq!(fixture.diff_size("same", Some("base")), 0);
    assert_eq!(fixture.diff("same", Some("base")), [0; 1024]);
}
