//! Sources that are not what they say: every byte is checked, and nothing is left behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use layerhold_archive::Codec;
use layerhold_oci::{LoadError, MAX_MANIFEST_SIZE, ManifestError, SourceError};
use serde_json::{Value, json};

use crate::support::{
    Layout, Place, chain, config, digest, pack, sha256, simple_layout, tar, two_layers,
};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The blobs of the one image of a layout: manifest, configuration, layers.
fn blobs(dir: &Path) -> Vec<String> {
    let index = read(&dir.join("index.json"));
    let manifest = digest(&index["manifests"][0]).to_owned();
    let parts = read(&dir.join("blobs").join(manifest.replace(':', "/")));
    let mut blobs = vec![manifest, digest(&parts["config"]).to_owned()];
    let layers = parts["layers"].as_array().unwrap();
    blobs.extend(layers.iter().map(|layer| digest(layer).to_owned()));
    blobs
}

/// Loads what `spoil` made of a good layout, as a directory and as an archive.
#[track_caller]
fn check(codec: Codec, spoil: impl Fn(&Path, &[String]), expected: impl Fn(&LoadError) -> bool) {
    let place = Place::new();
    let dir = simple_layout(place.path("layout"), codec, "app:1");
    spoil(&dir, &blobs(&dir));
    let error = place.load(&dir).unwrap_err();
    assert!(expected(&error), "directory: {error:?}");
    place.assert_empty();
    let archive = place.path("archive");
    fs::write(&archive, pack(&dir)).unwrap();
    let error = place.load(&archive).unwrap_err();
    assert!(expected(&error), "archive: {error:?}");
    place.assert_empty();
}

fn blob_path(dir: &Path, digest: &str) -> std::path::PathBuf {
    dir.join("blobs").join(digest.replace(':', "/"))
}

