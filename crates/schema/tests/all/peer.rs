//! Lets the peers write and read the same bytes.

#![allow(
    clippy::disallowed_methods,
    reason = "these tests check files by themselves"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use layerhold_schema::{
    ContainerRecord, ExtraFields, Flags, ImageRecord, JsonRecord, LayerRecord, MountPointRecord,
    read_array, write_array,
};
use layerhold_testkit::{GoStore, Podman, TarBuilder, require_peer, require_root, scratch};

fn required(peer: &str) -> Option<()> {
    require_root()?;
    require_peer(peer)
}

#[track_caller]
fn check_rewritten<R: JsonRecord>(path: &Path) -> Vec<R> {
    let text = fs::read(path).unwrap();
    let records = read_array(&text).unwrap();
    assert_eq!(
        String::from_utf8(write_array(&records)).unwrap(),
        String::from_utf8(text).unwrap(),
        "{}",
        path.display()
    );
    records
}

fn check_store(root: &Path, runroot: &Path) -> (usize, usize, usize, usize) {
    (
        check_rewritten::<LayerRecord>(&root.join("vfs-layers/layers.json")).len(),
        check_rewritten::<ImageRecord>(&root.join("vfs-images/images.json")).len(),
        check_rewritten::<ContainerRecord>(&root.join("vfs-containers/containers.json")).len(),
        check_rewritten::<MountPointRecord>(&runroot.join("vfs-layers/mountpoints.json")).len(),
    )
}

fn tar(place: &Path) -> PathBuf {
    let path = place.join("layer.tar");
    let layer = TarBuilder::new()
        .dir("d", 0o755)
        .file("d/f", 0o644, b"content")
        .finish();
    fs::write(&path, layer).unwrap();
    path
}

const ODD_NAME: &[u8] = b"a<b>&\"q\\ \x01\x08\x0c\n\r\t\x7f\xe2\x80\xa8\xe2\x80\xa9\xc3\xa9";

