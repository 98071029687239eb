//! Docker archives.

use std::fs;

use layerhold_archive::Codec;
use layerhold_oci::{LoadError, SourceError, SourceKind, load};
use layerhold_testkit::{TarBuilder, TarEntry, require_peer, require_root};
use serde_json::json;

use crate::support::{DockerArchive, Place, compress, config, records, sha256, tar, two_layers};

#[test]
fn root_a_docker_archive_is_recorded_by_its_plain_layers() {
    for codec in [Codec::Plain, Codec::Gzip] {
        let place = Place::new();
        let path = place.path("archive.tar");
        let archive =
            DockerArchive::new().image(&["app:1", "example.com/app:1"], &two_layers(), codec);
        fs::write(&path, archive.finish()).unwrap();
        let loaded = place.load(&path).unwrap();
        assert_eq!(loaded[0].source, SourceKind::DockerArchive);
        assert_eq!(loaded[0].names, ["localhost/app:1", "example.com/app:1"]);
        let layers = records(&place.path("root"), "layers");
        for (record, layer) in layers.iter().zip(two_layers()) {
            assert_eq!(record["diff-digest"], json!(sha256(&layer)));
            assert_eq!(record["compressed-diff-digest"], json!(sha256(&layer)));
            assert_eq!(record["compressed-size"], json!(layer.len()));
            assert_eq!(record.get("compression"), None);
        }
        let config = config(&two_layers(), "amd64");
        let expected = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": sha256(&config),
            },
            "layers": two_layers().iter().map(|layer| json!({
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(),
                "digest": sha256(layer),
            })).collect::<Vec<_>>(),
        });
        let manifest = place
            .store
            .image_data(loaded[0].id.as_str(), "manifest")
            .unwrap();
        assert_eq!(String::from_utf8(manifest).unwrap(), expected.to_string());
    }
}

#[test]
fn root_all_images_of_an_archive_come_in_or_the_one_asked_for() {
    let place = Place::new();
    let path = place.path("archive.tar");
    let other = vec![two_layers().remove(0), tar("x", "y")];
    let archive = DockerArchive::new()
        .image(&["one:1", "uno:1"], &two_layers(), Codec::Plain)
        .image(&["two:1"], &other, Codec::Plain)
        .image(&[], &[tar("z", "z")], Codec::Plain)
        .finish();
    fs::write(&path, &archive).unwrap();
    let loaded = place.load(&path).unwrap();
    let names: Vec<_> = loaded.iter().map(|image| image.names.as_slice()).collect();
    assert_eq!(
        names,
        [
            ["localhost/one:1", "localhost/uno:1"]
                .map(str::to_owned)
                .as_slice(),
            &["localhost/two:1".to_owned()],
            &[]
        ]
    );
    assert_eq!(records(&place.path("root"), "layers").len(), 4);

    let place = Place::new();
    let options = place.options().image("two:1");
    let path = place.path("archive.tar");
    fs::write(&path, &archive).unwrap();
    let loaded = load(&place.store, &path, &options, &layerhold_oci::Quiet).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(records(&place.path("root"), "images").len(), 1);

    let options = place.options().image("three");
    let error = load(&place.store, &path, &options, &layerhold_oci::Quiet).unwrap_err();
    assert!(
        matches!(&error, LoadError::Source(SourceError::NoSuchImage { wanted, offered })
            if wanted == "three" && offered[..3] == ["one:1", "uno:1", "two:1"] && offered.len() == 4),
        "{error:?}"
    );
    let options = place.options().names(["x"]);
    let error = load(&place.store, &path, &options, &layerhold_oci::Quiet).unwrap_err();
    assert!(
        matches!(error, LoadError::NamesForSeveral { count: 3 }),
        "{error:?}"
    );
}

#[test]
fn root_layers_may_be_links_to_others_inside_the_archive() {
    let place = Place::new();
    let layers = two_layers();
    let config = config(&layers, "amd64");
    let manifest = json!([{
        "Config": "c.json", "RepoTags": null, "Layers": ["1/layer.tar", "2/layer.tar"],
    }]);
    let archive = TarBuilder::new()
        .file("blob.tar", 0o644, &layers[0])
        .symlink("1/layer.tar", "../blob.tar")
        .file("2/layer.tar", 0o644, &layers[1])
        .file("c.json", 0o644, config)
        .file("manifest.json", 0o644, manifest.to_string())
        .finish();
    let path = place.path("archive.tar");
    fs::write(&path, archive).unwrap();
    assert_eq!(place.load(&path).unwrap()[0].imported, 2);
}

