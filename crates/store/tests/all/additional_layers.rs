//! Tests layers of additional layer stores. Plain directories replace the filesystem of the program
//! that shows the layers.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use layerhold::check::{CheckDepth, CheckOptions, Damage, Verdict};
use layerhold::layerhold_archive::{compressor, decompressor};
use layerhold::layerhold_driver::LayerError;
use layerhold::layerhold_ids::{LayerId, TocDigest};
use layerhold::{
    AdditionalLayer, AdditionalLayerError, Codec, Conflict, ContainerSpec, DedupOptions,
    DedupSupport, DiffCompression, ImageSpec, LayerSpec, MountRequest, Shutdown, StageError, Store,
    StoreOptions, TransactionError, Unmounting,
};
use layerhold_sys::best_effort;
use layerhold_testkit::{
    ChildSpec, GoStore, TarBuilder, TempDir, child_role, require_peer, require_root, scratch,
};

use crate::support::{file_tar, id, import};

const IMAGE: &str = "docker.io/library/fedora:latest";

/// An additional layer store, and a store that uses it.
struct Place {
    dir: TempDir,
    store: Store,
}

impl Place {
    fn new(flags: &str) -> Option<Self> {
        require_root()?;
        let dir = scratch();
        fs::create_dir(dir.path().join("layers")).unwrap();
        let store = open(dir.path(), flags);
        Some(Self { dir, store })
    }

    fn graph(&self, below: &str) -> PathBuf {
        self.dir.path().join("root").join(below)
    }

    /// The path where a layer is shown.
    fn shown(&self, toc: &TocDigest) -> PathBuf {
        self.dir.path().join("layers").join(toc.to_string())
    }

    fn find(&self, toc: &TocDigest) -> AdditionalLayer {
        let found = self.store.lookup_additional_layer(toc, IMAGE).unwrap();
        found.unwrap()
    }

    /// Shows a layer with one file and puts it into the store.
    fn put(&self, name: &str, spec: LayerSpec) -> TocDigest {
        let toc = toc(name);
        show(&self.shown(&toc), name);
        self.find(&toc).put_as(spec.id(id(name))).unwrap();
        toc
    }

    fn check(&self) -> Vec<(Damage, Verdict)> {
        let options = CheckOptions::new().with_depth(CheckDepth::Contents);
        let report = self.store.check(&options).unwrap();
        let findings = report.findings.into_iter();
        findings
            .map(|found| (found.damage, found.verdict))
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        best_effort(self.store.shutdown(Shutdown::Force));
    }
}

fn open(base: &Path, flags: &str) -> Store {
    let layers = base.join("layers");
    let options = StoreOptions::new(base.join("root"), base.join("runroot"))
        .with_driver("overlay")
        .with_driver_option(format!("additionallayerstore={}{flags}", layers.display()));
    Store::open(options).unwrap()
}

fn toc(name: &str) -> TocDigest {
    let digit = name.chars().next().unwrap_or('0');
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

/// The tar of the layer of this name.
fn tar(name: &str) -> Vec<u8> {
    TarBuilder::new().file(name, 0o644, name).finish()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut out = compressor(Codec::Gzip, &mut packed).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap();
    packed
}

/// Creates a directory in the form in which a program shows a layer (Go:
/// drivers/overlay/overlay.go, `validateOneAdditionalLayerPath`).
fn show(dir: &Path, name: &str) {
    fs::create_dir_all(dir.join("diff")).unwrap();
    fs::write(dir.join("diff").join(name), name).unwrap();
    let packed = gzip(&tar(name));
    let info = format!(
        r#"{{"id":"theirs","names":["theirs"],"metadata":"text","created":"2020-01-01T00:00:00Z",
            "compressed-diff-digest":"sha256:{c}","compressed-size":{size},"diff-digest":"sha256:{d}","diff-size":{tar},
            "toc-digest":"{toc}","compression":2,"uidset":[0],"gidset":[0],"flags":{{"theirs":true}},
            "big-data-names":["theirs"]}}"#,
        c = "c".repeat(64),
        d = "d".repeat(64),
        size = packed.len(),
        tar = tar(name).len(),
        toc = toc(name),
    );
    fs::write(dir.join("info"), info).unwrap();
    fs::write(dir.join("blob"), packed).unwrap();
}

