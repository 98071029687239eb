//! What is written of images, and that it comes back as it went out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use layerhold_archive::Codec;
use layerhold_oci::{
    Compression, ImageError, Quiet, SaveError, SaveOptions, TargetKind, WrittenImage, load, save,
    save_stream,
};
use serde_json::{Value, json};

use crate::support::{
    DockerArchive, Layout, Place, digest, entries, hex_of, named, records, sha256, simple_layout,
    tar, timeless_layers, two_layers,
};

const KINDS: [TargetKind; 3] = [
    TargetKind::OciLayout,
    TargetKind::OciArchive,
    TargetKind::DockerArchive,
];

pub(crate) fn save_all(
    place: &Place,
    names: &[&str],
    path: &Path,
    options: SaveOptions,
) -> Vec<WrittenImage> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let options = options.scratch(place.base());
    save(&place.store, &names, path, &options, &Quiet).unwrap()
}

/// The members of a tar.
pub(crate) fn members(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(file);
    let mut members = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert!(
            members.insert(name.clone(), bytes).is_none(),
            "{name} is repeated"
        );
    }
    members
}

/// The files of a layout in a directory, named as in an archive.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in ["index.json", "oci-layout"] {
        files.insert(name.to_owned(), fs::read(dir.join(name)).unwrap());
    }
    for blob in entries(&dir.join("blobs/sha256")) {
        let name = format!("blobs/sha256/{blob}");
        let bytes = fs::read(dir.join(&name)).unwrap();
        files.insert(name, bytes);
    }
    files
}

pub(crate) fn manifest_of(files: &BTreeMap<String, Vec<u8>>) -> (String, Value) {
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifest = digest(&index["manifests"][0]).to_owned();
    let bytes = &files[&format!("blobs/{}", manifest.replace(':', "/"))];
    (manifest, serde_json::from_slice(bytes).unwrap())
}

#[test]
fn root_plain_layers_go_out_byte_for_byte() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Plain, "example.com/app:1");
    place.load(&source).unwrap();
    for kind in [TargetKind::OciLayout, TargetKind::OciArchive] {
        let target = place.path("out");
        let written = save_all(
            &place,
            &["example.com/app:1"],
            &target,
            SaveOptions::new(kind),
        );
        let found = match kind {
            TargetKind::OciLayout => files(&target),
            _ => members(&target)
                .into_iter()
                .filter(|(name, _)| !name.ends_with('/'))
                .collect(),
        };
        // All blobs, the manifest and the configuration are those that came in.
        let mut expected = files(&source);
        for blob in entries(&source.join("blobs/sha256")) {
            let name = format!("blobs/sha256/{blob}");
            assert_eq!(found.get(&name), expected.get(&name), "{name}");
        }
        let (manifest, _) = manifest_of(&expected);
        assert_eq!(written[0].digest.as_ref().unwrap().as_str(), manifest);
        assert_eq!(written[0].names, ["example.com/app:1"]);
        let entry = json!({ "schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest,
            "size": expected[&format!("blobs/{}", manifest.replace(':', "/"))].len(),
            "annotations": { "org.opencontainers.image.ref.name": "example.com/app:1" },
        }]});
        expected.insert("index.json".to_owned(), entry.to_string().into_bytes());
        assert_eq!(found, expected);
        match kind {
            TargetKind::OciLayout => fs::remove_dir_all(&target).unwrap(),
            _ => fs::remove_file(&target).unwrap(),
        }
    }
}

