//! Properties of all archives and all trees.

use proptest::collection::vec;
use proptest::prelude::*;

use layerhold_archive::{
    CompareOptions, OverlayNamespace, PackOptions, UnpackOptions, UserNamespace, Whiteouts,
    compare, pack, pack_changes,
};
use layerhold_testkit::{TarBuilder, TarEntry, TarKind, Tree, hostile, require_root};

use crate::support::UnpackDir;

/// Names over a tiny alphabet, so that entries collide.
fn any_name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "b",
        "..",
        ".",
        "",
        "outside",
        "secret",
        ".wh.a",
        ".wh.b",
        ".wh..",
        ".wh...",
        ".wh..wh..opq",
        ".wh..wh.plnk",
        "root",
    ]);
    vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn any_entry() -> impl Strategy<Value = TarEntry> {
    let kind = prop::sample::select(vec![
        TarKind::File,
        TarKind::File,
        TarKind::Directory,
        TarKind::Symlink,
        TarKind::HardLink,
        TarKind::Fifo,
        TarKind::CharDevice,
    ]);
    (kind, any_name(), any_name(), 0..0o10000u32, 0..3u64).prop_map(
        |(kind, name, link, mode, owner)| {
            let entry = TarEntry::new(kind, name).mode(mode).owner(owner, owner);
            match kind {
                TarKind::File => entry.content("bad"),
                TarKind::Symlink | TarKind::HardLink => entry.link(link),
                _ => entry,
            }
        },
    )
}

fn any_whiteouts() -> impl Strategy<Value = Whiteouts> {
    prop::sample::select(vec![
        Whiteouts::Apply,
        Whiteouts::Overlay(OverlayNamespace::Trusted),
        Whiteouts::Overlay(OverlayNamespace::User),
        Whiteouts::Keep,
    ])
}

/// Entries of a tree that unpack without conflicts: directories before their contents.
fn any_tree() -> impl Strategy<Value = Vec<TarEntry>> {
    let name = prop::sample::select(vec!["a", "a/b", "a/b/c", "a.x", "a-y", "d", "d/e", "f"]);
    let entry = (
        name,
        0..4u8,
        vec(any::<u8>(), 0..2000),
        0..0o1000u32,
        1..2_000_000_000i64,
    );
    vec(
        entry.prop_map(|(name, kind, content, mode, mtime)| {
            let entry = match kind {
                0 => TarEntry::symlink(name, "anywhere"),
                1 => TarEntry::fifo(name),
                2 => TarEntry::dir(name),
                _ => TarEntry::file(name, content),
            };
            entry.mode(mode).mtime(mtime)
        }),
        0..8,
    )
}

fn archive(entries: Vec<TarEntry>) -> Vec<u8> {
    entries
        .into_iter()
        .fold(TarBuilder::new(), TarBuilder::entry)
        .finish()
}

/// Unpacks up to the first entry that is refused, such as one below a file.
fn plant(place: &UnpackDir, entries: Vec<TarEntry>) {
    for entry in entries {
        layerhold_sys::best_effort(place.unpack(&archive(vec![entry])));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn root_no_list_of_entries_reaches_outside(
        entries in vec(any_entry(), 1..12),
        whiteouts in any_whiteouts(),
        in_namespace: bool,
    ) {
        let Some(()) = require_root() else { return Ok(()) };
        let place = UnpackDir::new();
        hostile::sentinel(place.base.path());
        let outside = place.base.path().join("outside");
        let before = Tree::of(&outside);
        let options = UnpackOptions::new().with_whiteouts(whiteouts).with_user_namespace(if in_namespace { UserNamespace::Child } else { UserNamespace::Initial });
        // All at once, and one by one, so that a refused entry does not end the archive.
        layerhold_sys::best_effort(place.unpack_with(&archive(entries.clone()), options.clone()));
        for entry in entries {
            layerhold_sys::best_effort(place.unpack_with(&archive(vec![entry]), options.clone()));
        }
        prop_assert_eq!(before.differences(&Tree::of(&outside)), Vec::<String>::new());
        let beside: Vec<_> = std::fs::read_dir(place.base.path()).unwrap().collect();
        prop_assert_eq!(beside.len(), 2);
    }

    #[test]
    fn root_packing_and_unpacking_gives_the_same_tree(entries in any_tree()) {
        let Some(()) = require_root() else { return Ok(()) };
        let (one, two) = (UnpackDir::new(), UnpackDir::new());
        plant(&one, entries);
        let packed = pack(&one.dir, &PackOptions::default(), Vec::new()).unwrap();
        two.unpack(&packed).unwrap();
        let below_root = |place: &UnpackDir| {
            place.tree().without_directory_times().retain(|path, _| !path.as_os_str().is_empty())
        };
        prop_assert_eq!(below_root(&one).differences(&below_root(&two)), Vec::<String>::new());
        prop_assert!(packed == pack(&two.dir, &PackOptions::default(), Vec::new()).unwrap());
    }

    #[test]
    fn root_the_changes_turn_the_old_tree_into_the_new(old in any_tree(), new in any_tree()) {
        let Some(()) = require_root() else { return Ok(()) };
        let (from, to) = (UnpackDir::new(), UnpackDir::new());
        plant(&from, old);
        plant(&to, new);
            let changes = compare(&to.dir, Some(&from.dir), &CompareOptions::new()).unwrap();
        let diff = pack_changes(&to.dir, &changes, &PackOptions::default(), Vec::new()).unwrap();
        from.unpack(&diff).unwrap();
        let content = |place: &UnpackDir| {
            place.tree().without_directory_times().retain(|path, _| !path.as_os_str().is_empty())
        };
        prop_assert_eq!(content(&from).differences(&content(&to)), Vec::<String>::new());
    }
}
