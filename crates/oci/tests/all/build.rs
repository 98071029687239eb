//! Building images, and what a store has of them.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use layerhold::{ContainerSpec, DeleteMode, MountRequest, Unmounting, layer_id_of_contents};
use layerhold_archive::Codec;
use layerhold_oci::{
    BuildError, BuiltImage, Event, ImageBuilder, ImageError, LayerSource, Quiet, SaveOptions,
    TargetKind, load, save,
};
use serde_json::{Value, json};

use crate::support::{
    Layout, Place, config, entries, named, sha256, simple_layout, tar, two_layers,
};

const TIME: &str = "2026-01-02T03:04:05Z";

fn tree(place: &Place) -> PathBuf {
    let root = place.path("tree");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/app"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
    root
}

fn configuration(image: &BuiltImage) -> Value {
    serde_json::from_slice(&image.configuration).unwrap()
}

/// The file of a layer, through a mount.
#[track_caller]
fn file_of(place: &Place, layer: &layerhold_ids::LayerId, name: &str) -> Option<String> {
    let request = MountRequest::default();
    let path = place.store.mount(layer, &request).unwrap();
    let text = fs::read_to_string(path.join(name)).ok();
    place.store.unmount(layer, Unmounting::default()).unwrap();
    text
}

#[test]
fn an_image_has_what_was_asked_for() {
    let place = Place::new();
    let image = ImageBuilder::new()
        .directory(tree(&place))
        .entrypoint(["/bin/app", "-x"])
        .command(["y"])
        .env("PATH", "/bin")
        .env("EMPTY", "")
        .label("a.b", "c=d")
        .user("7:8")
        .working_directory("/srv")
        .port("80")
        .volume("/data")
        .stop_signal("SIGINT")
        .author("me")
        .comment("why")
        .annotation("k", "v")
        .platform("linux/arm64/v8".parse().unwrap())
        .timestamp(TIME.parse().unwrap())
        .name("app")
        .name("quay.io/x/app:1")
        .build(&place.store)
        .unwrap();
    let diff_id = image.diff_ids[0].to_string();
    assert_eq!(
        configuration(&image),
        json!({
            "created": TIME,
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "config": {
                "Entrypoint": ["/bin/app", "-x"],
                "Cmd": ["y"],
                "User": "7:8",
                "WorkingDir": "/srv",
                "StopSignal": "SIGINT",
                "Env": ["PATH=/bin", "EMPTY="],
                "Labels": {"a.b": "c=d"},
                "ExposedPorts": {"80/tcp": {}},
                "Volumes": {"/data": {}},
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [
                {"created": TIME, "created_by": "layerhold: directory", "author": "me", "comment": "why"},
            ],
            "author": "me",
        })
    );
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    let layer = place.store.snapshot().unwrap();
    let layer = layer.layer(&image.layers[0]).unwrap();
    assert_eq!(
        manifest,
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": sha256(&image.configuration),
                "size": image.configuration.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": diff_id,
                "size": layer.diff_size(),
            }],
            "annotations": {"k": "v"},
        })
    );
    assert_eq!(image.names, ["localhost/app:latest", "quay.io/x/app:1"]);
}

#[test]
fn the_store_has_what_podman_expects() {
    let place = Place::new();
    let image = ImageBuilder::new()
        .directory(tree(&place))
        .timestamp(TIME.parse().unwrap())
        .name("app")
        .build(&place.store)
        .unwrap();
    assert_eq!(image.id.as_str(), &sha256(&image.configuration)[7..]);
    assert_eq!(image.digest.to_string(), sha256(&image.manifest));
    let found = place.only_image();
    assert_eq!(found.id(), &image.id);
    assert_eq!(found.names(), ["localhost/app:latest"]);
    assert_eq!(found.top_layer(), image.layers.last());
    assert_eq!(found.created().to_string(), TIME);
    assert_eq!(found.digest(), Some(image.digest.clone()));
    let items = [
        (format!("sha256:{}", image.id), image.configuration.clone()),
        (format!("manifest-{}", image.digest), image.manifest.clone()),
        ("manifest".to_owned(), image.manifest.clone()),
        (format!("signature-{}", image.digest.hex()), Vec::new()),
    ];
    for (key, bytes) in &items {
        assert_eq!(
            &place.store.image_data(&image.id, key).unwrap(),
            bytes,
            "{key}"
        );
    }
    assert_eq!(found.big_data_names().len(), items.len());
    assert_eq!(
        found.metadata(),
        format!("{{\"signatures-sizes\":{{\"{}\":[]}}}}", image.digest)
    );
    assert_eq!(
        image.layers[0],
        layer_id_of_contents(None, &image.diff_ids[0])
    );
}

