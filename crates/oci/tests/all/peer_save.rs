//! podman, buildah and skopeo work on what we loaded, and we on what they put there.

use std::fs;

use layerhold_archive::Codec;
use layerhold_oci::{Compression, Quiet, SaveOptions, TargetKind, save};
use layerhold_testkit::{Buildah, GoStore, Podman, Skopeo, Tree, require_peer, require_root};
use serde_json::Value;

use crate::support::{DockerArchive, Place, records, simple_layout, timeless_layers, two_layers};

/// A store with an image of ours in it, and the Go tools on the same store.
fn shared() -> (Place, GoStore, String) {
    let place = Place::new();
    let source = simple_layout(place.path("layout"), Codec::Gzip, "example.com/app:1");
    let id = place.load(&source).unwrap().remove(0).id.to_string();
    let go = GoStore::new(&place.path("root"), &place.path("runroot"), "vfs");
    (place, go, id)
}

fn needs(peers: &[&str]) -> Option<()> {
    require_root()?;
    peers.iter().try_for_each(|peer| require_peer(peer))
}

#[test]
fn root_peer_podman_lists_mounts_and_saves_what_we_loaded() {
    let Some(()) = needs(&["podman"]) else { return };
    let (place, go, id) = shared();
    let podman = Podman::beside(&go);
    let images = podman.run([
        "images",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Repository}}:{{.Tag}}",
    ]);
    assert_eq!(images.lines(), [format!("sha256:{id} example.com/app:1")]);
    let history = podman.run(["history", "-q", "example.com/app:1"]);
    assert_eq!(history.lines().len(), 2);
    let mounted = podman.run(["image", "mount", &id]).lines().remove(0);
    assert_eq!(
        fs::read_to_string(format!("{mounted}/etc/keep")).unwrap(),
        "kept\n"
    );
    assert!(!fs::exists(format!("{mounted}/etc/gone")).unwrap());
    podman.run(["image", "unmount", &id]).assert_success();
    for format in ["oci-archive", "docker-archive"] {
        let saved = place.path(format);
        let saved_text = saved.to_str().unwrap();
        podman
            .run([
                "save",
                "-q",
                "--format",
                format,
                "-o",
                saved_text,
                "example.com/app:1",
            ])
            .assert_success();
        // What podman saved is the image that came in.
        let again = Place::new();
        let loaded = again.load(&saved).unwrap();
        assert_eq!(loaded[0].id.as_str(), id, "{format}");
        assert_eq!(loaded[0].names, ["example.com/app:1"], "{format}");
    }
    let container = podman
        .run(["create", "example.com/app:1"])
        .lines()
        .remove(0);
    assert_eq!(
        podman.run(["ps", "-aq", "--no-trunc"]).lines(),
        [container.as_str()]
    );
    podman.run(["rm", &container]).assert_success();
    podman.run(["rmi", "example.com/app:1"]).assert_success();
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 0);
}

#[test]
fn root_peer_buildah_and_skopeo_use_what_we_loaded() {
    let Some(()) = needs(&["buildah", "skopeo"]) else {
        return;
    };
    let (place, go, id) = shared();
    let buildah = Buildah::beside(&go);
    let images = buildah.run(["images", "--no-trunc", "-q"]);
    assert_eq!(images.lines(), [format!("sha256:{id}")]);
    let container = buildah
        .run(["from", "--pull-never", "example.com/app:1"])
        .lines()
        .remove(0);
    let mounted = buildah.run(["mount", &container]).lines().remove(0);
    assert_eq!(
        fs::metadata(format!("{mounted}/new")).unwrap().len(),
        100_000
    );
    buildah.run(["rm", &container]).assert_success();

    let skopeo = Skopeo::beside(&go);
    let reference = skopeo.reference("example.com/app:1");
    let inspected = skopeo.run(["inspect", "--raw", &reference]).text();
    let manifest = place.store.image_data(&id, "manifest").unwrap();
    assert_eq!(inspected.as_bytes(), manifest);
    let out = format!("oci:{}:x", place.path("out").display());
    skopeo
        .run(["copy", "-q", &reference, &out])
        .assert_success();
    let again = Place::new();
    assert_eq!(again.load(&place.path("out")).unwrap()[0].id.as_str(), id);
}

