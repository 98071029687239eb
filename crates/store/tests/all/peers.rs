//! Tests stores that are shared with the Go tool and podman.

use std::path::Path;

use layerhold::{
    ContainerSpec, ErrorKind, ImageSpec, LayerSpec, MountRequest, Shutdown, Store, StoreOptions,
    Unmounting,
};
use layerhold_testkit::{GoStore, Podman, Skopeo, TempDir, require_peer, require_root, scratch};

use crate::support::{id, import, long, reader, small_tar};

/// A store of the Go tool and of this library at the same directories.
fn shared() -> Option<(TempDir, GoStore)> {
    require_root()?;
    require_peer("containers-storage")?;
    let place = scratch();
    let go = GoStore::below(place.path(), "vfs");
    Some((place, go))
}

fn ours(go: &GoStore) -> Store {
    Store::open(StoreOptions::new(go.root(), go.runroot()).with_driver("vfs")).unwrap()
}

/// The IDs that the Go tool lists; names and other properties are on indented lines of their own.
fn listed(go: &GoStore, command: &str) -> Vec<String> {
    let mut lines = go.run([command]).lines();
    lines.retain(|line| !line.starts_with(['\t', ' ']));
    lines
}

/// Record files without times, which differ.
fn without_times(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\"created\":\"") {
        let (_time, after) = after.split_once('"').unwrap();
        out.push_str(before);
        out.push_str("\"created\":T");
        rest = after;
    }
    out + rest
}

