//! Whiteouts: applied to a tree, converted for overlayfs, or kept.

use layerhold_archive::{OverlayNamespace, OwnFiles, UnpackError, UnpackOptions, Whiteouts};
use layerhold_testkit::{NodeKind, TarBuilder, TarEntry, require_root};

use crate::support::{UnpackDir, unpack_error};

fn paths(place: &UnpackDir) -> Vec<String> {
    let tree = place.tree();
    let paths = tree.paths().into_iter();
    paths
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

fn lower() -> Vec<u8> {
    TarBuilder::new()
        .dir("d", 0o755)
        .file("d/a", 0o644, "a")
        .file("d/b", 0o644, "b")
        .dir("d/sub", 0o755)
        .file("d/sub/c", 0o644, "c")
        .file("top", 0o644, "t")
        .symlink("link", "d")
        .finish()
}

fn applied(upper: TarBuilder) -> Vec<String> {
    let place = UnpackDir::new();
    place.unpack(&lower()).unwrap();
    place.unpack(&upper.finish()).unwrap();
    paths(&place)
}

#[test]
fn root_whiteouts_delete_what_they_name() {
    let Some(()) = require_root() else { return };
    let left = applied(
        TarBuilder::new()
            .whiteout("d/a")
            .whiteout("d/sub")
            .whiteout("link")
            .whiteout("never/there"),
    );
    assert_eq!(left, ["d", "d/b", "top"]);
}

#[test]
fn root_an_opaque_directory_keeps_only_what_its_layer_put() {
    let Some(()) = require_root() else { return };
    // It makes no difference whether the whiteout comes before or after the layer's own entries.
    let after = TarBuilder::new()
        .file("d/new", 0o644, "n")
        .file("d/sub/below", 0o644, "n")
        .opaque("d");
    let before = TarBuilder::new()
        .opaque("d")
        .file("d/new", 0o644, "n")
        .file("d/sub/below", 0o644, "n");
    let expected = ["d", "d/new", "d/sub", "d/sub/below", "link", "top"];
    assert_eq!(applied(after), expected);
    assert_eq!(applied(before), expected);
    // Whatever the path of the entry.
    let aliased = TarBuilder::new()
        .symlink("alias", "d")
        .file("alias/new", 0o644, "n")
        .file("d/sub/below", 0o644, "n")
        .opaque("d");
    let expected = ["alias", "d", "d/new", "d/sub", "d/sub/below", "link", "top"];
    assert_eq!(applied(aliased), expected);
}

#[test]
fn root_whiteouts_are_about_layers_below_wherever_they_stand() {
    let Some(()) = require_root() else { return };
    let after = TarBuilder::new()
        .file("d/new", 0o644, "n")
        .file("top", 0o644, "n")
        .whiteout("d")
        .whiteout("top");
    let before = TarBuilder::new()
        .whiteout("d")
        .whiteout("top")
        .file("d/new", 0o644, "n")
        .file("top", 0o644, "n");
    let expected = ["d", "d/new", "link", "top"];
    assert_eq!(applied(after), expected);
    assert_eq!(applied(before), expected);
}

#[test]
fn root_links_of_layers_below_are_replaced_by_directories() {
    let Some(()) = require_root() else { return };
    let upper = TarBuilder::new()
        .file("link/x", 0o644, "x")
        .whiteout("link/a");
    let left = applied(upper);
    assert_eq!(
        left,
        [
            "d", "d/a", "d/b", "d/sub", "d/sub/c", "link", "link/x", "top"
        ]
    );
}

#[test]
fn root_a_whiteout_makes_nothing() {
    let Some(()) = require_root() else { return };
    let upper = TarBuilder::new()
        .whiteout("link/a")
        .whiteout("top/x")
        .whiteout("new/x")
        .opaque("other")
        .whiteout("d/a")
        .whiteout("d/a/x");
    let left = applied(upper);
    assert_eq!(left, ["d", "d/b", "d/sub", "d/sub/c", "link", "top"]);
}

#[test]
fn root_a_directory_of_a_layer_below_loses_the_attributes_of_that() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let below = TarEntry::dir("d")
        .mode(0o700)
        .owner(3, 4)
        .xattr("user.a", "1");
    place
        .unpack(&TarBuilder::new().entry(below).finish())
        .unwrap();
    let implied = TarBuilder::new().file("d/f", 0o644, "f").finish();
    place.unpack(&implied).unwrap();
    let tree = place.tree();
    assert_eq!(
        (
            tree.at("d").mode,
            tree.at("d").uid,
            tree.at("d").xattrs.len()
        ),
        (0o700, 3, 1)
    );
    let deleted = TarBuilder::new()
        .file("d/g", 0o644, "g")
        .whiteout("d")
        .finish();
    place.unpack(&deleted).unwrap();
    let tree = place.tree();
    assert_eq!(
        (
            tree.at("d").mode,
            tree.at("d").uid,
            tree.at("d").xattrs.len()
        ),
        (0o755, 0, 0)
    );
    assert!(tree.get("d/f").is_none() && tree.get("d/g").is_some());
}