#[test]
fn root_peer_podman_shares_our_layers() {
    let Some(()) = needs(&["podman"]) else { return };
    let (place, go, id) = shared();
    let before = records(&place.path("root"), "layers");
    let archive = place.path("archive.tar");
    let docker = DockerArchive::new().image(&["other:1"], &two_layers(), Codec::Plain);
    fs::write(&archive, docker.finish()).unwrap();
    let podman = Podman::beside(&go);
    podman
        .run(["load", "-q", "-i", archive.to_str().unwrap()])
        .assert_success();
    assert_eq!(records(&place.path("root"), "layers"), before);
    let images = place.store.snapshot().unwrap();
    let image = images.image("localhost/other:1").unwrap();
    assert_eq!(image.id().as_str(), id);
    assert_eq!(image.names(), ["localhost/other:1", "example.com/app:1"]);
}

#[test]
fn root_peer_podman_loads_what_we_save() {
    let Some(()) = needs(&["podman"]) else { return };
    let (place, _, id) = shared();
    for (index, kind) in [TargetKind::OciArchive, TargetKind::DockerArchive]
        .into_iter()
        .enumerate()
    {
        for compression in [Compression::Keep, Compression::None, Compression::Zstd] {
            let target = place.path("saved");
            let options = SaveOptions::new(kind)
                .compression(compression)
                .scratch(place.base());
            let names = ["example.com/app:1".to_owned()];
            save(&place.store, &names, &target, &options, &Quiet).unwrap();
            let podman =
                Podman::below(&place.path(&format!("podman{index}{compression:?}")), "vfs");
            podman
                .run(["load", "-q", "-i", target.to_str().unwrap()])
                .assert_success();
            let what = format!("{kind:?}, {compression:?}");
            assert_eq!(
                records(podman.root(), "images")[0]["id"],
                Value::from(id.as_str()),
                "{what}"
            );
            assert_eq!(
                records(podman.root(), "images")[0]["names"],
                Value::from(vec!["example.com/app:1"]),
                "{what}"
            );
            let tree =
                |root: &std::path::Path| Tree::of(&root.join("vfs/dir")).without_directory_times();
            tree(&place.path("root")).assert_same(&tree(podman.root()));
        }
    }
}

#[test]
fn root_peer_skopeo_reads_our_layouts() {
    let Some(()) = needs(&["skopeo"]) else { return };
    let (place, _, id) = shared();
    let target = place.path("saved");
    let options = SaveOptions::new(TargetKind::OciLayout);
    save(
        &place.store,
        std::slice::from_ref(&id),
        &target,
        &options,
        &Quiet,
    )
    .unwrap();
    let skopeo = Skopeo::below(&place.path("skopeo"), "vfs");
    let source = format!("oci:{}:example.com/app:1", target.display());
    skopeo
        .run([
            "copy",
            "-q",
            &source,
            &skopeo.reference("example.com/app:1"),
        ])
        .assert_success();
    assert_eq!(records(skopeo.root(), "images")[0]["id"], Value::from(id));
}

#[test]
fn root_peer_we_save_what_podman_put_there() {
    let Some(()) = needs(&["podman"]) else { return };
    let place = Place::new();
    let go = GoStore::new(&place.path("root"), &place.path("runroot"), "vfs");
    let podman = Podman::beside(&go);
    let archive = place.path("archive.tar");
    let docker = DockerArchive::new().image(&["example.com/app:1"], &two_layers(), Codec::Gzip);
    fs::write(&archive, docker.finish()).unwrap();
    podman
        .run(["load", "-q", "-i", archive.to_str().unwrap()])
        .assert_success();
    // A further layer that podman makes itself.
    let container = podman
        .run(["create", "example.com/app:1"])
        .lines()
        .remove(0);
    let mounted = podman.run(["mount", &container]).lines().remove(0);
    fs::write(format!("{mounted}/made"), "by podman\n").unwrap();
    fs::remove_file(format!("{mounted}/new")).unwrap();
    podman
        .run(["commit", "-q", &container, "example.com/app:2"])
        .assert_success();
    for name in ["example.com/app:1", "example.com/app:2"] {
        for kind in [TargetKind::OciArchive, TargetKind::DockerArchive] {
            let target = place.path("saved");
            let options = SaveOptions::new(kind).scratch(place.base());
            save(&place.store, &[name.to_owned()], &target, &options, &Quiet).unwrap();
            let again = Place::new();
            let id = again.load(&target).unwrap().remove(0).id;
            let view = place.store.snapshot().unwrap();
            assert_eq!(id, *view.image(name).unwrap().id(), "{name}, {kind:?}");
        }
    }
    let again = Place::new();
    let target = place.path("saved");
    let options = SaveOptions::new(TargetKind::DockerArchive).scratch(place.base());
    save(
        &place.store,
        &["example.com/app:1".to_owned()],
        &target,
        &options,
        &Quiet,
    )
    .unwrap();
    again.load(&target).unwrap();
    let theirs = timeless_layers(&place.path("root"));
    assert_eq!(timeless_layers(&again.path("root")), theirs[..2]);
}