#[test]
fn root_saved_and_loaded_again_it_is_the_same_image() {
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let first = Place::new();
        let source = simple_layout(first.path("in"), codec, "example.com/app:1");
        let id = first.load(&source).unwrap().remove(0).id;
        for kind in KINDS {
            for compression in [
                Compression::Keep,
                Compression::None,
                Compression::Gzip,
                Compression::Zstd,
            ] {
                let target = first.path("out");
                let options = SaveOptions::new(kind).compression(compression);
                save_all(&first, &["example.com/app:1"], &target, options);
                let second = Place::new();
                let loaded = second.load(&target).unwrap();
                let what = format!("{codec}, {kind:?}, {compression:?}");
                assert_eq!(loaded[0].id, id, "{what}");
                assert_eq!(loaded[0].names, ["example.com/app:1"], "{what}");
                let key = |root: &Path| -> Vec<(Value, Value, Value)> {
                    let layers = records(root, "layers");
                    let key = |l: &Value| {
                        (
                            l["id"].clone(),
                            l["diff-digest"].clone(),
                            l["diff-size"].clone(),
                        )
                    };
                    layers.iter().map(key).collect()
                };
                assert_eq!(
                    key(&first.path("root")),
                    key(&second.path("root")),
                    "{what}"
                );
                // Saved once more, it is the same to the last byte.
                let again = second.path("again");
                let options = SaveOptions::new(kind).compression(compression);
                save_all(&second, &["example.com/app:1"], &again, options);
                if kind == TargetKind::OciLayout {
                    assert_eq!(files(&again), files(&target), "{what}");
                    fs::remove_dir_all(&target).unwrap();
                } else {
                    assert!(
                        fs::read(&again).unwrap() == fs::read(&target).unwrap(),
                        "{what}"
                    );
                    fs::remove_file(&target).unwrap();
                }
            }
        }
    }
}

#[test]
#[cfg(feature = "zstd")]
fn root_compression_is_kept_or_chosen() {
    let place = Place::new();
    let layout = Layout::new(place.path("in"));
    let layers = [tar("a", "plain"), tar("b", "gzip"), tar("c", "zstd")];
    let codecs = [Codec::Plain, Codec::Gzip, Codec::Zstd];
    let blobs = layers
        .iter()
        .zip(codecs)
        .map(|(layer, codec)| layout.layer(codec, layer))
        .collect();
    let image = layout.image_of(&crate::support::config(&layers, "amd64"), blobs);
    place.load(&layout.finish(&[named(image, "x:1")])).unwrap();
    for (compression, suffixes) in [
        (Compression::Keep, ["", "+gzip", "+zstd"]),
        (Compression::None, ["", "", ""]),
        (Compression::Gzip, ["+gzip", "+gzip", "+gzip"]),
        (Compression::Zstd, ["+zstd", "+zstd", "+zstd"]),
    ] {
        let target = place.path("out.tar");
        let options = SaveOptions::new(TargetKind::OciArchive).compression(compression);
        save_all(&place, &["x:1"], &target, options);
        let members = members(&target);
        let (_, manifest) = manifest_of(&members);
        for ((entry, suffix), layer) in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .zip(suffixes)
            .zip(&layers)
        {
            let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
            assert_eq!(entry["mediaType"], json!(media_type));
            let blob = &members[&format!("blobs/{}", digest(entry).replace(':', "/"))];
            assert_eq!(entry["size"], json!(blob.len()));
            assert_eq!(sha256(blob), digest(entry));
            let codec = Codec::sniff(blob);
            let mut plain = Vec::new();
            let mut reader = layerhold_archive::decompressor(codec, blob.as_slice()).unwrap();
            reader.read_to_end(&mut plain).unwrap();
            assert_eq!(plain, *layer);
        }
    }
}

#[test]
fn root_a_docker_archive_has_what_docker_reads() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Gzip, "example.com/app:1");
    place.load(&source).unwrap();
    let options = place.options().names(["other:2"]);
    load(&place.store, &source, &options, &Quiet).unwrap();
    let target = place.path("out.tar");
    let id = place.only_image().id().to_string();
    let options = SaveOptions::new(TargetKind::DockerArchive);
    let written = save_all(&place, &[&id[..12]], &target, options);
    assert_eq!(written[0].digest, None);
    assert_eq!(written[0].names, ["localhost/other:2", "example.com/app:1"]);
    let members = members(&target);
    let layers = two_layers();
    let names: Vec<String> = layers
        .iter()
        .map(|l| format!("{}.tar", hex_of(&sha256(l))))
        .collect();
    for (name, layer) in names.iter().zip(&layers) {
        assert!(members[name] == *layer, "{name}");
    }
    let manifest: Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
    assert_eq!(
        manifest,
        json!([{
            "Config": format!("{id}.json"),
            "RepoTags": ["localhost/other:2", "example.com/app:1"],
            "Layers": names,
        }])
    );
    assert_eq!(
        sha256(&members[&format!("{id}.json")]),
        format!("sha256:{id}")
    );
    let repositories: Value = serde_json::from_slice(&members["repositories"]).unwrap();
    let top = hex_of(&sha256(&layers[1])).to_owned();
    assert_eq!(
        repositories,
        json!({ "example.com/app": { "1": top }, "localhost/other": { "2": top } })
    );
}

