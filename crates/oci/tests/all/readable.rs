//! What podman cannot read does not come in, and what it can read does: one record that it cannot
//! read makes its every command fail for the whole store.

use std::path::{Path, PathBuf};

use layerhold_archive::Codec;
use layerhold_oci::{LoadError, ManifestError, Quiet, SourceError, load};
use layerhold_testkit::{Buildah, GoStore, Podman, require_peer, require_root};
use serde_json::{Value, json};

use crate::support::{
    DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, INDEX, Layout, MANIFEST, OCI_CONFIG, Place,
    chain, named, pack, sha256, tar,
};

fn layer() -> Vec<u8> {
    tar("a", "b")
}

/// A configuration with all fields that a tool reads.
fn config() -> Value {
    let run = json!({
        "Hostname": "h", "Domainname": "d", "User": "u", "AttachStdin": false, "ExposedPorts": { "80/tcp": {} },
        "Tty": false, "Env": ["A=b"], "Cmd": ["/a"], "ArgsEscaped": false, "Image": "i", "Volumes": { "/v": {} },
        "WorkingDir": "/", "Entrypoint": ["/e"], "OnBuild": ["RUN x"], "Labels": { "k": "v" }, "StopSignal": "TERM",
        "StopTimeout": 1, "Shell": ["/s"],
        "Healthcheck": { "Test": ["NONE"], "Interval": 1, "Timeout": 1, "StartPeriod": 1, "Retries": 1 },
    });
    json!({
        "id": "x", "parent": "", "comment": "c", "created": "2024-01-02T03:04:05.6Z", "container": "c",
        "docker_version": "1", "author": "me", "architecture": "amd64", "variant": "v1", "os": "linux",
        "os.version": "1", "os.features": ["f"], "Size": 1, "container_config": run, "config": run,
        "rootfs": { "type": "layers", "diff_ids": [sha256(&layer())] },
        "history": [{ "created": "2024-01-02T03:04:05Z", "created_by": "x", "comment": "c", "empty_layer": false }],
    })
}

/// The paths of all values in a document.
fn paths(document: &Value, at: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match document {
        Value::Object(members) => members
            .iter()
            .map(|(k, v)| (k.replace('/', "~1"), v))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (name, value) in members {
        let path = format!("{at}/{name}");
        found.push(path.clone());
        paths(value, &path, found);
    }
}

/// The document with each value replaced by others, removed, and under a name in other case.
fn mutated(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut places = Vec::new();
    paths(document, "", &mut places);
    let others = [
        json!(null),
        json!(true),
        json!(5),
        json!(1.5),
        json!("text"),
        json!([]),
        json!({}),
        json!([5]),
        json!([null]),
        json!(["x"]),
        json!({ "a": 5 }),
        json!({ "a": null }),
        json!({ "a": {} }),
        json!({ "a": "b" }),
    ];
    for place in places {
        for other in &others {
            let mut changed = document.clone();
            *changed.pointer_mut(&place).unwrap() = other.clone();
            all.push((format!("{place} = {other}"), changed));
        }
        let (parent, name) = place.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        let mut without = document.clone();
        let Value::Object(members) = without.pointer_mut(parent).unwrap() else {
            continue;
        };
        let value = members.shift_remove(&name).unwrap();
        let mut upper = members.clone();
        all.push((format!("{place} is missing"), without.clone()));
        upper.insert(name.to_uppercase(), value);
        *without.pointer_mut(parent).unwrap() = Value::Object(upper);
        all.push((format!("{place} in upper case"), without));
    }
    all
}

fn layout_of(dir: PathBuf, config: &Value) -> PathBuf {
    let layout = Layout::new(dir);
    let blob = layout.layer(Codec::Plain, &layer());
    let image = layout.image_of(config.to_string().as_bytes(), vec![blob]);
    layout.finish(&[named(image, "example.com/x:1")])
}

/// A manifest of either family, its layers and configuration in the layout.
fn manifest(layout: &Layout, docker: bool) -> Value {
    let (media_type, config_type, layer_type) = match docker {
        true => (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER),
        false => (
            MANIFEST,
            OCI_CONFIG,
            "application/vnd.oci.image.layer.v1.tar",
        ),
    };
    let config = layout.blob(config_type, config().to_string().as_bytes());
    let blob = layout.blob(layer_type, &layer());
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [blob],
    });
    if !docker {
        manifest["annotations"] = json!({ "k": "v" });
        manifest["subject"] = json!({ "mediaType": MANIFEST, "digest": sha256(b"x"), "size": 1 });
    }
    manifest
}

