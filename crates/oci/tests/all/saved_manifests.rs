//! What a manifest says after its layers were written in another form, and the names that go with
//! it.

use std::path::PathBuf;

use layerhold_archive::Codec;
use layerhold_oci::{Compression, SaveOptions, TargetKind, WrittenImage};
use serde_json::{Value, json};

use crate::save::{manifest_of, members, save_all};
use crate::support::{
    Layout, MANIFEST, OCI_CONFIG, Place, annotated, config, digest, named, sha256, two_layers,
};

const CHUNKED: &str = "io.github.containers.zstd-chunked.manifest-position";

/// A layout whose manifest has all that a manifest may have; the image is called by its digest too.
pub(crate) fn rich(dir: PathBuf, codec: Codec) -> (PathBuf, Value) {
    let layout = Layout::new(dir);
    let layers = two_layers();
    let blobs: Vec<Value> = layers
        .iter()
        .map(|layer| annotated(layout.layer(codec, layer), "of", "layer"))
        .map(|layer| annotated(layer, CHUNKED, "1:2:3:1"))
        .collect();
    let config = layout.blob(OCI_CONFIG, &config(&layers, "amd64"));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.app",
        "config": annotated(config, "of", "configuration"),
        "layers": blobs,
        "subject": { "mediaType": MANIFEST, "digest": sha256(b"subject"), "size": 7 },
        "annotations": { "of": "manifest" },
    });
    let entry = layout.blob(MANIFEST, manifest.to_string().as_bytes());
    let by_digest = format!("example.com/app@{}", digest(&entry));
    let entries = [
        named(entry.clone(), "example.com/app:1"),
        named(entry, &by_digest),
    ];
    (layout.finish(&entries), manifest)
}

fn loaded(codec: Codec) -> (Place, Value, String) {
    let place = Place::new();
    let (source, manifest) = rich(place.path("in"), codec);
    let digest = place.load(&source).unwrap().remove(0).digest.unwrap();
    (place, manifest, digest.to_string())
}

#[test]
fn root_what_a_manifest_says_survives_another_compression() {
    let mut dropped = 0;
    for codec in [Codec::Plain, Codec::Zstd] {
        let (place, before, _) = loaded(codec);
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let target = place.path("out.tar");
            let options = SaveOptions::new(TargetKind::OciArchive).compression(compression);
            save_all(&place, &["example.com/app:1"], &target, options);
            let (_, after) = manifest_of(&members(&target));
            for field in ["artifactType", "config", "subject", "annotations"] {
                assert_eq!(after[field], before[field], "{field}, {compression:?}");
            }
            let layers = before["layers"].as_array().unwrap().iter();
            for (layer, known) in after["layers"].as_array().unwrap().iter().zip(layers) {
                let same_blobs = layer["digest"] == known["digest"];
                assert_eq!(layer["annotations"]["of"], "layer");
                // What says where parts of a blob are holds for no other blob.
                assert_eq!(
                    layer["annotations"].get(CHUNKED).is_some(),
                    same_blobs,
                    "{compression:?}"
                );
                dropped += usize::from(!same_blobs);
            }
        }
    }
    assert!(dropped >= 6, "{dropped}");
}

#[test]
fn root_a_plain_layer_is_labelled_as_one_where_that_was_asked_for() {
    let place = Place::new();
    let layout = Layout::new(place.path("in"));
    let layers = two_layers();
    let wrong = |layer: &Vec<u8>| {
        let mut blob = layout.layer(Codec::Plain, layer);
        blob["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
        blob
    };
    let blobs = layers.iter().map(wrong).collect();
    let image = layout.image_of(&config(&layers, "amd64"), blobs);
    let before = digest(&image).to_owned();
    place.load(&layout.finish(&[named(image, "x:1")])).unwrap();
    let types = |compression| {
        let target = place.path("out.tar");
        let options = SaveOptions::new(TargetKind::OciArchive).compression(compression);
        let written = save_all(&place, &["x:1"], &target, options);
        let (found, manifest) = manifest_of(&members(&target));
        assert_eq!(written[0].digest.as_ref().unwrap().as_str(), found);
        let layers = manifest["layers"].as_array().unwrap().clone();
        (
            found,
            layers[0]["mediaType"].clone(),
            layers[1]["mediaType"].clone(),
        )
    };
    let plain = json!("application/vnd.oci.image.layer.v1.tar");
    let (_, first, second) = types(Compression::None);
    assert_eq!([first, second], [plain.clone(), plain]);
    // As it came is as it came, label and all.
    assert_eq!(types(Compression::Keep).0, before);
}

/// The names in `index.json`.
fn index_names(files: &std::collections::BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    entries
        .iter()
        .filter_map(|entry| entry["annotations"][crate::support::REF_NAME].as_str())
        .map(str::to_owned)
        .collect()
}

fn names(written: &[WrittenImage]) -> Vec<String> {
    written
        .iter()
        .flat_map(|image| image.names.clone())
        .collect()
}

#[test]
fn root_a_name_with_a_digest_goes_out_where_it_is_still_true() {
    let (place, _, digest) = loaded(Codec::Plain);
    let by_digest = format!("example.com/app@{digest}");
    let id = place.only_image().id().to_string();
    let tagged = "example.com/app:1".to_owned();
    for (text, compression, expected) in [
        (
            by_digest.as_str(),
            Compression::Keep,
            vec![by_digest.clone()],
        ),
        (&by_digest, Compression::None, vec![by_digest.clone()]),
        (&by_digest, Compression::Gzip, Vec::new()),
        (&id, Compression::Zstd, vec![tagged.clone()]),
        (&tagged, Compression::Gzip, vec![tagged.clone()]),
    ] {
        let target = place.path("out.tar");
        let options = SaveOptions::new(TargetKind::OciArchive).compression(compression);
        let written = save_all(&place, &[text], &target, options);
        assert_eq!(names(&written), expected, "{text}, {compression:?}");
        assert_eq!(
            index_names(&members(&target)),
            expected,
            "{text}, {compression:?}"
        );
        let again = Place::new();
        assert_eq!(again.load(&target).unwrap()[0].names, expected);
    }
}

#[test]
fn root_a_docker_archive_has_names_with_tags_only() {
    let (place, _, digest) = loaded(Codec::Gzip);
    let by_digest = format!("example.com/app@{digest}");
    let id = place.only_image().id().to_string();
    for (text, expected) in [(by_digest, json!([])), (id, json!(["example.com/app:1"]))] {
        let target = place.path("out.tar");
        let options = SaveOptions::new(TargetKind::DockerArchive);
        let written = save_all(&place, &[&text], &target, options);
        assert_eq!(json!(names(&written)), expected);
        let members = members(&target);
        let items: Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
        assert_eq!(items[0]["RepoTags"], expected);
        let repositories = members.get("repositories").map(|bytes| {
            let value: Value = serde_json::from_slice(bytes).unwrap();
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        });
        let named = expected != json!([]);
        assert_eq!(
            repositories,
            named.then(|| vec!["example.com/app".to_owned()])
        );
    }
}