#[test]
fn root_files_that_could_not_be_exported_are_refused() {
    let Some(()) = require_root() else { return };
    let options = || UnpackOptions::new().with_own_files(OwnFiles::Keep);
    let alias = || {
        TarBuilder::new()
            .file("d/f", 0o644, "one")
            .symlink("l", "d")
    };
    let error =
        UnpackDir::new().unpack_with(&alias().file("l/f", 0o644, "two").finish(), options());
    assert!(matches!(
        unpack_error(error),
        UnpackError::ReplacesOwn { entry } if entry.to_str() == Some("l/f")
    ));
    let replaced = TarBuilder::new()
        .symlink("l", ".")
        .file("/l/d/f", 0o644, "one")
        .entry(TarEntry::fifo("l/l"));
    let error = UnpackDir::new().unpack_with(&replaced.finish(), options());
    assert!(matches!(
        unpack_error(error),
        UnpackError::Unreachable { entry } if entry.to_str() == Some("l/d/f")
    ));
    // Entries without content may be replaced.
    let pipes = TarBuilder::new()
        .entry(TarEntry::fifo("d/p"))
        .symlink("l", "d")
        .entry(TarEntry::fifo("l/p"));
    UnpackDir::new()
        .unpack_with(&pipes.finish(), options())
        .unwrap();
}

#[test]
fn root_an_opaque_root_and_an_opaque_link() {
    let Some(()) = require_root() else { return };
    let root = TarBuilder::new().file("new", 0o644, "n").opaque("");
    assert_eq!(applied(root), ["new"]);
    // The path is a link and not a directory, so nothing is hidden.
    let link = TarBuilder::new().opaque("link");
    assert_eq!(applied(link).len(), 7);
}

#[test]
fn root_a_layer_on_an_empty_tree_is_not_cleared_by_its_own_markers() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .file("d/f", 0o644, "x")
        .opaque("d")
        .finish();
    place.unpack(&tar).unwrap();
    assert_eq!(paths(&place), ["d", "d/f"]);
}

#[test]
fn root_malformed_whiteouts_are_refused() {
    let Some(()) = require_root() else { return };
    for name in [".wh.", ".wh..", "d/.wh...", "d/sub/.wh."] {
        let place = UnpackDir::new();
        place.unpack(&lower()).unwrap();
        let tar = TarBuilder::new().file(name, 0o644, "").finish();
        let error = unpack_error(place.unpack(&tar));
        assert!(
            matches!(error, UnpackError::MalformedWhiteout { .. }),
            "{name}"
        );
        assert_eq!(paths(&place).len(), 7);
    }
}