#[test]
fn root_peer_files_of_go_are_written_as_they_were() {
    let Some(()) = required("containers-storage") else {
        return;
    };
    let place = scratch();
    let go = GoStore::below(place.path(), "vfs");
    let layer = tar(place.path());
    let layer = layer.to_str().unwrap();
    let run = |args: &[&str]| go.run(args).assert_success();
    let base: Vec<_> = ["create-layer", "-i", "base", "-n"].map(OsStr::new).into();
    for name in [ODD_NAME, b"bad\xff\xe2\x82"] {
        let id = if name == ODD_NAME { "base" } else { "bad" };
        let mut args = base.clone();
        args[2] = OsStr::new(id);
        args.push(OsStr::from_bytes(name));
        go.run(&args).assert_success();
    }
    run(&["import-layer", "-i", "second", "-f", layer, "base"]);
    run(&["set-layer-data", "-f", layer, "base", "it/em"]);
    run(&["set-metadata", "-m", r#"{"a":"<x>"}"#, "base"]);
    run(&[
        "create-layer",
        "-i",
        "mapped",
        "-l",
        "label",
        "--uidmap",
        "0:1000:10",
        "--gidmap",
        "0:2000:5",
        "base",
    ]);
    run(&[
        "create-image",
        "-i",
        "image",
        "-n",
        "docker.io/x/y:1",
        "-m",
        r#"{"m":1}"#,
        "second",
    ]);
    run(&["set-image-data", "-f", layer, "image", "manifest"]);
    run(&["set-image-data", "-f", layer, "image", "sha256:<odd>"]);
    run(&["add-names", "-n", "later", "image"]);
    run(&[
        "create-container",
        "-i",
        "c1",
        "-n",
        "one",
        "-m",
        "meta",
        "image",
    ]);
    run(&["create-container", "-i", "c2", "--volatile", "image"]);
    run(&[
        "create-container",
        "-i",
        "c3",
        "--uidmap",
        "0:1000:100",
        "image",
    ]);
    run(&["set-container-data", "-f", layer, "c1", "data"]);
    run(&["mount", "c1"]);
    let (layers, images, containers, mounts) = check_store(go.root(), go.runroot());
    assert!(layers >= 7, "{layers}");
    assert_eq!((images, containers, mounts), (1, 3, 1));
}

#[test]
fn root_peer_files_of_podman_are_written_as_they_were() {
    let Some(()) = required("podman") else { return };
    let place = scratch();
    let podman = Podman::below(place.path(), "vfs");
    let layer = tar(place.path());
    podman
        .run([
            "import",
            "-m",
            "<message>",
            layer.to_str().unwrap(),
            "docker.io/library/t:1",
        ])
        .assert_success();
    podman
        .run(["tag", "docker.io/library/t:1", "localhost/other:2"])
        .assert_success();
    podman
        .run(["create", "--name", "c1", "docker.io/library/t:1", "/d/f"])
        .assert_success();
    let counts = check_store(podman.root(), podman.runroot());
    assert_eq!(counts, (2, 1, 1, 0));
}

/// Hand-made files: both sides read them, one adds a name, and the results are the same.
#[test]
fn root_peer_go_reads_odd_files_as_we_do() {
    let Some(()) = required("containers-storage") else {
        return;
    };
    let place = scratch();
    let go = GoStore::below(place.path(), "vfs");
    go.run(["create-layer", "-i", "first"]).assert_success();
    let file = go.root().join("vfs-layers/layers.json");
    let odd: &[u8] = b" [ {\"ID\":\"first\",\"Names\":[\"n\",null,\"\\ud83d\\u0041\\ud83d\\ude00\\/\"],\"unknown\":{\"a\":[1]},\
        \"parent\":null,\"Created\":\"2024-05-01T12:00:00.1200+02:00\",\"metadata\":\"old\",\"METADATA\":\"<\\u0007>\",\
        \"compressed-size\":-0,\"compression\":9,\"diff-size\":-1,\"UIDset\":[4294967295,null],\
        \"flags\":{\"z\":1.0,\"y\":1e21,\"x\":[null,true,-2.5e-7,0.000001,{\"b\":\"&\",\"a\":1e20}],\"w\":\"\\u2028\",\"-\":-0},\
        \"uidmap\":[{\"Host_ID\":5,\"size\":-1,\"more\":1}],\"big-data-names\":[]} , \
        {\"id\":\"second\",\"created\":null,\"flags\":{},\"names\":[\"x\xff\xe2\x82\"],\"toc-digest\":\"any text\"}]\n";
    fs::write(&file, odd).unwrap();
    let mut expected: Vec<LayerRecord> = read_array(odd).unwrap();
    go.run(["add-names", "-n", "added", "first"])
        .assert_success();
    // For bytes that are not text, the tool writes the escape of U+FFFD; it reads back as the same
    // text.
    let written = String::from_utf8(fs::read(&file).unwrap())
        .unwrap()
        .replace("\\ufffd", "\u{fffd}");
    for record in &mut expected {
        // Go drops unknown fields.
        record.extra = ExtraFields::default();
    }
    let go_names: Vec<LayerRecord> = read_array(written.as_bytes()).unwrap();
    expected[0].names.clone_from(&go_names[0].names);
    assert!(
        expected[0].names.iter().any(|name| name == "added"),
        "{:?}",
        expected[0].names
    );
    assert!(
        expected[0].names.iter().any(|name| name == "\u{fffd}A😀/"),
        "{:?}",
        expected[0].names
    );
    // Digests of tables of contents are newer than the installed version, which drops the field.
    if !written.contains("toc-digest") {
        expected[1].toc_digest.clear();
    }
    assert_eq!(String::from_utf8(write_array(&expected)).unwrap(), written);
}

/// Go reads and rewrites our files without a change.
#[test]
fn root_peer_go_writes_our_files_as_they_were() {
    let Some(()) = required("containers-storage") else {
        return;
    };
    let place = scratch();
    let go = GoStore::below(place.path(), "vfs");
    go.run(["create-layer", "-i", "top"]).assert_success();
    let layers = go.root().join("vfs-layers/layers.json");
    let mut records: Vec<LayerRecord> = read_array(&fs::read(&layers).unwrap()).unwrap();
    records[0].metadata = String::from_utf8(ODD_NAME.to_vec()).unwrap();
    records[0].flags = Flags::from_iter([("k<", 5_i64), ("a", i64::from(u32::MAX))]);
    records[0].created = "1999-12-31T23:59:59.000000001-03:30".parse().unwrap();
    fs::write(&layers, write_array(&records)).unwrap();
    let ours = write_array(&records);
    go.run(["set-names", "-n", "new", "top"]).assert_success();
    records[0].names = vec!["new".to_owned()];
    assert_ne!(
        fs::read(&layers).unwrap(),
        ours,
        "the tool must have written"
    );
    assert_eq!(
        String::from_utf8(fs::read(&layers).unwrap()).unwrap(),
        String::from_utf8(write_array(&records)).unwrap()
    );
}