fn layout_of_manifest(dir: PathBuf, docker: bool, change: impl Fn(Value) -> Value) -> PathBuf {
    let layout = Layout::new(dir);
    let manifest = change(manifest(&layout, docker));
    let media_type = if docker { DOCKER_MANIFEST } else { MANIFEST };
    let entry = layout.blob(media_type, manifest.to_string().as_bytes());
    layout.finish(&[named(entry, "example.com/x:1")])
}

/// Loads with podman, and tells whether it could and reads its store afterwards.
fn podman_takes(base: &Path, archive: &Path) -> bool {
    let podman = Podman::beside(&GoStore::below(base, "vfs"));
    let loaded = podman.run([
        "load".as_ref(),
        "-q".as_ref(),
        "-i".as_ref(),
        archive.as_os_str(),
    ]);
    loaded.code == Some(0) && podman.run(["images", "-a"]).code == Some(0)
}

/// Loads the layout with both and checks that they agree.
#[track_caller]
fn check(place: &Place, layout: &Path, label: &str) -> bool {
    let archive = place.path("archive.tar");
    std::fs::write(&archive, pack(layout)).unwrap();
    let one = Place::new();
    let ours = one.load(&archive);
    if ours.is_err() {
        one.assert_empty();
    }
    let go = layerhold_testkit::scratch();
    let theirs = podman_takes(go.path(), &archive);
    assert_eq!(ours.is_ok(), theirs, "{label}: {ours:?}");
    theirs
}

#[test]
fn root_peer_podman_and_we_take_the_same_configurations() {
    if require_root().is_none() || require_peer("podman").is_none() {
        return;
    }
    let place = Place::new();
    let all = mutated(&config());
    let mut taken = 0;
    // A step that is no divisor of the number of changes to each value comes by all of them.
    for (label, changed) in all.iter().step_by(151) {
        let layout = layout_of(place.path("layout"), changed);
        taken += usize::from(check(&place, &layout, label));
        std::fs::remove_dir_all(layout).unwrap();
    }
    assert!(taken > 1, "{taken} of {}", all.len());
}

#[test]
fn root_peer_podman_and_we_take_the_same_manifests() {
    if require_root().is_none() || require_peer("podman").is_none() {
        return;
    }
    let place = Place::new();
    for docker in [false, true] {
        let sample = Layout::new(place.path("sample"));
        let all = mutated(&manifest(&sample, docker));
        for (label, changed) in all.iter().step_by(71) {
            // Sizes of layers are checked here and not by podman, which compares digests only.
            if label.starts_with("/layers/0/size") {
                continue;
            }
            let layout = layout_of_manifest(place.path("layout"), docker, |_| changed.clone());
            check(&place, &layout, label);
            std::fs::remove_dir_all(layout).unwrap();
        }
    }
}