fn read(store: &Store, layer: &str, compression: DiffCompression) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut diff = store.diff(None, layer, compression).unwrap();
    diff.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn root_layers_are_found_by_digest() {
    let Some(place) = Place::new("") else { return };
    let toc = toc("a");
    assert!(
        place
            .store
            .lookup_additional_layer(&toc, IMAGE)
            .unwrap()
            .is_none()
    );
    show(&place.shown(&toc), "a");
    let found = place.find(&toc);
    assert_eq!(found.path(), place.shown(&toc));
    assert_eq!(found.toc_digest(), Some(toc.clone()));
    assert_eq!(found.compressed_size(), Some(gzip(&tar("a")).len() as u64));
    let text = |digit: &str| Some(format!("sha256:{}", digit.repeat(64)));
    assert_eq!(
        found.compressed_digest().map(|it| it.to_string()),
        text("c")
    );
    assert_eq!(found.diff_id().map(|it| it.to_string()), text("d"));
    assert_eq!(found.record().uid_set, [0]);
    found.release();
    // Plain directories do not count, and stay as they are.
    let mut names: Vec<_> = fs::read_dir(place.shown(&toc))
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["blob", "diff", "info"]);

    // The size is unknown if the store does not state it.
    fs::write(place.shown(&toc).join("info"), "{}").unwrap();
    let found = place.find(&toc);
    assert_eq!((found.compressed_size(), found.toc_digest()), (None, None));

    fs::write(place.shown(&toc).join("info"), "not JSON").unwrap();
    let error = place
        .store
        .lookup_additional_layer(&toc, IMAGE)
        .unwrap_err();
    assert!(
        matches!(&error, AdditionalLayerError::Info { path, .. } if *path == place.shown(&toc)),
        "{error:?}"
    );
    for part in ["info", "blob"] {
        show(&place.shown(&toc), "a");
        fs::remove_file(place.shown(&toc).join(part)).unwrap();
        assert!(
            place
                .store
                .lookup_additional_layer(&toc, IMAGE)
                .unwrap()
                .is_none()
        );
    }
}

#[test]
fn root_stores_may_tell_images_apart_and_are_asked_in_order() {
    let Some(place) = Place::new(":ref") else {
        return;
    };
    let second = place.dir.path().join("second");
    fs::create_dir(&second).unwrap();
    best_effort(place.store.shutdown(Shutdown::Force));
    let flags = format!(":ref,{}", second.display());
    let store = open(place.dir.path(), &flags);
    let toc = toc("a");
    let path = |image: &str| {
        let found = store.lookup_additional_layer(&toc, image).unwrap();
        found.map(|found| found.path().to_owned())
    };
    // base64 of "fedora" and "fedora:1".
    let first = place.dir.path().join("layers");
    show(&first.join("ZmVkb3Jh").join(toc.to_string()), "a");
    assert_eq!(
        path("fedora"),
        Some(first.join("ZmVkb3Jh").join(toc.to_string()))
    );
    assert_eq!(path("fedora:1"), None);
    show(&second.join(toc.to_string()), "a");
    assert_eq!(
        path("fedora"),
        Some(first.join("ZmVkb3Jh").join(toc.to_string()))
    );
    assert_eq!(path("fedora:1"), Some(second.join(toc.to_string())));
    show(&first.join("ZmVkb3JhOjE=").join(toc.to_string()), "a");
    assert_eq!(
        path("fedora:1"),
        Some(first.join("ZmVkb3JhOjE=").join(toc.to_string()))
    );
    // Without a name there is no directory for it, as in Go.
    assert_eq!(path(""), Some(second.join(toc.to_string())));
    best_effort(store.shutdown(Shutdown::Force));
}

#[test]
fn other_drivers_know_no_additional_layers() {
    let place = crate::support::Place::new();
    assert!(
        place
            .store
            .lookup_additional_layer(&toc("a"), IMAGE)
            .unwrap()
            .is_none()
    );
}