#[test]
fn the_same_input_gives_the_same_image() {
    let build = || {
        let place = Place::new();
        let root = tree(&place);
        ImageBuilder::new()
            .directory(root)
            .filled(|root| fs::write(root.join("x"), "1"))
            .label("z", "1")
            .label("a", "2")
            .timestamp(TIME.parse().unwrap())
            .build(&place.store)
            .unwrap()
    };
    assert_eq!(build(), build());
    // And in one store it is there once, with the names of both builds.
    let place = Place::new();
    let root = tree(&place);
    let again = |name: &str| {
        let builder = ImageBuilder::new().directory(&root);
        let builder = builder.timestamp(TIME.parse().unwrap()).name(name);
        builder.build(&place.store).unwrap()
    };
    assert_eq!(again("one").id, again("two").id);
    let image = place.only_image();
    assert_eq!(
        image.names(),
        ["localhost/two:latest", "localhost/one:latest"]
    );
    assert_eq!(entries(&place.path("root/vfs/dir")).len(), 1);
}

#[test]
fn layers_come_from_everywhere_in_order() {
    let place = Place::new();
    fs::write(place.path("layer.tar"), tar("b", "archive")).unwrap();
    fs::write(place.path("single"), "single").unwrap();
    let steps = std::sync::Mutex::new(Vec::new());
    let progress = |event: Event<'_>| match event {
        Event::LayerBuilding { index, of } => steps.lock().unwrap().push((index, of)),
        Event::LayerAdvanced { bytes, .. } => assert!(bytes < 1 << 20),
        _ => {}
    };
    let image = ImageBuilder::new()
        .layer(
            LayerSource::directory(tree(&place))
                .below("/opt/x")
                .owner(0, 0),
        )
        .archive(place.path("layer.tar"))
        .layer(LayerSource::reader(Cursor::new(tar("c", "stream"))))
        .file(place.path("single"), "/etc/app.conf")
        .layer(
            LayerSource::filled(|root| fs::write(root.join("d"), "filled"))
                .below("srv")
                .created_by("made d"),
        )
        .build_with(&place.store, &progress)
        .unwrap();
    assert_eq!(
        *steps.lock().unwrap(),
        [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)]
    );
    let top = image.layers.last().unwrap();
    for (name, text) in [
        ("opt/x/bin/app", "#!/bin/sh\n"),
        ("b", "archive"),
        ("c", "stream"),
        ("etc/app.conf", "single"),
        ("srv/d", "filled"),
    ] {
        assert_eq!(file_of(&place, top, name).as_deref(), Some(text), "{name}");
    }
    let history = configuration(&image)["history"].clone();
    let texts: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["created_by"].as_str().unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            "layerhold: directory /opt/x",
            "layerhold: archive",
            "layerhold: archive",
            "layerhold: file /etc/app.conf",
            "made d",
        ]
    );
}

