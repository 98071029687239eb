//! `changes`, `diff`, `diffsize` and `applydiff`, beside the Go tool.

use std::collections::BTreeMap;
use std::io::Read;

use layerhold_testkit::{GoStore, TarBuilder, require_peer, require_root, scratch};

use crate::support::{CONTAINERS_STORAGE, base_tar, upper_tar};
use crate::twin::Twin;

/// Name, kind, permissions, size and content of every member.
fn members(bytes: &[u8]) -> BTreeMap<String, (u8, u32, u64, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let mut members = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let header = entry.header();
        let facts = (
            header.entry_type().as_byte(),
            // 1.43 leaves the bits of the file type in the mode; newer ones do not.
            header.mode().unwrap() & 0o7777,
            header.size().unwrap(),
        );
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        members.insert(name, (facts.0, facts.1, facts.2, content));
    }
    members
}

#[test]
fn root_peer_changes_agree() {
    let Some(twin) = Twin::filled() else { return };
    // The Go tool lists in the order of the directory, ours sorted.
    for line in [
        "changes top",
        "changes base",
        "changes top base",
        "changes kid",
        "changes kid base",
        "changes nosuch",
    ] {
        twin.same_lines(line);
    }
    twin.same("changes -j kid");
    assert_eq!(
        twin.ours("changes -j top").out,
        "[{\"Path\":\"/a\",\"Kind\":2},{\"Path\":\"/c\",\"Kind\":1}]\n"
    );
    twin.differs(
        "changes kid nosuch",
        "the Go tool compares with the parent when it does not know what to compare with",
        (0, ""),
        (1, ""),
    );
}

#[test]
fn root_peer_sizes_agree() {
    let Some(twin) = Twin::filled() else { return };
    for line in [
        "diffsize base",
        "diffsize top",
        "diff-size top base",
        "diffsize kid",
        "diffsize nosuch",
    ] {
        twin.same(line);
    }
}

#[test]
fn root_peer_recorded_archives_come_out_as_they_went_in() {
    let Some(twin) = Twin::filled() else { return };
    for (layer, tar) in [("base", base_tar()), ("top", upper_tar())] {
        for words in [&["diff", layer][..], &["diff", "-u", layer]] {
            let (go, ours) = twin.raw(words);
            assert!(go.stdout == tar && ours.stdout == tar, "{words:?}");
        }
        twin.same(&format!("diff -f %/out {layer}"));
        assert!(std::fs::read(twin.path("ours/out")).unwrap() == tar);
    }
    let (go, ours) = twin.raw(&["diff", "-c", "base"]);
    for packed in [go.stdout, ours.stdout] {
        let mut plain = Vec::new();
        let codec = layerhold_archive::Codec::sniff(&packed);
        let mut reader = layerhold_archive::decompressor(codec, packed.as_slice()).unwrap();
        reader.read_to_end(&mut plain).unwrap();
        assert!(plain == base_tar());
    }
}

#[test]
fn root_peer_made_archives_hold_the_same() {
    let Some(twin) = Twin::filled() else { return };
    twin.same("applydiff -f @/a.tar kid");
    for words in [
        &["diff", "kid"][..],
        &["diff", "top", "kid"],
        &["diff", "kid", "base"],
    ] {
        let (go, ours) = twin.raw(words);
        assert_eq!((go.code, ours.code), (Some(0), Some(0)), "{words:?}");
        assert_eq!(members(&go.stdout), members(&ours.stdout), "{words:?}");
    }
    for line in [
        "diff nosuch",
        "diff -b base",
        "diff -x base",
        "diff --bz2 base",
    ] {
        twin.same(line);
    }
}

#[test]
fn root_peer_archives_are_applied_alike() {
    let Some(twin) = Twin::filled() else { return };
    twin.same("applydiff -f @/b.tar kid");
    twin.same_with("apply-diff kid", &base_tar());
    twin.same_lines("changes kid");
    twin.same("diffsize kid");
    for line in [
        "applydiff -f @/junk kid",
        "applydiff -f @/a.tar nosuch",
        "applydiff -f @/nosuch kid",
    ] {
        twin.same(line);
    }
    let (go, ours) = twin.both(&["layer", "-j", "kid"], b"");
    assert_eq!(go.out, ours.out);
}

/// What `changes` prints of a layer with an opaque directory, by one tool and driver.
fn changes_of_an_opaque_directory(driver: &str, program: Option<&str>) -> Vec<String> {
    let dir = scratch();
    let mut store = GoStore::below(dir.path(), driver);
    if let Some(program) = program {
        store = store.with_program(program.as_ref());
    }
    let base = TarBuilder::new()
        .dir("d", 0o755)
        .file("d/a", 0o644, "x")
        .dir("d/sub", 0o755)
        .file("d/sub/f", 0o644, "y")
        .finish();
    let top = TarBuilder::new()
        .dir("d", 0o755)
        .file("d/.wh..wh..opq", 0o644, "")
        .file("d/new", 0o644, "n")
        .finish();
    for (id, tar, parent) in [("base", base, None), ("top", top, Some("base"))] {
        let words = ["import-layer", "--id", id].into_iter().chain(parent);
        store.run_with_input(words, &tar).assert_success();
    }
    let mut lines = store.run(["changes", "top"]).lines();
    store.run(["shutdown"]).assert_success();
    lines.sort();
    lines
}

#[test]
fn root_peer_an_opaque_directory_is_there_on_every_driver() {
    if require_root().is_none() || require_peer("containers-storage").is_none() {
        return;
    }
    let expected = [
        "Add \"/d/new\"",
        "Delete \"/d/a\"",
        "Delete \"/d/sub\"",
        "Modify \"/d\"",
    ];
    for driver in ["overlay", "vfs"] {
        let ours = changes_of_an_opaque_directory(driver, Some(CONTAINERS_STORAGE));
        assert_eq!(ours, expected, "{driver}");
    }
    // So has Go it with vfs.
    assert_eq!(changes_of_an_opaque_directory("vfs", None), expected);
    let go = changes_of_an_opaque_directory("overlay", None);
    assert_eq!(go, ["Add \"/d/new\"", "Delete \"/d\""]);
}