/// The digest of the only image of a store, as the Go tool tells it.
fn digest_of(listed: &[String]) -> String {
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed[0].clone()
}

/// Whatever is saved is loaded by the others, and has the digest that we printed.
#[test]
fn root_peer_what_we_save_has_the_digest_that_we_print() {
    let Some(()) = needs(&["podman", "buildah", "skopeo"]) else {
        return;
    };
    for (codec, compressions) in [
        (Codec::Plain, [Compression::Keep, Compression::Gzip]),
        (Codec::Zstd, [Compression::None, Compression::Zstd]),
    ] {
        let place = Place::new();
        let (source, _) = crate::saved_manifests::rich(place.path("layout"), codec);
        let id = place.load(&source).unwrap().remove(0).id.to_string();
        let by_digest = place.only_image().names().to_vec();
        let by_digest = by_digest
            .into_iter()
            .find(|name| name.contains('@'))
            .unwrap();
        for (number, compression) in compressions.into_iter().enumerate() {
            let target = place.path(&format!("saved{number}"));
            let what = format!("{codec:?}, {compression:?}");
            let options = SaveOptions::new(TargetKind::OciArchive)
                .compression(compression)
                .scratch(place.base());
            let names = [by_digest.clone()];
            let written = save(&place.store, &names, &target, &options, &Quiet).unwrap();
            let printed = written[0].digest.as_ref().unwrap().to_string();
            let target = target.to_str().unwrap();

            let podman = Podman::below(&place.path(&format!("podman{number}")), "vfs");
            podman.run(["load", "-q", "-i", target]).assert_success();
            let listed = podman
                .run(["images", "--digests", "--format", "{{.Digest}}"])
                .lines();
            assert_eq!(digest_of(&listed), printed, "podman, {what}");
            let listed = podman.run(["images", "--no-trunc", "-q"]).lines();
            assert_eq!(digest_of(&listed), format!("sha256:{id}"), "podman, {what}");

            let archive = format!("oci-archive:{target}");
            let skopeo = Skopeo::below(&place.path(&format!("skopeo{number}")), "vfs");
            let digest = skopeo
                .run(["inspect", "--format", "{{.Digest}}", &archive])
                .lines();
            assert_eq!(digest_of(&digest), printed, "skopeo, {what}");
            let copy = skopeo.reference("example.com/copy:1");
            skopeo
                .run(["copy", "-q", "--preserve-digests", &archive, &copy])
                .assert_success();

            let buildah = Buildah::below(&place.path(&format!("buildah{number}")), "vfs");
            buildah.run(["pull", "-q", &archive]).assert_success();
            let listed = buildah
                .run(["images", "--digests", "--format", "{{.Digest}}"])
                .lines();
            assert_eq!(digest_of(&listed), printed, "buildah, {what}");
        }
    }
}

#[test]
fn root_peer_podman_loads_a_docker_archive_of_a_name_with_a_digest() {
    let Some(()) = needs(&["podman"]) else { return };
    let place = Place::new();
    let (source, _) = crate::saved_manifests::rich(place.path("layout"), Codec::Gzip);
    let image = place.load(&source).unwrap().remove(0);
    let name = image.names.iter().find(|name| name.contains('@')).unwrap();
    let target = place.path("saved");
    let options = SaveOptions::new(TargetKind::DockerArchive).scratch(place.base());
    save(
        &place.store,
        std::slice::from_ref(name),
        &target,
        &options,
        &Quiet,
    )
    .unwrap();
    let podman = Podman::below(&place.path("podman"), "vfs");
    podman
        .run(["load", "-q", "-i", target.to_str().unwrap()])
        .assert_success();
    assert_eq!(
        podman.run(["images", "--no-trunc", "-q"]).lines(),
        [format!("sha256:{}", image.id)]
    );
}