#[test]
fn an_image_stands_on_another() {
    let place = Place::new();
    let source = simple_layout(place.path("layout"), Codec::Gzip, "base");
    let base = place.load(&source).unwrap().remove(0);
    let below: Value = serde_json::from_slice(
        &place
            .store
            .image_data(&base.id, &format!("sha256:{}", base.id))
            .unwrap(),
    )
    .unwrap();
    let image = ImageBuilder::from_image("base")
        .directory(tree(&place))
        .entrypoint(["/bin/app"])
        .timestamp(TIME.parse().unwrap())
        .build(&place.store)
        .unwrap();
    let config = configuration(&image);
    let known = below["rootfs"]["diff_ids"].as_array().unwrap();
    let all = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(&all[..known.len()], &known[..]);
    assert_eq!(all.len(), known.len() + 1);
    assert_eq!(config["architecture"], below["architecture"]);
    let view = place.store.snapshot().unwrap();
    let base_top = view.image(&base.id).unwrap().top_layer().cloned();
    assert_eq!(
        view.layer(image.layers.last().unwrap()).unwrap().parent(),
        base_top.as_ref()
    );
    // Without a new layer it has another configuration only.
    let relabelled = ImageBuilder::from_image(image.id.as_str())
        .label("a", "b")
        .timestamp(TIME.parse().unwrap())
        .build(&place.store)
        .unwrap();
    assert_eq!(relabelled.layers, image.layers);
    let config = configuration(&relabelled);
    assert_eq!(config["config"]["Entrypoint"], json!(["/bin/app"]));
    assert_eq!(
        config["history"].as_array().unwrap().last().unwrap(),
        &json!({"created": TIME, "created_by": "layerhold: configuration", "empty_layer": true})
    );
}

#[test]
fn a_container_becomes_an_image() {
    let place = Place::new();
    let base = ImageBuilder::new()
        .directory(tree(&place))
        .env("A", "1")
        .build(&place.store)
        .unwrap();
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().image(base.id.clone()).name("box"))
        .unwrap();
    tx.commit().unwrap();
    let path = place.store.mount("box", &MountRequest::default()).unwrap();
    fs::write(path.join("new"), "1").unwrap();
    fs::remove_file(path.join("bin/app")).unwrap();
    place.store.unmount("box", Unmounting::default()).unwrap();
    let time = TIME.parse().unwrap();
    let image = ImageBuilder::from_container("box")
        .command(["/new"])
        .timestamp(time)
        .build(&place.store)
        .unwrap();
    assert_eq!(image.layers[..1], base.layers[..]);
    let top = &image.layers[1];
    assert_eq!(file_of(&place, top, "new").as_deref(), Some("1"));
    assert_eq!(file_of(&place, top, "bin/app"), None);
    let config = configuration(&image);
    assert_eq!(config["config"]["Env"], json!(["A=1"]));
    assert_eq!(config["config"]["Cmd"], json!(["/new"]));
    // All times are the given one, so that a second commit is the same image.
    let mut diff = place
        .store
        .diff(None, top, layerhold::DiffCompression::default())
        .unwrap();
    let mut archive = tar::Archive::new(&mut diff);
    for entry in archive.entries().unwrap() {
        assert_eq!(entry.unwrap().header().mtime().unwrap(), 1_767_323_045);
    }
}

#[test]
fn a_squashed_image_has_one_layer_with_the_tree_of_all() {
    let place = Place::new();
    let whiteout = layerhold_testkit::TarBuilder::new()
        .entry(layerhold_testkit::TarEntry::file("bin/.wh.app", ""))
        .entry(layerhold_testkit::TarEntry::file("bin/other", "2"))
        .finish();
    let builder = || {
        ImageBuilder::new()
            .directory(tree(&place))
            .layer(LayerSource::reader(Cursor::new(whiteout.clone())))
            .env("A", "1")
            .timestamp(TIME.parse().unwrap())
            .name("flat")
    };
    let image = builder().squash().build(&place.store).unwrap();
    assert_eq!(image.layers.len(), 1);
    assert_eq!(
        place.only_image().id(),
        &image.id,
        "the first image is gone"
    );
    assert_eq!(
        file_of(&place, &image.layers[0], "bin/other").as_deref(),
        Some("2")
    );
    assert_eq!(file_of(&place, &image.layers[0], "bin/app"), None);
    let config = configuration(&image);
    assert_eq!(config["config"]["Env"], json!(["A=1"]));
    assert_eq!(
        config["history"],
        json!([{"created": TIME, "created_by": "layerhold: all layers in one"}])
    );
    assert_eq!(entries(&place.path("root/vfs/dir")).len(), 1);
    // The image that it is made of stays, if it was there before.
    let whole = builder().name("whole").build(&place.store).unwrap();
    let again = builder().squash().build(&place.store).unwrap();
    assert_eq!(again.id, image.id);
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        view.image("localhost/whole:latest").unwrap().id(),
        &whole.id
    );
    assert_eq!(view.image("localhost/flat:latest").unwrap().id(), &image.id);
}

