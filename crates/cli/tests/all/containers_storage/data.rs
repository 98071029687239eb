//! Data items and directories, beside the Go tool.

use layerhold_testkit::{GoStore, require_peer, require_root, scratch};

use crate::support::CONTAINERS_STORAGE;
use crate::twin::Twin;

#[test]
fn root_peer_data_items_agree() {
    let Some(twin) = Twin::filled() else { return };
    for (kind, item) in [("image", "img"), ("container", "ctr"), ("layer", "base")] {
        twin.same(&format!("list-{kind}-data {item}"));
        twin.same(&format!("list-{kind}-data -j {item}"));
        twin.same(&format!("set-{kind}-data -f @/data {item} item"));
        twin.same_with(&format!("set{kind}data {item} two"), b"abc");
        twin.same_with(&format!("set-{kind}-data {item} two"), b"other");
        twin.same(&format!("list-{kind}-data {item}"));
        twin.same(&format!("list{kind}data -j {item}"));
        twin.same(&format!("get-{kind}-data {item} item"));
        twin.same(&format!("get{kind}data {item} two"));
        twin.same(&format!("get-{kind}-data -f %/out {item} item"));
        for side in ["go", "ours"] {
            let written = std::fs::read(twin.path(side).join("out")).unwrap();
            assert_eq!(written, b"some data\n", "{side}");
        }
        for command in [
            format!("get-{kind}-data {item} nosuch"),
            format!("get-{kind}-data nosuch item"),
            format!("list-{kind}-data nosuch"),
            format!("set-{kind}-data nosuch x"),
            format!("set-{kind}-data -f @/nosuch {item} x"),
        ] {
            twin.same(&command);
        }
        twin.same_words(&[&format!("set-{kind}-data"), item, ""], b"1");
        twin.same(&format!("{kind} -j {item}"));
    }
    for (kind, item) in [("image", "img"), ("container", "ctr")] {
        for what in ["size", "digest"] {
            twin.same(&format!("get-{kind}-data-{what} {item} item"));
            twin.same(&format!("get{kind}data{what} {item} two"));
            twin.same(&format!("get-{kind}-data-{what} {item} nosuch"));
            twin.same(&format!("get-{kind}-data-{what} nosuch item"));
        }
    }
}

#[test]
fn root_peer_manifests_are_digested_and_found() {
    let Some(twin) = Twin::filled() else { return };
    twin.same_with("set-image-data img manifest", b"{\"schemaVersion\":2}");
    twin.same_with(
        "set-image-data img manifest-x",
        b"{\"schemaVersion\":2,\"a\":1}",
    );
    for line in [
        "image img",
        "images",
        "images -j",
        "get-image-data-digest img manifest-x",
        "get-image-data img manifest",
    ] {
        twin.same(line);
    }
    // Of one set alone, so that 1.43 has no choice which comes first.
    let digest = twin.ours("get-image-data-digest img manifest-x").out;
    assert!(digest.starts_with("sha256:"), "{digest}");
}

#[test]
fn root_peer_directories_agree() {
    let Some(twin) = Twin::filled() else { return };
    for command in ["get-container-dir", "getcontainerrundir"] {
        twin.same(&format!("{command} ctr"));
        twin.same(&format!("{command} nosuch"));
    }
    let graph = twin.ours("get-image-dir image").out;
    assert_eq!(graph, "<store>/root/vfs-images/img/userdata\n");
    let run = twin.ours("getimagerundir img").out;
    assert_eq!(run, "<store>/runroot/vfs-images/img/userdata\n");
    assert!(twin.path("ours/root/vfs-images/img/userdata").is_dir());
    // The newest Go tool creates a directory for a missing image, which is never removed.
    let done = twin.ours("get-image-dir nosuch");
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(1), "nosuch: image not known\n")
    );
    assert!(!twin.path("ours/root/vfs-images/nosuch").exists());
}

/// Keys and what the Go tool calls their files: `docs/format/big-data.md`.
const KEYS: [(&str, &str); 12] = [
    ("manifest", "manifest"),
    ("A", "A"),
    ("=", "="),
    ("日", "日"),
    ("manifest-", "manifest-"),
    ("x:", "x:"),
    ("a日", "a日"),
    ("AA", "=QUE="),
    ("Config", "=Q29uZmln"),
    ("日a", "=5pelYQ=="),
    ("a/b", "=YS9i"),
    ("???", "=Pz8"),
];

#[test]
fn root_peer_each_tool_finds_the_data_items_of_the_other() {
    let (Some(()), Some(())) = (require_root(), require_peer("containers-storage")) else {
        return;
    };
    let dir = scratch();
    let go = GoStore::below(dir.path(), "vfs");
    let ours = go.clone().with_program(CONTAINERS_STORAGE.as_ref());
    go.run(["create-layer", "--id", "base"]).assert_success();
    go.run(["create-image", "--id", "img", "base"])
        .assert_success();
    go.run(["create-container", "--id", "ctr", "img"])
        .assert_success();
    for (kind, item) in [("image", "img"), ("container", "ctr"), ("layer", "base")] {
        let files = dir.path().join(format!("root/vfs-{kind}s/{item}"));
        for (writer, reader, text) in [(&go, &ours, "theirs"), (&ours, &go, "ours")] {
            for (key, name) in KEYS {
                let written = format!("{text} {key}");
                let set = format!("set-{kind}-data");
                writer
                    .run_with_input([&set, item, key], written.as_bytes())
                    .assert_success();
                let got = reader.run([&format!("get-{kind}-data"), item, key]);
                assert_eq!(got.text(), written, "{kind} {key:?}");
                let file = std::fs::read_to_string(files.join(name)).unwrap();
                assert_eq!(file, written, "{kind} {key:?}");
            }
        }
        let list = format!("list-{kind}-data");
        assert_eq!(
            go.run([&list, item]).lines(),
            ours.run([&list, item]).lines()
        );
        // What would fall on another file, or out of the directory, is refused by ours.
        for key in ["", ".", "..", "/", "a/", "~~??"] {
            let set = format!("set-{kind}-data");
            let ran = ours.run_with_input([&set, item, key], b"x");
            assert_eq!(ran.code, Some(1), "{kind} {key:?}");
        }
    }
}