/// Changes one byte in the middle, so that the size stays.
fn flip(dir: &Path, digest: &str) {
    let path = blob_path(dir, digest);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn root_a_changed_manifest_or_configuration_is_refused() {
    for part in 0..2 {
        check(
            Codec::Gzip,
            |dir, blobs| flip(dir, &blobs[part]),
            |error| matches!(error, LoadError::Source(SourceError::DigestMismatch { .. })),
        );
    }
}

#[test]
fn root_a_changed_layer_is_refused() {
    for part in 2..4 {
        check(
            Codec::Plain,
            |dir, blobs| {
                // Inside the contents of a file, where the tar does not notice.
                let path = blob_path(dir, &blobs[part]);
                let mut bytes = fs::read(&path).unwrap();
                let at = bytes.windows(4).position(|w| w == b"kept" || w == b"nnnn");
                bytes[at.unwrap()] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            |error| matches!(error, LoadError::LayerDigest { index, .. } if *index == part - 2),
        );
        for codec in [Codec::Gzip, Codec::Zstd] {
            check(
                codec,
                |dir, blobs| flip(dir, &blobs[part]),
                |error| {
                    matches!(
                        error,
                        LoadError::LayerDigest { index, .. } | LoadError::Layer { index, .. }
                            if *index == part - 2
                    )
                },
            );
        }
    }
}

#[test]
fn root_a_short_or_long_layer_is_refused_before_it_is_read() {
    for (part, change) in [(2, -1_i64), (3, 1), (3, -100)] {
        check(
            Codec::Gzip,
            |dir, blobs| {
                let path = blob_path(dir, &blobs[part]);
                let mut bytes = fs::read(&path).unwrap();
                bytes.resize(bytes.len().saturating_add_signed(change as isize), 0);
                fs::write(path, bytes).unwrap();
            },
            |error| {
                matches!(error, LoadError::LayerSize { index, expected, actual }
                    if *index == part - 2 && *actual == expected.saturating_add_signed(change))
            },
        );
    }
}

#[test]
fn root_a_missing_blob_is_named() {
    for part in 0..4 {
        check(
            Codec::Zstd,
            |dir, blobs| fs::remove_file(blob_path(dir, &blobs[part])).unwrap(),
            |error| {
                matches!(error, LoadError::Source(SourceError::Missing { name, .. })
                    if name.starts_with("blobs/sha256/"))
            },
        );
    }
}

#[test]
fn root_a_blob_that_is_a_link_is_refused() {
    for part in 0..4 {
        let place = Place::new();
        let dir = simple_layout(place.path("layout"), Codec::Gzip, "app:1");
        let path = blob_path(&dir, &blobs(&dir)[part]);
        let outside = place.path("outside");
        fs::rename(&path, &outside).unwrap();
        symlink(&outside, &path).unwrap();
        let error = place.load(&dir).unwrap_err();
        assert!(
            matches!(&error, LoadError::Source(SourceError::Path(_))),
            "{error:?}"
        );
        place.assert_empty();
    }
}

#[test]
fn root_a_linked_directory_or_index_is_refused() {
    for part in ["blobs", "blobs/sha256", "index.json"] {
        let place = Place::new();
        let dir = simple_layout(place.path("layout"), Codec::Gzip, "app:1");
        let outside = place.path("outside");
        fs::rename(dir.join(part), &outside).unwrap();
        symlink(&outside, dir.join(part)).unwrap();
        let error = place.load(&dir).unwrap_err();
        assert!(
            matches!(&error, LoadError::Source(SourceError::Path(_))),
            "{error:?}"
        );
        place.assert_empty();
    }
}

#[test]
fn root_a_blob_that_is_no_file_is_refused() {
    let place = Place::new();
    let dir = simple_layout(place.path("layout"), Codec::Gzip, "app:1");
    let path = blob_path(&dir, &blobs(&dir)[2]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = place.load(&dir).unwrap_err();
    assert!(matches!(&error, LoadError::Source(_)), "{error:?}");
    place.assert_empty();
}

/// Writes a layout with a manifest that is no manifest.
#[track_caller]
fn check_manifest(manifest: &Value, expected: impl Fn(&LoadError) -> bool) {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let entry = layout.blob(crate::support::MANIFEST, manifest.to_string().as_bytes());
    let error = place.load(&layout.finish(&[entry])).unwrap_err();
    assert!(expected(&error), "{error:?}");
    place.assert_empty();
}

#[test]
fn root_digests_that_are_paths_are_refused() {
    for text in [
        "sha256:../../../etc/passwd",
        "../../etc/passwd",
        "sha256:",
        "",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    ] {
        check_manifest(
            &json!({ "schemaVersion": 2, "config": { "digest": text, "size": 1 }, "layers": [] }),
            |error| {
                matches!(error, LoadError::Source(SourceError::Manifest {
                    source: ManifestError::Digest { text: found }, ..
                }) if found == text)
            },
        );
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let source = layout.finish(&[json!({ "digest": text, "size": 1 })]);
        let error = place.load(&source).unwrap_err();
        assert!(
            matches!(&error, LoadError::Source(SourceError::Manifest { name, .. })
                if name == "index.json"),
            "{error:?}"
        );
    }
}

#[test]
fn root_manifests_of_other_kinds_are_refused() {
    let unsupported = |error: &LoadError| {
        matches!(
            error,
            LoadError::Source(SourceError::Manifest {
                source: ManifestError::Unsupported { .. },
                ..
            })
        )
    };
    check_manifest(&json!({ "schemaVersion": 1, "fsLayers": [] }), unsupported);
    check_manifest(
        &json!({ "schemaVersion": 2, "mediaType": "text/plain" }),
        unsupported,
    );
    check_manifest(
        &json!({ "schemaVersion": 2, "config": {}, "layers": [], "manifests": [] }),
        |error| {
            matches!(
                error,
                LoadError::Source(SourceError::Manifest {
                    source: ManifestError::Ambiguous {
                        field: "manifests",
                        ..
                    },
                    ..
                })
            )
        },
    );
}

#[test]
fn root_layers_and_diff_ids_must_pair_up() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let layers = two_layers();
    let blob = layout.layer(Codec::Gzip, &layers[0]);
    let image = layout.image_of(&config(&layers, "amd64"), vec![blob]);
    let error = place.load(&layout.finish(&[image])).unwrap_err();
    assert!(
        matches!(
            error,
            LoadError::Source(SourceError::LayerCount {
                layers: 1,
                diff_ids: 2
            })
        ),
        "{error:?}"
    );
    place.assert_empty();
}

#[test]
fn root_a_layer_must_unpack_to_its_diff_id() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let (right, wrong) = (tar("a", "right"), tar("a", "wrong"));
    let blob = layout.layer(Codec::Gzip, &wrong);
    let image = layout.image_of(&config(std::slice::from_ref(&right), "amd64"), vec![blob]);
    let error = place.load(&layout.finish(&[image])).unwrap_err();
    assert!(
        matches!(&error, LoadError::DiffIdMismatch { index: 0, expected, actual }
            if expected.as_str() == sha256(&right) && actual.as_str() == sha256(&wrong)),
        "{error:?}"
    );
    place.assert_empty();
}

#[test]
fn root_the_second_layer_takes_the_first_back_with_it() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let layers = vec![tar("a", "b"), b"no tar, but of the right digest".repeat(40)];
    let image = layout.image(&layers, Codec::Gzip);
    let error = place.load(&layout.finish(&[image])).unwrap_err();
    assert!(
        matches!(error, LoadError::Layer { index: 1, .. }),
        "{error:?}"
    );
    place.assert_empty();
}