#[test]
fn two_builds_squash_the_same_contents_at_once() {
    let place = Place::new();
    let tree = tree(&place);
    // The second one begins when the first has committed the image that it squashes, and goes on
    // from there when the first is done.
    let (begin, both_committed, first_is_done) =
        (Barrier::new(2), Barrier::new(2), Barrier::new(2));
    let build = |at_second_layer: &(dyn Fn() + Sync)| {
        let layers = AtomicU32::new(0);
        let progress = |event: Event<'_>| {
            if matches!(event, Event::LayerBuilding { .. })
                && layers.fetch_add(1, Ordering::Relaxed) == 1
            {
                at_second_layer();
            }
        };
        ImageBuilder::new()
            .directory(&tree)
            .timestamp(TIME.parse().unwrap())
            .squash()
            .build_with(&place.store, &progress)
    };
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| {
            let _leader = begin.wait();
            build(&|| {
                let _leader = both_committed.wait();
                let _leader = first_is_done.wait();
            })
        });
        let first = build(&|| {
            let _leader = begin.wait();
            let _leader = both_committed.wait();
        });
        let _leader = first_is_done.wait();
        (first, second.join().unwrap())
    });
    assert_eq!(first.unwrap().id, second.unwrap().id);
    let _only = place.only_image();
}

#[test]
fn an_image_on_one_without_history_has_an_entry_for_each_layer() {
    let place = Place::new();
    let layers = two_layers();
    let mut bare: Value = serde_json::from_slice(&config(&layers, "amd64")).unwrap();
    drop(bare.as_object_mut().unwrap().remove("history").unwrap());
    let layout = Layout::new(place.path("layout"));
    let blobs = layers.iter().map(|layer| layout.layer(Codec::Gzip, layer));
    let base = layout.image_of(bare.to_string().as_bytes(), blobs.collect());
    let source = layout.finish(&[named(base, "base")]);
    drop(place.load(&source).unwrap());
    let image = ImageBuilder::from_image("base")
        .directory(tree(&place))
        .timestamp(TIME.parse().unwrap())
        .build(&place.store)
        .unwrap();
    // buildah commits no container of an image whose history names other than all of its layers.
    let below = json!({"created": TIME, "created_by": "layerhold: layer of the base image"});
    let own = json!({"created": TIME, "created_by": "layerhold: directory"});
    assert_eq!(configuration(&image)["history"], json!([below, below, own]));
}

#[test]
fn an_image_that_was_saved_comes_back_into_its_store() {
    let place = Place::new();
    let image = ImageBuilder::new()
        .directory(tree(&place))
        .filled(|root| fs::write(root.join("x"), "1"))
        .name("app")
        .build(&place.store)
        .unwrap();
    for kind in [TargetKind::OciArchive, TargetKind::DockerArchive] {
        let path = place.path("saved");
        let options = SaveOptions::new(kind).scratch(place.base());
        save(&place.store, &["app"], &path, &options, &Quiet).unwrap();
        let loaded = load(&place.store, &path, &place.options(), &Quiet).unwrap();
        assert_eq!(loaded[0].id, image.id, "{kind:?}");
        assert_eq!((loaded[0].imported, loaded[0].reused), (0, 2), "{kind:?}");
        let other = Place::new();
        let loaded = load(&other.store, &path, &other.options(), &Quiet).unwrap();
        assert_eq!(loaded[0].id, image.id, "{kind:?}");
        let view = other.store.snapshot().unwrap();
        let layers = view.layer_chain(image.layers.last().unwrap()).unwrap();
        assert_eq!(layers.len(), 2, "the same layers, by ID");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn an_image_is_part_of_a_transaction() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let image = ImageBuilder::new()
        .directory(tree(&place))
        .stage(&mut tx)
        .unwrap();
    tx.create_container(ContainerSpec::new().image(image.id.clone()).name("box"))
        .unwrap();
    assert_eq!(place.store.snapshot().unwrap().images().count(), 0);
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.container("box").unwrap().image(), Some(&image.id));
    let mut tx = place.store.begin().unwrap();
    let error = ImageBuilder::from_image(image.id.as_str())
        .squash()
        .stage(&mut tx)
        .unwrap_err();
    assert!(matches!(error, BuildError::SquashInTransaction));
}

