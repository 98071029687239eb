//! Data items and directories, beside the Go tool.

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
    // The newest Go tool makes a directory for an image that is not there; nobody removes it.
    let done = twin.ours("get-image-dir nosuch");
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(1), "nosuch: image not known\n")
    );
    assert!(!twin.path("ours/root/vfs-images/nosuch").exists());
}