#[test]
fn root_an_escaping_layer_touches_nothing() {
    let place = Place::new();
    layerhold_testkit::hostile::sentinel(place.base());
    let before = layerhold_testkit::Tree::of(&place.path("outside"));
    for (index, hostile) in layerhold_testkit::hostile::escapes(place.base())
        .into_iter()
        .enumerate()
    {
        let layout = Layout::new(place.path(&format!("layout{index}")));
        let image = layout.image(&[hostile.bytes], Codec::Plain);
        // Whether it is refused or stays inside: outside nothing changes.
        let _result = place.load(&layout.finish(&[image]));
        let after = layerhold_testkit::Tree::of(&place.path("outside"));
        assert_eq!(
            after.differences(&before),
            Vec::<String>::new(),
            "{}",
            hostile.name
        );
    }
}

#[test]
fn root_huge_manifests_are_not_read() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let huge = vec![b' '; usize::try_from(MAX_MANIFEST_SIZE).unwrap() + 1];
    let entry = layout.blob(crate::support::MANIFEST, &huge);
    let error = place.load(&layout.finish(&[entry])).unwrap_err();
    assert!(
        matches!(&error, LoadError::Source(SourceError::TooLarge { limit, .. })
            if *limit == MAX_MANIFEST_SIZE),
        "{error:?}"
    );
}

#[test]
fn root_what_is_no_layout_is_refused() {
    let place = Place::new();
    for (name, index, text) in [
        (
            "none",
            None,
            "it is neither an OCI layout (no index.json) nor a docker archive or `dir:` (no manifest.json)",
        ),
        (
            "empty",
            Some(r#"{"manifests":[]}"#),
            "cannot find an image in",
        ),
        ("null", Some("{}"), "cannot find an image in"),
        (
            "text",
            Some("hello"),
            "cannot use index.json: cannot read the manifest",
        ),
    ] {
        let dir = place.path(name);
        fs::create_dir(&dir).unwrap();
        if let Some(index) = index {
            fs::write(dir.join("index.json"), index).unwrap();
        }
        let error = chain(&place.load(&dir).unwrap_err());
        assert!(error.contains(text), "{name}: {error}");
    }
    let error = place.load(&place.path("nosuch")).unwrap_err();
    assert!(
        matches!(&error, LoadError::Source(SourceError::Path(error)) if error.is_not_found()),
        "{error:?}"
    );
    place.assert_empty();
}

#[test]
fn root_a_layer_id_taken_by_something_else_is_not_trusted() {
    let place = Place::new();
    let layers = two_layers();
    let layout = Layout::new(place.path("layout"));
    let image = layout.image(&layers, Codec::Gzip);
    let source = layout.finish(&[image]);
    // Another layer has the ID that the first layer of the image gets.
    let id = crate::support::hex_of(&sha256(&layers[0])).to_owned();
    let mut transaction = place.store.begin().unwrap();
    let spec = layerhold::LayerSpec::new().id(id.parse().unwrap());
    let other = tar("other", "contents");
    transaction.import_layer(spec, other.as_slice()).unwrap();
    transaction.commit().unwrap();
    let error = place.load(&source).unwrap_err();
    assert!(
        matches!(&error, LoadError::OtherLayer { index: 0, id: found } if found.as_str() == id),
        "{error:?}"
    );
    assert_eq!(place.store.snapshot().unwrap().images().count(), 0);
}