/// Checks that the same steps by both tools, in separate stores, leave the same bytes.
#[test]
fn root_peer_records_are_byte_for_byte_those_of_go() {
    let Some((_place, go)) = shared() else { return };
    let other = scratch();
    let mine = GoStore::below(other.path(), "vfs");
    let store = ours(&mine);
    let tar = small_tar();
    let file = other.path().join("layer.tar");
    std::fs::write(&file, &tar).unwrap();
    let gz = other.path().join("layer.tar.gz");
    let packed = std::process::Command::new("gzip")
        .arg("-k9n")
        .arg(&file)
        .status()
        .unwrap();
    assert!(packed.success());
    let (base, child, empty, top) = (long('a'), long('b'), long('c'), long('d'));

    go.run([
        "import-layer",
        "-i",
        &base,
        "-n",
        "base",
        "-n",
        "b&<2>",
        "-r",
        "-f",
        file.to_str().unwrap(),
    ])
    .assert_success();
    go.run([
        "import-layer",
        "-i",
        &child,
        "-f",
        gz.to_str().unwrap(),
        &base,
    ])
    .assert_success();
    go.run(["create-layer", "-i", &empty, &base])
        .assert_success();
    go.run([
        "create-image",
        "-i",
        &top,
        "-n",
        "image",
        "-m",
        "{\"a\":1}",
        &child,
    ])
    .assert_success();
    std::fs::write(other.path().join("item"), b"data").unwrap();
    let item = other.path().join("item");
    go.run([
        "set-image-data",
        "-f",
        item.to_str().unwrap(),
        &top,
        "Config",
    ])
    .assert_success();
    go.run(["set-names", "-n", "image", "-n", "second", &top])
        .assert_success();
    go.run(["set-layer-data", "-f", item.to_str().unwrap(), &base, "k1"])
        .assert_success();
    go.run([
        "create-container",
        "-i",
        &long('e'),
        "-n",
        "box",
        "-m",
        "meta",
        &top,
    ])
    .assert_success();
    go.run([
        "set-container-data",
        "-f",
        item.to_str().unwrap(),
        &long('e'),
        "k2",
    ])
    .assert_success();

    let spec = LayerSpec::new()
        .id(id(&base))
        .names(["base", "b&<2>"])
        .read_only();
    import(&store, spec, &tar);
    let packed = std::fs::read(&gz).unwrap();
    import(
        &store,
        LayerSpec::new()
            .id(id(&child))
            .parent(id::<layerhold_ids::LayerId>(&base)),
        &packed,
    );
    let mut tx = store.begin().unwrap();
    tx.create_layer(
        LayerSpec::new()
            .id(id(&empty))
            .parent(id::<layerhold_ids::LayerId>(&base)),
    )
    .unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .id(id(&top))
        .name("image")
        .metadata("{\"a\":1}");
    tx.create_image(spec.top_layer(id::<layerhold_ids::LayerId>(&child)))
        .unwrap();
    tx.commit().unwrap();
    store
        .set_image_data(&top, layerhold::BigDataItem::new("Config", "data"))
        .unwrap();
    store
        .set_names(&top, &["image".to_owned(), "second".to_owned()])
        .unwrap();
    store
        .set_layer_data(&base, "k1", &mut &b"data"[..])
        .unwrap();
    let mut tx = store.begin().unwrap();
    let spec = ContainerSpec::new()
        .id(id(&long('e')))
        .name("box")
        .metadata("meta");
    let theirs = ours(&go)
        .snapshot()
        .unwrap()
        .container("box")
        .unwrap()
        .layer()
        .clone();
    tx.create_container(spec.image(id::<layerhold_ids::ImageId>(&top)).layer(theirs))
        .unwrap();
    tx.commit().unwrap();
    store
        .set_container_data("box", layerhold::BigDataItem::new("k2", "data"))
        .unwrap();

    for file in [
        "vfs-layers/layers.json",
        "vfs-images/images.json",
        "vfs-containers/containers.json",
    ] {
        assert_eq!(
            without_times(&mine.root().join(file)),
            without_times(&go.root().join(file)),
            "{file}"
        );
    }
    // These differ: files that only one tool keeps, and directories of one version.
    let names = |root: &Path| {
        let list = std::process::Command::new("find")
            .args([".", "-printf", "%P %m %y\n"])
            .current_dir(root)
            .output()
            .unwrap();
        let mut lines: Vec<String> = String::from_utf8(list.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.retain(|line| {
            ![
                "mounts",
                "tmp",
                "vfs/tempdirs",
                "vfs-layers/tmp",
                "vfs-layers/layerhold-usage",
            ]
            .iter()
            .any(|old| line.starts_with(old))
        });
        lines.sort();
        lines
    };
    assert_eq!(names(mine.root()), names(go.root()));
}

#[test]
fn root_peer_go_reads_and_deletes_what_we_wrote() {
    let Some((place, go)) = shared() else { return };
    let store = ours(&go);
    let tar = small_tar();
    let mut tx = store.begin().unwrap();
    let base = tx
        .import_layer(LayerSpec::new().read_only(), reader(&tar))
        .unwrap();
    let image = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name("image")
                .top_layer(&base),
        )
        .unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box").image(image.clone()))
        .unwrap();
    tx.commit().unwrap();
    assert_eq!(
        listed(&go, "layers"),
        [base.id().as_str(), container.layer().as_str()]
    );
    assert_eq!(listed(&go, "images"), [image.as_str()]);
    assert_eq!(listed(&go, "containers"), [container.id().as_str()]);
    let diff = place.path().join("diff.tar");
    go.run([
        "diff",
        "-u",
        "-f",
        diff.to_str().unwrap(),
        base.id().as_str(),
    ])
    .assert_success();
    assert!(std::fs::read(&diff).unwrap() == tar);
    let mounted = go.run(["mount", "box"]).lines();
    assert_eq!(
        std::fs::read_to_string(Path::new(&mounted[0]).join("etc/hostname")).unwrap(),
        "box\n"
    );
    assert_eq!(store.mounted("box").unwrap(), 1);
    store.unmount("box", Unmounting::Once).unwrap();
    go.run(["delete-container", "box"]).assert_success();
    go.run(["delete-image", "image"]).assert_success();
    let view = store.snapshot().unwrap();
    assert_eq!(
        (
            view.layers().count(),
            view.images().count(),
            view.containers().count()
        ),
        (0, 0, 0)
    );
}