#[test]
fn root_several_images_share_their_layers() {
    let place = Place::new();
    let layout = Layout::new(place.path("in"));
    let shared = tar("shared", "x");
    let images = [
        named(
            layout.image(&[shared.clone(), tar("a", "1")], Codec::Gzip),
            "one:1",
        ),
        named(layout.image(&[shared, tar("b", "2")], Codec::Gzip), "two:1"),
    ];
    place.load(&layout.finish(&images)).unwrap();
    for kind in KINDS {
        let target = place.path("out");
        let written = save_all(
            &place,
            &["one:1", "two:1", "localhost/one:1"],
            &target,
            SaveOptions::new(kind),
        );
        assert_eq!(written.len(), 2, "{kind:?}");
        let second = Place::new();
        let loaded = second.load(&target).unwrap();
        assert_eq!(loaded.len(), 2, "{kind:?}");
        assert_eq!((loaded[1].imported, loaded[1].reused), (1, 1), "{kind:?}");
        match kind {
            TargetKind::OciLayout => {
                assert_eq!(entries(&target.join("blobs/sha256")).len(), 7);
                fs::remove_dir_all(&target).unwrap();
            }
            _ => fs::remove_file(&target).unwrap(),
        }
    }
}

#[test]
fn root_an_existing_layout_is_added_to() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Plain, "one:1");
    place.load(&source).unwrap();
    let other = Layout::new(place.path("in2"));
    let image = other.image(&[tar("z", "z")], Codec::Plain);
    place.load(&other.finish(&[named(image, "two:1")])).unwrap();
    let target = place.path("out");
    let options = || SaveOptions::new(TargetKind::OciLayout);
    save_all(&place, &["one:1"], &target, options());
    save_all(&place, &["two:1"], &target, options());
    save_all(&place, &["one:1"], &target, options());
    let index: Value =
        serde_json::from_slice(&fs::read(target.join("index.json")).unwrap()).unwrap();
    let names: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["annotations"]["org.opencontainers.image.ref.name"])
        .collect();
    assert_eq!(names, ["localhost/two:1", "localhost/one:1"]);
    let second = Place::new();
    assert_eq!(second.load(&target).unwrap().len(), 2);
    assert_eq!(entries(&target), ["blobs", "index.json", "oci-layout"]);
    assert!(
        entries(&target.join("blobs/sha256"))
            .iter()
            .all(|name| name.len() == 64)
    );
}

#[test]
fn root_streams_are_like_files() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Gzip, "one:1");
    place.load(&source).unwrap();
    for kind in [TargetKind::OciArchive, TargetKind::DockerArchive] {
        let target = place.path("out");
        let options = SaveOptions::new(kind).scratch(place.base());
        save_all(&place, &["one:1"], &target, options.clone());
        let mut stream = Vec::new();
        save_stream(
            &place.store,
            &["one:1".to_owned()],
            &mut stream,
            &options,
            &Quiet,
        )
        .unwrap();
        assert!(stream == fs::read(&target).unwrap(), "{kind:?}");
    }
}