#[test]
fn root_layers_that_were_put_are_as_go_makes_them() {
    let Some(place) = Place::new("") else { return };
    let store = &place.store;
    import(
        store,
        LayerSpec::new().id(id("base")).read_only(),
        &file_tar("base", b"base"),
    );
    let toc = place.put(
        "a",
        LayerSpec::new()
            .parent(id::<LayerId>("base"))
            .name("mine")
            .flag("ours", 1),
    );
    let shown = place.shown(&toc);
    // On the disk.
    let noted = fs::read_to_string(place.graph("overlay/a/additionallayer")).unwrap();
    assert_eq!(Path::new(&noted), shown);
    assert_eq!(
        fs::read_link(place.graph("overlay/a/diff")).unwrap(),
        shown.join("diff")
    );
    let base = fs::read_to_string(place.graph("overlay/base/link")).unwrap();
    assert_eq!(
        fs::read_to_string(place.graph("overlay/a/lower")).unwrap(),
        format!("l/{base}")
    );
    assert!(!place.graph("overlay-layers/a.tar-split.gz").exists());
    // In the records: what is known of the contents, and what was asked for.
    let view = store.snapshot().unwrap();
    let layer = view.layer("mine").unwrap();
    assert_eq!(layer.id().as_str(), "a");
    assert_eq!(layer.names(), ["mine"]);
    assert_eq!(layer.metadata(), "text");
    assert_eq!(layer.parent(), Some(&id("base")));
    assert_eq!(layer.toc_digest(), Some(toc.clone()));
    assert_eq!(layer.diff_size(), Some(tar("a").len() as u64));
    assert_eq!(layer.compressed_size(), Some(gzip(&tar("a")).len() as u64));
    assert_eq!(layer.compression(), Some(Codec::Gzip));
    assert_eq!(layer.uids(), [0]);
    assert!(layer.big_data_names().is_empty());
    assert!(layer.flags().get("ours").is_some() && layer.flags().get("theirs").is_none());
    assert!(!layer.is_incomplete());
    assert_ne!(layer.created().unix_seconds(), 1_577_836_800);
    assert_eq!(view.layers_by_toc_digest(&toc).len(), 1);

    // In use.
    let mut tx = store.begin().unwrap();
    let image = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name("image")
                .top_layer(id::<LayerId>("a")),
        )
        .unwrap();
    let spec = ContainerSpec::new().name("box").layer(id("w")).image(image);
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let tree = store.mount("box", &MountRequest::new()).unwrap();
    assert_eq!(fs::read_to_string(tree.join("a")).unwrap(), "a");
    assert_eq!(fs::read_to_string(tree.join("base")).unwrap(), "base");
    fs::write(tree.join("a"), "changed").unwrap();
    store.unmount("box", Unmounting::Once).unwrap();
    // The program's own files are left alone, even when the layer itself is mounted.
    let tree = store.mount("a", &MountRequest::new()).unwrap();
    assert_eq!(fs::read_to_string(tree.join("a")).unwrap(), "a");
    assert!(fs::write(tree.join("b"), "b").is_err());
    store.unmount("a", Unmounting::Once).unwrap();
    assert!(store.apply_diff("a", Cursor::new(tar("b"))).is_err());
    assert_eq!(fs::read_dir(shown.join("diff")).unwrap().count(), 1);

    // Its tar comes from the program.
    assert_eq!(
        read(store, "a", DiffCompression::AsImported),
        gzip(&tar("a"))
    );
    assert_eq!(
        read(store, "a", DiffCompression::As(Codec::Gzip)),
        gzip(&tar("a"))
    );
    assert_eq!(
        read(store, "a", DiffCompression::As(Codec::Plain)),
        tar("a")
    );
    let packed = read(store, "a", DiffCompression::As(Codec::Zstd));
    let mut unpacked = Vec::new();
    decompressor(Codec::Zstd, &*packed)
        .unwrap()
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, tar("a"));
    let changes = store.changes(None, "a").unwrap();
    assert_eq!(
        changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["A /a"]
    );

    // It takes no space here, and is not damaged.
    let usage = store.usage().unwrap();
    let counted = usage
        .layers
        .iter()
        .find(|layer| layer.id.as_str() == "a")
        .unwrap();
    assert_eq!(counted.own.bytes, 0);
    assert!(place.check().is_empty(), "{:?}", place.check());
    let report = store.dedup(&DedupOptions::default()).unwrap();
    assert!(!matches!(report.support, DedupSupport::NotByDriver));
    assert_eq!(report.failed, 0);

    store.delete_container("box").unwrap();
    store
        .delete_image("image", layerhold::DeleteMode::Delete)
        .unwrap();
    assert!(!place.graph("overlay/a").exists());
    assert!(shown.join("diff/a").exists());
}