#[test]
fn root_peer_podman_reads_all_that_was_loaded() {
    if require_root().is_none() || require_peer("podman").is_none() {
        return;
    }
    let place = Place::new();
    let mut taken = 0;
    let mut load_from = |layout: PathBuf, number: usize| {
        let options = place.options().names([format!("example.com/x:{number}")]);
        taken += usize::from(load(&place.store, &layout, &options, &Quiet).is_ok());
        std::fs::remove_dir_all(layout).unwrap();
    };
    for (number, (_, changed)) in mutated(&config()).into_iter().step_by(13).enumerate() {
        load_from(layout_of(place.path("layout"), &changed), number);
    }
    let sample = Layout::new(place.path("sample"));
    for (number, (_, changed)) in mutated(&manifest(&sample, false))
        .into_iter()
        .step_by(11)
        .enumerate()
    {
        let layout = layout_of_manifest(place.path("layout"), false, |_| changed.clone());
        load_from(layout, 10_000 + number);
    }
    assert!(taken > 20, "{taken}");
    let podman = Podman::beside(&GoStore::new(
        &place.path("root"),
        &place.path("runroot"),
        "vfs",
    ));
    podman.run(["images", "-a", "--digests"]).assert_success();
    let view = place.store.snapshot().unwrap();
    let ids: Vec<String> = view.images().map(|image| image.id().to_string()).collect();
    let arguments = ["inspect".to_owned()].into_iter().chain(ids);
    podman.run(arguments).assert_success();
    if require_peer("buildah").is_some() {
        let go = GoStore::new(&place.path("root"), &place.path("runroot"), "vfs");
        Buildah::beside(&go).run(["images", "-a"]).assert_success();
    }
}