#[test]
fn root_members_outside_the_archive_do_not_exist() {
    let place = Place::new();
    let secret = place.path("secret");
    fs::write(&secret, tar("a", "b")).unwrap();
    let layers = vec![tar("a", "b")];
    for (name, target) in [
        ("layer", secret.to_str().unwrap()),
        ("layer", "../../../../../../../../etc/passwd"),
    ] {
        let manifest = json!([{ "Config": "c.json", "RepoTags": null, "Layers": [name] }]);
        let archive = TarBuilder::new()
            .entry(TarEntry::symlink(name, target))
            .file("c.json", 0o644, config(&layers, "amd64"))
            .file("manifest.json", 0o644, manifest.to_string())
            .finish();
        let path = place.path("archive.tar");
        fs::write(&path, archive).unwrap();
        let error = place.load(&path).unwrap_err();
        assert!(
            matches!(&error, LoadError::Source(SourceError::Missing { name, .. }) if name == "layer"),
            "{error:?}"
        );
        place.assert_empty();
    }
    // A path that climbs out names the member at the root, if anything.
    let manifest = json!([{ "Config": "../../c.json", "RepoTags": null, "Layers": ["/../l"] }]);
    let archive = TarBuilder::new()
        .file("l", 0o644, &layers[0])
        .file("c.json", 0o644, config(&layers, "amd64"))
        .file("manifest.json", 0o644, manifest.to_string())
        .finish();
    let path = place.path("archive.tar");
    fs::write(&path, archive).unwrap();
    assert_eq!(place.load(&path).unwrap()[0].imported, 1);
}

#[test]
fn root_a_changed_layer_is_noticed() {
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let place = Place::new();
        let layers = vec![tar("a", "right")];
        let wrong = tar("a", "wrong");
        let manifest = json!([{ "Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l"] }]);
        let archive = TarBuilder::new()
            .file("l", 0o644, compress(codec, &wrong))
            .file("c.json", 0o644, config(&layers, "amd64"))
            .file("manifest.json", 0o644, manifest.to_string())
            .finish();
        let path = place.path("archive.tar");
        fs::write(&path, archive).unwrap();
        let error = place.load(&path).unwrap_err();
        let (right, wrong) = (sha256(&layers[0]), sha256(&wrong));
        assert!(
            matches!(&error, LoadError::DiffIdMismatch { index: 0, expected, actual }
                if expected.as_str() == right && actual.as_str() == wrong),
            "{error:?}"
        );
        place.assert_empty();
    }
}