#[test]
fn root_layers_of_a_transaction_appear_together() {
    let Some(place) = Place::new("") else { return };
    let store = &place.store;
    for name in ["a", "b"] {
        show(&place.shown(&toc(name)), name);
    }
    let mut tx = store.begin().unwrap();
    let base = tx
        .put_additional_layer(&place.find(&toc("a")), LayerSpec::new().id(id("a")))
        .unwrap();
    let top = tx
        .put_additional_layer(
            &place.find(&toc("b")),
            LayerSpec::new().id(id("b")).parent(&base),
        )
        .unwrap();
    // And one of our own on top of both.
    let own = tx
        .import_layer(
            LayerSpec::new().id(id("own")).parent(&top),
            Cursor::new(file_tar("own", b"own")),
        )
        .unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("image")
            .top_layer(&own),
    )
    .unwrap();
    assert!(!place.graph("overlay/a").exists());
    tx.commit().unwrap();
    let tree = store.mount_image("image", &MountRequest::new()).unwrap();
    for name in ["a", "b", "own"] {
        assert_eq!(fs::read_to_string(tree.join(name)).unwrap(), name);
    }
    store.unmount_image("image", Unmounting::Once).unwrap();

    // The conflicts of ordinary layers are conflicts here too.
    let again = place
        .find(&toc("a"))
        .put_as(LayerSpec::new().id(id("a")))
        .unwrap_err();
    assert!(
        matches!(&again, TransactionError::Stage(error) if matches!(error, StageError::Conflict(Conflict::Id { .. }))),
        "{again:?}"
    );
    let copy = LayerSpec::new().template(id::<LayerId>("own"));
    let refused = place.find(&toc("a")).put_as(copy).unwrap_err();
    assert!(
        matches!(&refused, TransactionError::Stage(error) if matches!(error, StageError::Driver(LayerError::NotSupported { .. }))),
        "{refused:?}"
    );
    // A transaction that is dropped leaves nothing.
    let mut tx = store.begin().unwrap();
    tx.put_additional_layer(&place.find(&toc("a")), LayerSpec::new().id(id("never")))
        .unwrap();
    drop(tx);
    assert!(!place.graph("overlay/never").exists());
    assert_eq!(fs::read_dir(place.graph("overlay/l")).unwrap().count(), 3);
}

#[test]
fn root_a_program_that_is_not_there_is_no_damage() {
    let Some(place) = Place::new("") else { return };
    let store = &place.store;
    place.put("a", LayerSpec::new());
    let mut tx = store.begin().unwrap();
    let own = LayerSpec::new().id(id("own")).parent(id::<LayerId>("a"));
    let own = tx
        .import_layer(own.read_only(), Cursor::new(file_tar("own", b"own")))
        .unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("image")
            .top_layer(&own),
    )
    .unwrap();
    tx.commit().unwrap();
    let (layers, away) = (
        place.dir.path().join("layers"),
        place.dir.path().join("away"),
    );
    fs::rename(&layers, &away).unwrap();
    for key in ["a", "own"] {
        let error = store
            .mount(key, &MountRequest::new().option("ro"))
            .unwrap_err();
        let expected = format!(
            "cannot read the additional layer at {}: its program does not show it now",
            layers.join(toc("a").to_string()).join("diff").display()
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, expected);
    }
    let found = place.check();
    assert!(!found.is_empty());
    // A repair must not remove it.
    for (damage, verdict) in &found {
        assert!(matches!(damage, Damage::Unknown(_)), "{damage:?}");
        assert_eq!(*verdict, Verdict::Unjudged);
    }
    fs::rename(&away, &layers).unwrap();
    assert!(place.check().is_empty());
    // It can be deleted without the program too.
    fs::rename(&layers, &away).unwrap();
    store
        .delete_image("image", layerhold::DeleteMode::Delete)
        .unwrap();
    assert_eq!(store.snapshot().unwrap().layers().count(), 0);
}