#[test]
fn root_peer_we_read_and_delete_what_go_wrote() {
    let Some((place, go)) = shared() else { return };
    let tar = small_tar();
    let file = place.path().join("layer.tar");
    std::fs::write(&file, &tar).unwrap();
    let layer = go.id(["import-layer", "-n", "base", "-f", file.to_str().unwrap()]);
    let image = go.id(["create-image", "-n", "image", &layer]);
    let container = go.id(["create-container", "-n", "box", &image]);
    let store = ours(&go);
    let view = store.snapshot().unwrap();
    assert_eq!(view.layer("base").unwrap().id(), &layer.as_str());
    assert_eq!(
        view.image("image").unwrap().top_layer().unwrap(),
        &layer.as_str()
    );
    assert_eq!(view.container("box").unwrap().id(), &container.as_str());
    let mut diff = Vec::new();
    let plain = layerhold::DiffCompression::As(layerhold::Codec::Plain);
    std::io::Read::read_to_end(&mut store.diff(None, "base", plain).unwrap(), &mut diff).unwrap();
    assert!(diff == tar);
    let path = store.mount("box", &MountRequest::new()).unwrap();
    assert_eq!(go.run(["mounted", "box"]).text().trim(), "box mounted");
    std::fs::write(path.join("new"), "x").unwrap();
    let changes: Vec<String> = store
        .changes(None, view.container("box").unwrap().layer().as_str())
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(changes, ["A /new"]);
    assert!(
        go.run(["shutdown"])
            .failure()
            .contains("layer is in use by a container")
    );
    assert_eq!(
        store.shutdown(Shutdown::Refuse).unwrap_err().kind(),
        Some(ErrorKind::LayerUsedByContainer)
    );
    store.unmount("box", Unmounting::Once).unwrap();
    store.delete_container("box").unwrap();
    assert_eq!(
        store
            .delete_image("image", layerhold::DeleteMode::Delete)
            .unwrap(),
        [layer.as_str()]
    );
    assert_eq!(listed(&go, "layers"), Vec::<String>::new());
    assert_eq!(listed(&go, "containers"), Vec::<String>::new());
}

#[test]
fn root_peer_podman_sees_our_image_and_we_see_podmans() {
    let Some((place, go)) = shared() else { return };
    let Some(()) = require_peer("podman") else {
        return;
    };
    let podman = Podman::beside(&go);
    let file = place.path().join("layer.tar");
    std::fs::write(&file, small_tar()).unwrap();
    podman
        .run(["import", "-q", file.to_str().unwrap(), "localhost/theirs:1"])
        .assert_success();
    let store = ours(&go);
    let view = store.snapshot().unwrap();
    let theirs = view.image("localhost/theirs:1").unwrap();
    let layer = view.layer(theirs.top_layer().unwrap().as_str()).unwrap();
    // The ID of a base layer that podman imports is the digest of its tar.
    assert_eq!(layer.diff_id().unwrap().hex(), layer.id().as_str());
    assert!(
        theirs
            .big_data_names()
            .iter()
            .any(|name| name == "manifest")
    );
    let manifest = store.image_data("localhost/theirs:1", "manifest").unwrap();
    assert_eq!(
        store
            .image_data_size("localhost/theirs:1", "manifest")
            .unwrap(),
        manifest.len() as u64
    );
    let digest = store
        .image_data_digest("localhost/theirs:1", "manifest")
        .unwrap();
    assert_eq!(view.images_by_digest(&digest).len(), 1);
    // A second name for podman's image.
    store
        .add_names("localhost/theirs:1", &["localhost/ours:2".to_owned()])
        .unwrap();
    let images = podman
        .run(["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .lines();
    assert!(
        images.contains(&"localhost/ours:2".to_owned()),
        "{images:?}"
    );
    podman
        .run(["rmi", "localhost/ours:2", "localhost/theirs:1"])
        .assert_success();
    assert_eq!(store.snapshot().unwrap().layers().count(), 0);
}

#[test]
fn root_peer_skopeo_copies_podmans_image_after_we_renamed_it() {
    let Some((place, go)) = shared() else { return };
    let (Some(()), Some(())) = (require_peer("podman"), require_peer("skopeo")) else {
        return;
    };
    let file = place.path().join("layer.tar");
    std::fs::write(&file, small_tar()).unwrap();
    Podman::beside(&go)
        .run(["import", "-q", file.to_str().unwrap(), "localhost/theirs:1"])
        .assert_success();
    ours(&go)
        .set_names("localhost/theirs:1", &["localhost/renamed:1".to_owned()])
        .unwrap();
    let skopeo = Skopeo::beside(&go);
    let target = format!("oci:{}:x", place.path().join("oci").display());
    let source = skopeo.reference("localhost/renamed:1");
    skopeo
        .run(["copy", "-q", &source, &target])
        .assert_success();
}