#[test]
fn root_the_link_store_of_aufs() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .dir(".wh..wh.plnk", 0o700)
        .file(".wh..wh.plnk/1.1", 0o640, "shared")
        .file(".wh..wh.aufs", 0o644, "")
        .hard_link("one", ".wh..wh.plnk/1.1")
        .entry(TarEntry::hard_link("two", ".wh..wh.plnk/1.1").mode(0o640))
        .finish();
    place.unpack(&tar).unwrap();
    // The files stay, so that the layer can be exported.
    assert_eq!(
        paths(&place),
        [".wh..wh.plnk", ".wh..wh.plnk/1.1", "one", "two"]
    );
    assert_eq!(std::fs::read(place.root.join("two")).unwrap(), b"shared");
}

#[test]
fn root_whiteouts_for_overlayfs() {
    let Some(()) = require_root() else { return };
    for (namespace, attribute) in [
        (OverlayNamespace::Trusted, "trusted.overlay.opaque"),
        (OverlayNamespace::User, "user.overlay.opaque"),
    ] {
        let place = UnpackDir::new();
        let options = UnpackOptions::new().with_whiteouts(Whiteouts::Overlay(namespace));
        let tar = TarBuilder::new()
            .entry(TarEntry::file("d/.wh.gone", "").owner(3, 4))
            .whiteout("back")
            .dir("back", 0o755)
            .whiteout("file")
            .file("file", 0o644, "x")
            .file("then", 0o644, "x")
            .whiteout("then")
            .file("d/new", 0o644, "n")
            .opaque("d")
            .entry(TarEntry::dir("e").xattr("trusted.overlay.redirect", "/etc"))
            .whiteout("gone")
            .whiteout("gone/below")
            .whiteout("here/inner")
            .whiteout("here")
            .finish();
        place.unpack_with(&tar, options).unwrap();
        let tree = place.tree();
        let white = |path: &str| tree.at(path).kind == NodeKind::CharDevice(0);
        assert!(white("d/gone") && white("here") && white("gone"));
        assert_eq!((tree.at("d/gone").uid, tree.at("d/gone").gid), (3, 4));
        assert!(!white("file") && !white("back") && !white("then"));
        let opaque = |path: &str| {
            let found = tree
                .at(path)
                .xattrs
                .get(attribute.as_ref() as &std::ffi::OsStr);
            found.is_some_and(|value| value == b"y")
        };
        assert!(opaque("d"), "{:?}", tree.at("d"));
        // A directory after its own whiteout must not show the lower one.
        assert!(opaque("back"));
        assert!(tree.at("e").xattrs.is_empty());
        assert_eq!(
            paths(&place),
            [
                "back", "d", "d/gone", "d/new", "e", "file", "gone", "here", "then"
            ]
        );
    }
}

#[test]
fn root_the_entry_of_the_root_counts_whatever_whiteouts_become() {
    let Some(()) = require_root() else { return };
    for whiteouts in [
        Whiteouts::Apply,
        Whiteouts::Overlay(OverlayNamespace::Trusted),
        Whiteouts::Keep,
    ] {
        let place = UnpackDir::new();
        let options = UnpackOptions::new().with_whiteouts(whiteouts);
        let root = TarEntry::dir("./").mode(0o751).owner(3, 4);
        let tar = TarBuilder::new().entry(root).finish();
        place.unpack_with(&tar, options).unwrap();
        let tree = place.tree();
        let found = tree.at("");
        assert_eq!((found.mode, found.uid, found.gid), (0o751, 3, 4));
    }
}

#[test]
fn root_whiteouts_may_be_kept() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let options = UnpackOptions::new().with_whiteouts(Whiteouts::Keep);
    let tar = TarBuilder::new().whiteout("d/a").opaque("d").finish();
    place.unpack_with(&tar, options).unwrap();
    assert_eq!(paths(&place), ["d", "d/.wh..wh..opq", "d/.wh.a"]);
}