#[test]
fn root_docker_images_become_oci_images_and_keep_their_id() {
    let first = Place::new();
    let archive = DockerArchive::new()
        .image(&["one:1"], &two_layers(), Codec::Plain)
        .finish();
    fs::write(first.path("in.tar"), archive).unwrap();
    let id = first.load(&first.path("in.tar")).unwrap().remove(0).id;
    let target = first.path("out.tar");
    save_all(
        &first,
        &["one:1"],
        &target,
        SaveOptions::new(TargetKind::OciArchive),
    );
    let (_, manifest) = manifest_of(&members(&target));
    assert_eq!(manifest["mediaType"], json!(crate::support::MANIFEST));
    assert_eq!(
        manifest["config"]["mediaType"],
        json!("application/vnd.oci.image.config.v1+json")
    );
    let second = Place::new();
    assert_eq!(second.load(&target).unwrap()[0].id, id);
    assert_eq!(
        timeless_layers(&first.path("root")),
        timeless_layers(&second.path("root"))
    );
}

#[test]
fn root_a_damaged_layer_is_not_saved() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Gzip, "one:1");
    place.load(&source).unwrap();
    let view = place.store.snapshot().unwrap();
    let top = view
        .image("localhost/one:1")
        .unwrap()
        .top_layer()
        .unwrap()
        .clone();
    let file = place.path("root/vfs/dir").join(top.as_str()).join("new");
    fs::write(&file, "x".repeat(100_000)).unwrap();
    for kind in KINDS {
        let target = place.path("out");
        let options = SaveOptions::new(kind).scratch(place.base());
        let error = save(
            &place.store,
            &["one:1".to_owned()],
            &target,
            &options,
            &Quiet,
        )
        .unwrap_err();
        assert!(
            matches!(&error, SaveError::Damaged { layer, .. } | SaveError::Read { layer, .. }
                if *layer == top),
            "{error:?}"
        );
        assert!(!target.exists(), "{kind:?}");
    }
    assert!(
        entries(place.base())
            .iter()
            .all(|name| !name.starts_with('.'))
    );
}

#[test]
fn root_what_cannot_be_saved_is_said() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Gzip, "one:1");
    place.load(&source).unwrap();
    let mut transaction = place.store.begin().unwrap();
    transaction
        .create_image(layerhold::ImageSpec::new().without_manifest().name("bare"))
        .unwrap();
    transaction.commit().unwrap();
    let options = SaveOptions::new(TargetKind::OciArchive).scratch(place.base());
    let target = place.path("out");
    let save = |names: &[&str], target: &Path, options: &SaveOptions| {
        save(&place.store, names, target, options, &Quiet).unwrap_err()
    };
    assert!(matches!(save(&[], &target, &options), SaveError::Nothing));
    assert!(matches!(
        save(&["nosuch"], &target, &options),
        SaveError::Image(ImageError::Lookup(_))
    ));
    assert!(matches!(
        save(&["bare"], &target, &options),
        SaveError::Image(ImageError::NoManifest { .. })
    ));
    assert!(matches!(
        save(&["one:1"], &place.path("no/such/place"), &options),
        SaveError::Write { .. }
    ));
    assert!(!target.exists());
    // A directory that is something else stays as it is.
    let other = place.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("precious"), "x").unwrap();
    let options = SaveOptions::new(TargetKind::OciLayout);
    assert!(matches!(
        save(&["one:1"], &other, &options),
        SaveError::NotALayout { .. }
    ));
    fs::write(other.join("index.json"), "{").unwrap();
    assert!(matches!(
        save(&["one:1"], &other, &options),
        SaveError::Index { .. }
    ));
    assert_eq!(entries(&other), ["index.json", "precious"]);
}

#[test]
fn root_a_file_that_is_there_is_replaced_at_once() {
    let place = Place::new();
    let source = simple_layout(place.path("in"), Codec::Gzip, "one:1");
    place.load(&source).unwrap();
    let target = place.path("out");
    fs::write(&target, "old").unwrap();
    save_all(
        &place,
        &["one:1"],
        &target,
        SaveOptions::new(TargetKind::OciArchive),
    );
    assert!(fs::metadata(&target).unwrap().len() > 1000);
    // A device is written to and stays a device.
    let null = Path::new("/dev/null");
    save_all(
        &place,
        &["one:1"],
        null,
        SaveOptions::new(TargetKind::DockerArchive),
    );
    assert!(!fs::metadata(null).unwrap().is_file());
}