#[test]
fn what_an_image_cannot_have_is_refused_before_anything_is_read() {
    let place = Place::new();
    let unread = || {
        LayerSource::filled(|_: &Path| -> Result<(), std::io::Error> { panic!("nothing is read") })
    };
    let refused =
        |builder: ImageBuilder<'_>| builder.layer(unread()).build(&place.store).unwrap_err();
    for (builder, text) in [
        (
            ImageBuilder::new().env("A=B", "x"),
            "cannot set the environment variable to \"A=B\": a name is not empty and has no \"=\"",
        ),
        (
            ImageBuilder::new().port("x"),
            "cannot set the exposed port to \"x/tcp\": expected PORT, PORT-PORT, or either with /tcp, /udp or /sctp",
        ),
        (
            ImageBuilder::new().layer(LayerSource::archive("x").owner(1, 2)),
            "cannot set the owner of a layer to \"1:2\": only trees get another owner",
        ),
        (
            ImageBuilder::new().layer(LayerSource::container("x").below("y")),
            "cannot set the directory of a layer to \"y\": only trees can be moved",
        ),
        (
            ImageBuilder::new().file("x", "/"),
            "cannot set the path of a file to \"/\": it is the root directory",
        ),
    ] {
        assert_eq!(refused(builder).to_string(), text);
    }
    let error = refused(ImageBuilder::new().name("UPPER"));
    assert!(matches!(error, BuildError::Name(_)), "{error:?}");
    let named = format!("x@{}", sha256(b"x"));
    let error = refused(ImageBuilder::new().name(named));
    assert!(matches!(error, BuildError::Name(_)), "{error:?}");
    let error = refused(ImageBuilder::from_image("gone"));
    assert!(error.is_not_found() && matches!(error, BuildError::Image(ImageError::Lookup(_))));
    let error = refused(ImageBuilder::from_container("gone"));
    assert!(error.is_not_found(), "{error:?}");
    place.assert_empty();
}

#[test]
fn a_build_that_fails_leaves_the_store_as_it_was() {
    let place = Place::new();
    let build = |layer: LayerSource<'_>| {
        let builder = ImageBuilder::new().directory(tree(&place)).name("app");
        builder.layer(layer).build(&place.store).unwrap_err()
    };
    let error = build(LayerSource::directory(place.path("gone")));
    assert!(error.is_not_found(), "{error:?}");
    assert!(matches!(error, BuildError::Source { index: 1, .. }));
    let error = build(LayerSource::file(place.base(), "x"));
    assert!(
        matches!(error, BuildError::NotAFile { index: 1, .. }),
        "{error:?}"
    );
    let error = build(LayerSource::reader(Cursor::new(b"no tar".to_vec())));
    assert!(
        matches!(error, BuildError::Layer { index: 1, .. }),
        "{error:?}"
    );
    let error = build(LayerSource::filled(|_| Err("not today")));
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("not today"));
    let error = ImageBuilder::new()
        .squash()
        .build(&place.store)
        .unwrap_err();
    assert!(matches!(error, BuildError::NothingToSquash));
    place.assert_empty();
    let missing = ImageBuilder::new()
        .filled(|_| Ok::<_, std::io::Error>(()))
        .scratch(place.path("gone"))
        .build(&place.store);
    assert!(matches!(missing, Err(BuildError::Scratch { .. })));
}

#[test]
fn a_name_moves_from_the_image_that_had_it() {
    let place = Place::new();
    let first = ImageBuilder::new()
        .label("n", "1")
        .name("app")
        .build(&place.store);
    let first = first.unwrap();
    let second = ImageBuilder::new()
        .label("n", "2")
        .name("app")
        .build(&place.store);
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        view.image("localhost/app:latest").unwrap().id(),
        &second.unwrap().id
    );
    assert!(view.image(&first.id).unwrap().names().is_empty());
    place
        .store
        .delete_image(&first.id, DeleteMode::Delete)
        .unwrap();
}