/// Uses an additional layer under `strace`.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let base = Path::new(role.argument(0));
    let store = open(base, "");
    let find = || {
        store
            .lookup_additional_layer(&toc("a"), IMAGE)
            .unwrap()
            .unwrap()
    };
    match role.name() {
        "look" => find().release(),
        "put" => drop(find().put_as(LayerSpec::new().id(id("a"))).unwrap()),
        "give up" => {
            let mut tx = store.begin().unwrap();
            tx.put_additional_layer(&find(), LayerSpec::new()).unwrap();
        }
        "read" => drop(read(&store, "a", DiffCompression::AsImported)),
        "delete" => store.delete_layer("a").unwrap(),
        other => panic!("unknown role {other}"),
    }
    best_effort(store.shutdown(Shutdown::Force));
}

/// The signals of a process to the program: use begins, use ends.
fn signals(base: &Path, role: &str) -> Vec<&'static str> {
    let trace = base.join("trace");
    let wrapper = ["strace", "-f", "-qqq", "-o", trace.to_str().unwrap(), "-e"];
    let child = ChildSpec::new("additional_layers::child_entry", role)
        .argument(base.to_str().unwrap())
        .through(wrapper.into_iter().chain(["trace=openat,unlinkat"]));
    assert!(child.spawn().wait().success());
    let trace = fs::read_to_string(trace).unwrap();
    let name = format!("\"{}\"", toc("a"));
    let call = |line: &str| {
        if line.contains("\"use\"") && line.contains("O_CREAT") {
            Some("use")
        } else {
            (line.contains(&name) && line.contains("AT_REMOVEDIR")).then_some("release")
        }
    };
    trace.lines().filter_map(call).collect()
}

#[test]
fn root_peer_strace_sees_every_use_released() {
    let Some(place) = Place::new("") else { return };
    let Some(()) = require_peer("strace") else {
        return;
    };
    show(&place.shown(&toc("a")), "a");
    best_effort(place.store.shutdown(Shutdown::Force));
    let signals = |role| signals(place.dir.path(), role);
    assert_eq!(signals("look"), ["use", "release"]);
    // One of the two uses is released: that of the handle. The other one is the layer's own.
    assert_eq!(signals("put"), ["use", "use", "release"]);
    assert_eq!(signals("read"), ["use", "release"]);
    assert_eq!(signals("delete"), ["release"]);
    assert_eq!(signals("give up"), ["use", "use", "release", "release"]);
}

#[test]
fn root_peer_go_uses_layers_that_were_put() {
    let Some(place) = Place::new("") else { return };
    let Some(()) = require_peer("containers-storage") else {
        return;
    };
    let toc = place.put("a", LayerSpec::new().name("mine"));
    best_effort(place.store.shutdown(Shutdown::Force));
    let go = GoStore::below(place.dir.path(), "overlay");
    let shown = go.run(["layer", "mine"]).text();
    assert!(
        shown.contains("Layer ID: a") || shown.contains("ID: a"),
        "{shown}"
    );
    let diff = go.run(["diff", "-u", "a"]);
    diff.assert_success();
    assert_eq!(diff.stdout, tar("a"));
    go.run(["create-image", "-n", "image", "a"])
        .assert_success();
    go.run(["create-container", "-n", "box", "image"])
        .assert_success();
    let tree = go.run(["mount", "box"]).text();
    assert_eq!(
        fs::read_to_string(Path::new(tree.trim()).join("a")).unwrap(),
        "a"
    );
    go.run(["unmount", "box"]).assert_success();
    // The reverse: this library can read and delete a layer that Go made.
    go.run(["create-layer", "-i", "theirs"]).assert_success();
    fs::remove_dir(place.graph("overlay/theirs/diff")).unwrap();
    symlink(
        place.shown(&toc).join("diff"),
        place.graph("overlay/theirs/diff"),
    )
    .unwrap();
    fs::write(
        place.graph("overlay/theirs/additionallayer"),
        place.shown(&toc).to_str().unwrap(),
    )
    .unwrap();
    let store = open(place.dir.path(), "");
    assert_eq!(
        read(&store, "theirs", DiffCompression::As(Codec::Plain)),
        tar("a")
    );
    store.delete_container("box").unwrap();
    store.delete_layer("theirs").unwrap();
    best_effort(store.shutdown(Shutdown::Force));
    go.run(["delete-image", "image"]).assert_success();
    assert!(!place.graph("overlay/a").exists());
    assert!(place.shown(&toc).join("diff/a").exists());
    drop(go.run(["shutdown"]));
}