/// Names at the edges of the grammar: what we take, podman lists.
#[test]
fn root_peer_podman_reads_all_names_that_we_take() {
    if require_root().is_none() || require_peer("podman").is_none() {
        return;
    }
    let place = Place::new();
    let layout = layout_of(place.path("layout"), &config());
    let (hex, tag) = ("a".repeat(64), "t".repeat(128));
    let long = format!("a.b/{}", "x".repeat(251));
    let tagged = format!("x:{tag}");
    let mut taken = Vec::new();
    for name in [
        "a.b/c",
        "A.example.com/x",
        "x__y",
        "x--y",
        "x.-y",
        &hex,
        &tagged,
        &long,
        "localhost:0/x",
        "localhost:99999999/x",
        "a.b:/x",
        "-a.b/x",
        "docker.io/x",
        "index.docker.io/library/x",
        "LOCALHOST/x",
        "a.b/x_",
        "a.b//x",
        "1.2.3.4/x",
        "[::1]/x",
        "[::1]:5000/x:1",
        "xn--a.b/x",
        "a_b.c/d",
        "a.b/c:_x",
        "a.b/c:-x",
        "localhost",
        "docker.io",
        "docker.io/library",
    ] {
        let options = place.options().names([name]);
        if let Ok(loaded) = load(&place.store, &layout, &options, &Quiet) {
            taken.extend(loaded[0].names.clone());
        }
    }
    assert!(taken.len() > 10, "{taken:?}");
    let podman = Podman::beside(&GoStore::new(
        &place.path("root"),
        &place.path("runroot"),
        "vfs",
    ));
    let listed = podman
        .run(["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .lines();
    taken.sort();
    taken.dedup();
    for name in taken {
        assert!(listed.contains(&name), "{name}: {listed:?}");
    }
}

#[test]
fn root_a_wrong_value_is_named_by_its_field() {
    for (pointer, value, text) in [
        (
            "/config/Env/0",
            json!(5),
            "config.Env[0]: expected text, found a number",
        ),
        (
            "/created",
            json!("2024-13-01T00:00:00Z"),
            "created: expected a date like 2026-01-02T03:04:05Z, found \"2024-13-01T00:00:00Z\"",
        ),
        (
            "/history/0/created",
            json!(""),
            "history[0].created: expected a date like 2026-01-02T03:04:05Z, found \"\"",
        ),
        (
            "/config/Healthcheck/Interval",
            json!("30s"),
            "config.Healthcheck.Interval: expected an integer, found text",
        ),
        (
            "/rootfs/diff_ids",
            json!("x"),
            "rootfs.diff_ids: expected a list, found text",
        ),
    ] {
        let place = Place::new();
        let mut changed = config();
        *changed.pointer_mut(pointer).unwrap() = value;
        let layout = layout_of(place.path("layout"), &changed);
        let error = chain(&place.load(&layout).unwrap_err());
        assert!(error.ends_with(text), "{error}");
        place.assert_empty();
    }
}

/// Why a manifest is refused.
#[track_caller]
fn refused(docker: bool, pointer: &str, value: &Value) -> ManifestError {
    let place = Place::new();
    let layout = layout_of_manifest(place.path("layout"), docker, |mut manifest| {
        *manifest.pointer_mut(pointer).unwrap() = value.clone();
        manifest
    });
    let error = place.load(&layout).unwrap_err();
    place.assert_empty();
    let LoadError::Source(SourceError::Manifest { source, .. }) = error else {
        panic!("{error:?}");
    };
    source
}

#[test]
fn root_manifests_with_parts_of_the_other_family_are_refused() {
    let error = refused(false, "/config/mediaType", &json!(DOCKER_CONFIG));
    assert!(matches!(error, ManifestError::Artifact { .. }), "{error:?}");
    for media_type in [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "",
    ] {
        let error = refused(true, "/layers/0/mediaType", &json!(media_type));
        assert!(
            matches!(&error, ManifestError::OtherFamily { field, .. } if field == "layers[0].mediaType"),
            "{error:?}"
        );
    }
    let error = refused(false, "/mediaType", &json!(DOCKER_MANIFEST));
    assert!(
        matches!(error, ManifestError::OtherType { .. }),
        "{error:?}"
    );
    let error = refused(false, "/mediaType", &json!(INDEX));
    assert!(
        matches!(error, ManifestError::OtherType { .. }),
        "{error:?}"
    );
    let error = refused(false, "/annotations", &json!({ "a": 1 }));
    assert_eq!(
        chain(&error),
        "cannot read the manifest: annotations.a: expected text, found a number"
    );
}

#[test]
fn root_encrypted_layers_are_told() {
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let error = refused(false, "/layers/0/mediaType", &json!(media_type));
    assert!(
        matches!(error, ManifestError::Encrypted { layer: 0, .. }),
        "{error:?}"
    );
}

#[test]
fn root_a_configuration_of_another_size_than_the_manifest_says_is_refused() {
    for size in [0, 7, 1_000_000] {
        let place = Place::new();
        let layout = layout_of_manifest(place.path("layout"), false, |mut manifest| {
            manifest["config"]["size"] = json!(size);
            manifest
        });
        let error = place.load(&layout).unwrap_err();
        assert!(
            matches!(error, LoadError::Source(SourceError::ConfigSize { expected, .. }) if expected == size),
            "{error:?}"
        );
        place.assert_empty();
    }
}

#[test]
fn root_other_digests_than_sha256_are_told_where_they_cannot_be() {
    use sha2::Digest as _;
    let sha512 = |bytes: &[u8]| format!("sha512:{}", hex::encode(sha2::Sha512::digest(bytes)));
    let place = Place::new();
    let mut changed = config();
    changed["rootfs"]["diff_ids"][0] = json!(sha512(&layer()));
    let error = place
        .load(&layout_of(place.path("layout"), &changed))
        .unwrap_err();
    assert!(
        chain(&error)
            .ends_with("names layer 0 by a sha512 digest, and stores know layers by sha256 only"),
        "{error}"
    );
    let text = config().to_string();
    let dir = layout_of_manifest(place.path("other"), false, |mut manifest| {
        manifest["config"]["digest"] = json!(sha512(text.as_bytes()));
        manifest
    });
    std::fs::create_dir(dir.join("blobs/sha512")).unwrap();
    let blob = dir
        .join("blobs")
        .join(sha512(text.as_bytes()).replace(':', "/"));
    std::fs::write(blob, &text).unwrap();
    let error = place.load(&dir).unwrap_err();
    assert!(
        matches!(
            error,
            LoadError::Source(SourceError::ConfigAlgorithm { .. })
        ),
        "{error:?}"
    );
    place.assert_empty();
}

#[test]
fn root_an_archive_needs_no_marker_file() {
    let place = Place::new();
    let dir = layout_of(place.path("layout"), &config());
    std::fs::remove_file(dir.join("oci-layout")).unwrap();
    let archive = place.path("archive.tar");
    std::fs::write(&archive, pack(&dir)).unwrap();
    assert_eq!(place.load(&archive).unwrap().len(), 1);
}