#[test]
fn root_impossible_archives_are_refused() {
    let layer = tar("a", "b");
    let config = config(std::slice::from_ref(&layer), "amd64");
    let archive = |manifest: &str| {
        TarBuilder::new()
            .file("l", 0o644, &layer)
            .file("c.json", 0o644, &config)
            .file("manifest.json", 0o644, manifest)
            .finish()
    };
    let check = |bytes: Vec<u8>, text: &str| {
        let place = Place::new();
        let path = place.path("archive.tar");
        fs::write(&path, bytes).unwrap();
        let error = crate::support::chain(&place.load(&path).unwrap_err());
        assert!(error.contains(text), "{error:?} does not contain {text:?}");
        place.assert_empty();
    };
    check(archive("[]"), "cannot find an image in");
    check(archive("{}"), "cannot use manifest.json");
    check(
        archive(r#"[{"Config":"nosuch","Layers":["l"]}]"#),
        "cannot find nosuch in",
    );
    check(
        archive(r#"[{"Config":"c.json","Layers":["nosuch"]}]"#),
        "cannot find nosuch in",
    );
    check(
        archive(r#"[{"Config":"c.json","Layers":[]}]"#),
        "cannot load an image whose manifest lists 0 layers and whose configuration 1 diff IDs",
    );
    check(
        archive(r#"[{"Config":"l","Layers":["l"]}]"#),
        "cannot use the configuration l",
    );
    check(
        archive(r#"[{"Config":"c.json","RepoTags":["../x"],"Layers":["l"]}]"#),
        "\"../x\" is not an image name",
    );
    check(
        TarBuilder::new().file("x", 0o644, "y").finish(),
        "it is neither an OCI layout (no index.json) nor a docker archive or `dir:` (no manifest.json)",
    );
    check(b"no tar at all".to_vec(), "as a tar archive");
    check(
        Vec::new(),
        "it is neither an OCI layout (no index.json) nor a docker archive or `dir:` (no manifest.json)",
    );
    let whole = archive(r#"[{"Config":"c.json","Layers":["l"]}]"#);
    check(whole[..1000].to_vec(), "as a tar archive");
    let mut packed = compress(Codec::Gzip, &whole);
    packed.truncate(packed.len() / 2);
    check(packed, "cannot read");
}

/// Writes a file with holes in place of zeros.
fn write_sparse(path: &std::path::Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(path).unwrap();
    for (block, piece) in bytes.chunks(4096).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, block as u64 * 4096).unwrap();
        }
    }
    file.set_len(bytes.len() as u64).unwrap();
}

#[test]
fn root_peer_tar_leaves_holes_out_of_layers_that_are_read_whole() {
    if require_root().is_none() || require_peer("tar").is_none() {
        return;
    }
    let mut content = vec![0; 300_000];
    content[70_000] = 1;
    content[200_000] = 2;
    let layer = TarBuilder::new().file("a", 0o644, content).finish();
    let config = config(std::slice::from_ref(&layer), "amd64");
    for format in ["gnu", "posix", "oldgnu"] {
        let place = Place::new();
        let dir = place.path("parts");
        fs::create_dir(&dir).unwrap();
        write_sparse(&dir.join("layer.tar"), &layer);
        fs::write(dir.join("config.json"), &config).unwrap();
        let items = json!([{ "Config": "config.json", "RepoTags": null, "Layers": ["layer.tar"] }]);
        fs::write(dir.join("manifest.json"), items.to_string()).unwrap();
        let archive = place.path("archive.tar");
        let status = std::process::Command::new("tar")
            .arg(format!("--format={format}"))
            .args(["-S", "-c", "-f"])
            .arg(&archive)
            .arg("-C")
            .arg(&dir)
            .args(["layer.tar", "config.json", "manifest.json"])
            .status()
            .unwrap();
        assert!(status.success());
        assert!(fs::metadata(&archive).unwrap().len() < 200_000, "no holes");
        let loaded = place.load(&archive).unwrap();
        assert_eq!(loaded[0].imported, 1, "{format}");
    }
}

#[test]
fn root_null_and_names_in_other_case_are_read_as_go_reads_them() {
    let layer = tar("a", "b");
    let config = config(std::slice::from_ref(&layer), "amd64");
    let hex = &sha256(&layer)["sha256:".len()..];
    for items in [
        json!([{ "CONFIG": "c.json", "repotags": ["app:1"], "LAYERS": [format!("{hex}.tar")] }]),
        json!([{ "Config": "c.json", "RepoTags": null, "Layers": [format!("{hex}.tar")], "Parent": null }]),
    ] {
        let place = Place::new();
        let path = place.path("archive.tar");
        let archive = TarBuilder::new()
            .file(format!("{hex}.tar"), 0o644, &layer)
            .file("c.json", 0o644, &config)
            .file("manifest.json", 0o644, items.to_string());
        fs::write(&path, archive.finish()).unwrap();
        assert_eq!(place.load(&path).unwrap().len(), 1);
    }
}

#[test]
fn root_a_malformed_manifest_json_is_refused_with_its_place() {
    let layer = tar("a", "b");
    let config = config(std::slice::from_ref(&layer), "amd64");
    for (items, text) in [
        ("null", "cannot find an image in"),
        ("[null]", "manifest.json names no configuration"),
        (
            r#"[{"Config":"c.json","Layers":"x"}]"#,
            "cannot use manifest.json: [0].Layers: expected a list, found text",
        ),
        (
            r#"[{"Config":"c.json","LayerSources":{"x":1}}]"#,
            "cannot use manifest.json: [0].LayerSources.x: expected an object, found a number",
        ),
        (
            "{}",
            "cannot use manifest.json: expected a list, found an object",
        ),
        ("[", "cannot use manifest.json: it is not JSON: at byte 1"),
    ] {
        let place = Place::new();
        let path = place.path("archive.tar");
        let archive =
            TarBuilder::new()
                .file("c.json", 0o644, &config)
                .file("manifest.json", 0o644, items);
        fs::write(&path, archive.finish()).unwrap();
        let error = crate::support::chain(&place.load(&path).unwrap_err());
        assert!(error.contains(text), "{items}: {error}");
        place.assert_empty();
    }
}

#[test]
fn root_an_image_without_a_name_is_chosen_by_its_digest() {
    let place = Place::new();
    let path = place.path("archive.tar");
    let other = vec![two_layers().remove(0), tar("x", "y")];
    let archive = DockerArchive::new()
        .image(&["one:1"], &two_layers(), Codec::Plain)
        .image(&[], &other, Codec::Plain);
    fs::write(&path, archive.finish()).unwrap();
    let wanted = sha256(&config(&other, "amd64"));
    let quiet = layerhold_oci::Quiet;
    let options = place.options().image("two:1");
    let error = load(&place.store, &path, &options, &quiet).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot find an image called \"two:1\": the source has one:1, {wanted}")
    );
    let options = place.options().image(&wanted);
    let loaded = load(&place.store, &path, &options, &quiet).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(format!("sha256:{}", loaded[0].id), wanted);
}
