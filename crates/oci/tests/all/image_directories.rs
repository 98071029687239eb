//! Directories with one image and its signatures, which skopeo calls `dir:`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use layerhold::BigDataItem;
use layerhold_archive::Codec;
use layerhold_oci::{
    Compression, LoadError, Platform, Quiet, SaveError, SaveOptions, SourceError, SourceKind,
    TargetKind, WrittenImage, load, save,
};
use serde_json::{Value, json};

use crate::support::{
    DockerArchive, INDEX, Place, compress, config, digest, entries, hex_of, on_platform, sha256,
    simple_layout, two_layers,
};

const VERSION: &str = "Directory Transport Version: 1.1\n";
/// Nothing but the first byte tells that these are OpenPGP messages.
const SIGNATURES: [&[u8]; 2] = [b"\x90first", b"\x90and the second"];

/// A store with an image that has signatures, `app:1`.
pub(crate) fn signed(codec: Codec) -> Place {
    let place = Place::new();
    let source = simple_layout(place.path("in"), codec, "app:1");
    place.load(&source).unwrap();
    let image = place.only_image();
    let manifest = place
        .store
        .image_data(image.id().as_str(), "manifest")
        .unwrap();
    let digest = sha256(&manifest);
    // Go writes them twice.
    for item in [&format!("signature-{}", hex_of(&digest)), "signatures"] {
        let item = BigDataItem::new(item, SIGNATURES.concat());
        place.store.set_image_data(image.id(), item).unwrap();
    }
    let sizes = SIGNATURES.map(<[u8]>::len);
    let metadata = json!({ "signatures-sizes": { digest: sizes } });
    let metadata = metadata.to_string();
    place.store.set_metadata(image.id(), &metadata).unwrap();
    place
}

pub(crate) fn save_to(
    place: &Place,
    path: &Path,
    change: impl FnOnce(SaveOptions) -> SaveOptions,
) -> Result<WrittenImage, SaveError> {
    let options = change(SaveOptions::new(TargetKind::ImageDirectory).scratch(place.base()));
    let mut saved = save(&place.store, &["app:1"], path, &options, &Quiet)?;
    assert_eq!(saved.len(), 1);
    Ok(saved.remove(0))
}

pub(crate) fn as_it_is(options: SaveOptions) -> SaveOptions {
    options
}

/// The files of an image: its blobs by their digits, and the small files.
pub(crate) fn expected(manifest: &Value, signatures: usize) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    let blobs = layers.chain([&manifest["config"]]);
    let mut names: Vec<String> = blobs.map(|blob| hex_of(digest(blob)).to_owned()).collect();
    names.extend((1..=signatures).map(|number| format!("signature-{number}")));
    names.extend(["manifest.json".to_owned(), "version".to_owned()]);
    names.sort();
    names
}

pub(crate) fn manifest_in(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn root_an_image_and_its_signatures_go_out() {
    let place = signed(Codec::Plain);
    let out = place.path("out");
    let saved = save_to(&place, &out, as_it_is).unwrap();
    assert_eq!(saved.id, *place.only_image().id());
    assert_eq!(saved.names, Vec::<String>::new());
    let manifest = fs::read(out.join("manifest.json")).unwrap();
    assert_eq!(
        manifest,
        place
            .store
            .image_data(saved.id.as_str(), "manifest")
            .unwrap()
    );
    assert_eq!(saved.digest.unwrap().as_str(), sha256(&manifest));
    assert_eq!(entries(&out), expected(&manifest_in(&out), 2));
    assert_eq!(fs::read_to_string(out.join("version")).unwrap(), VERSION);
    for (number, signature) in (1..).zip(SIGNATURES) {
        let file = out.join(format!("signature-{number}"));
        assert_eq!(fs::read(file).unwrap(), signature);
    }
    for blob in manifest_in(&out)["layers"].as_array().unwrap() {
        let bytes = fs::read(out.join(hex_of(digest(blob)))).unwrap();
        assert_eq!(sha256(&bytes), digest(blob));
    }
    // As often as one likes, and without them too.
    save_to(&place, &out, as_it_is).unwrap();
    assert_eq!(entries(&out), expected(&manifest_in(&out), 2));
    save_to(&place, &out, SaveOptions::remove_signatures).unwrap();
    assert_eq!(entries(&out), expected(&manifest_in(&out), 0));
}

#[test]
fn root_signatures_go_out_with_their_own_manifest_only() {
    let place = signed(Codec::Plain);
    let out = place.path("out");
    let gzip = |options: SaveOptions| options.compression(Compression::Gzip);
    let error = save_to(&place, &out, gzip).unwrap_err();
    assert!(
        matches!(&error, SaveError::Signed { image } if image == place.only_image().id()),
        "{error:?}"
    );
    assert!(!out.exists());
    for compression in [Compression::Gzip, Compression::Zstd] {
        let with = |options: SaveOptions| options.compression(compression).remove_signatures();
        save_to(&place, &out, with).unwrap();
        assert_eq!(entries(&out), expected(&manifest_in(&out), 0));
        let again = Place::new();
        let loaded = again.load(&out).unwrap().remove(0);
        assert_eq!(loaded.id, *place.only_image().id());
        assert_eq!(loaded.source, SourceKind::ImageDirectory);
        assert_eq!(loaded.names, Vec::<String>::new());
    }
}

#[test]
fn root_formats_without_a_place_for_signatures_say_so() {
    let place = signed(Codec::Plain);
    for kind in [
        TargetKind::OciLayout,
        TargetKind::OciArchive,
        TargetKind::DockerArchive,
        TargetKind::ImageDirectory,
    ] {
        let options = SaveOptions::new(kind).scratch(place.base());
        let out = place.path(&format!("{kind:?}"));
        let lost = |options: &SaveOptions| {
            let saved = save(&place.store, &["app:1"], &out, options, &Quiet).unwrap();
            saved[0].lost_signatures
        };
        let expected = match kind {
            TargetKind::ImageDirectory => 0,
            _ => SIGNATURES.len(),
        };
        assert_eq!(lost(&options), expected, "{kind:?}");
        assert_eq!(lost(&options.remove_signatures()), 0, "{kind:?}");
    }
}

#[test]
fn root_another_image_is_replaced_and_other_files_stay() {
    let place = signed(Codec::Plain);
    let out = place.path("out");
    // An image with an index, of which nothing is left.
    let old = "ab".repeat(32);
    fs::create_dir(&out).unwrap();
    for name in [
        old.clone(),
        format!("{old}.manifest.json"),
        format!("{old}.signature-1"),
        format!("sha512-{}", "ab".repeat(64)),
        "manifest.json".to_owned(),
        "signature-3".to_owned(),
    ] {
        fs::write(out.join(name), "old").unwrap();
    }
    fs::write(out.join("version"), "Directory Transport Version: 1.2\n").unwrap();
    fs::write(out.join("notes"), "mine").unwrap();
    save_to(&place, &out, as_it_is).unwrap();
    let mut names = expected(&manifest_in(&out), 2);
    names.push("notes".to_owned());
    names.sort();
    assert_eq!(entries(&out), names);
    assert_eq!(fs::read_to_string(out.join("version")).unwrap(), VERSION);
}

#[test]
fn root_what_is_no_such_directory_is_left_alone() {
    let place = signed(Codec::Plain);
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("manifest.json"), "mine").unwrap();
    let newer = "Directory Transport Version: 1.3\n";
    for version in [None, Some(newer), Some("something else")] {
        if let Some(version) = version {
            fs::write(out.join("version"), version).unwrap();
        }
        let before = entries(&out);
        let error = save_to(&place, &out, as_it_is).unwrap_err();
        assert!(
            matches!(&error, SaveError::NotAnImageDirectory { path } if *path == out),
            "{error:?}"
        );
        assert!(error.is_conflict());
        assert_eq!(entries(&out), before);
    }
    let file = place.path("file");
    fs::write(&file, "mine").unwrap();
    assert!(save_to(&place, &file, as_it_is).unwrap_err().is_conflict());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn root_a_directory_holds_one_image() {
    let place = signed(Codec::Plain);
    let archive = DockerArchive::new().image(&["second:1"], &two_layers()[..1], Codec::Plain);
    let path = place.path("archive");
    fs::write(&path, archive.finish()).unwrap();
    place.load(&path).unwrap();
    let out = place.path("out");
    let options = SaveOptions::new(TargetKind::ImageDirectory);
    let error = save(&place.store, &["app:1", "second:1"], &out, &options, &Quiet);
    let error = error.unwrap_err();
    assert!(
        matches!(&error, SaveError::SeveralImages { path } if *path == out),
        "{error:?}"
    );
    assert!(!out.exists());
}

#[test]
fn root_a_save_that_fails_leaves_the_image_that_was_there() {
    let place = signed(Codec::Plain);
    let (out, new) = (place.path("out"), place.path("new"));
    save_to(&place, &out, SaveOptions::remove_signatures).unwrap();
    let before = entries(&out);
    let top = place.only_image().top_layer().cloned().unwrap();
    let layer = place.path("root/vfs/dir").join(top.as_str());
    fs::write(layer.join("new"), "x".repeat(100_000)).unwrap();
    for target in [&out, &new] {
        let gzip = |options: SaveOptions| options.compression(Compression::Gzip);
        let error = save_to(&place, target, gzip).unwrap_err();
        assert!(
            matches!(&error, SaveError::Damaged { layer, .. } | SaveError::Read { layer, .. }
                if *layer == top),
            "{error:?}"
        );
    }
    assert_eq!(entries(&out), before);
    assert!(!new.exists());
}

/// A directory made by hand.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(place: &Place) -> Self {
        let path = place.path("made");
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        self.file(hex_of(&digest), bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Adds the blobs of an image and returns the manifest.
    pub(crate) fn image(&self, architecture: &str) -> Vec<u8> {
        let layers: Vec<Value> = two_layers()
            .iter()
            .map(|layer| {
                let layer = compress(Codec::Gzip, layer);
                self.blob("application/vnd.oci.image.layer.v1.tar+gzip", &layer)
            })
            .collect();
        let config = self.blob(
            "application/vnd.oci.image.config.v1+json",
            &config(&two_layers(), architecture),
        );
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers,
        });
        manifest.to_string().into_bytes()
    }
}

#[test]
fn root_one_image_of_an_index_comes_in() {
    let place = Place::new();
    let directory = Directory::new(&place);
    let mut entries = Vec::new();
    for architecture in ["riscv64", "mips"] {
        let manifest = directory.image(architecture);
        let digest = sha256(&manifest);
        let name = format!("{}.manifest.json", hex_of(&digest));
        directory.file(&name, &manifest);
        entries.push(on_platform(
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": manifest.len(),
            }),
            architecture,
        ));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    directory.file("manifest.json", index.to_string().as_bytes());
    directory.file("version", VERSION.as_bytes());
    let mips: Platform = "linux/mips".parse().unwrap();
    let options = place.options().platform(mips).names(["app:1"]);
    let loaded = load(&place.store, &directory.0, &options, &Quiet)
        .unwrap()
        .remove(0);
    assert_eq!(loaded.digest.unwrap().as_str(), digest(&entries[1]));
    assert_eq!(loaded.names, ["localhost/app:1"]);
    // A digest chooses, or finds nothing.
    for (image, is_there) in [
        (sha256(index.to_string().as_bytes()), true),
        (digest(&entries[1]).to_owned(), true),
        (digest(&entries[0]).to_owned(), false),
        ("app:1".to_owned(), false),
    ] {
        let loaded = load(
            &place.store,
            &directory.0,
            &options.clone().image(image.as_str()),
            &Quiet,
        );
        match loaded {
            Ok(_) => assert!(is_there, "{image}"),
            Err(LoadError::Source(SourceError::NoSuchImage { wanted, .. })) => {
                assert!(!is_there && wanted == image);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Spoils a good directory, and checks how it is refused.
#[track_caller]
pub(crate) fn refused(spoil: impl Fn(&Directory), expected: impl Fn(&SourceError) -> bool) {
    let place = Place::new();
    let directory = Directory::new(&place);
    let manifest = directory.image("amd64");
    directory.file("manifest.json", &manifest);
    directory.file("version", VERSION.as_bytes());
    spoil(&directory);
    let error = place.load(&directory.0).unwrap_err();
    match &error {
        LoadError::Source(source) if expected(source) => {}
        error => panic!("{error:?}"),
    }
    place.assert_empty();
}

#[test]
fn root_directories_that_are_not_what_they_say_are_refused() {
    refused(
        |made| made.file("version", b"Directory Transport Version: 2.0\n"),
        |error| matches!(error, SourceError::Version { version, .. } if version.contains("2.0")),
    );
    refused(
        |made| fs::remove_file(made.0.join("manifest.json")).unwrap(),
        |error| matches!(error, SourceError::Unrecognized { .. }),
    );
    refused(
        |made| made.file("manifest.json", b"[]"),
        |error| matches!(error, SourceError::Manifest { .. }),
    );
    let config_file = |made: &Directory| {
        let manifest = manifest_in(&made.0);
        made.0.join(hex_of(digest(&manifest["config"])))
    };
    refused(
        |made| {
            let bytes = fs::read(config_file(made)).unwrap();
            fs::write(config_file(made), bytes.to_ascii_uppercase()).unwrap();
        },
        |error| matches!(error, SourceError::DigestMismatch { .. }),
    );
    refused(
        |made| {
            let path = config_file(made);
            let elsewhere = made.0.join("elsewhere");
            fs::rename(&path, &elsewhere).unwrap();
            symlink(&elsewhere, &path).unwrap();
        },
        |error| matches!(error, SourceError::Path(_)),
    );
    refused(
        |made| fs::remove_file(config_file(made)).unwrap(),
        |error| matches!(error, SourceError::Missing { .. }),
    );
}

#[test]
fn root_a_layer_that_is_missing_leaves_nothing() {
    let place = Place::new();
    let directory = Directory::new(&place);
    let manifest = directory.image("amd64");
    directory.file("manifest.json", &manifest);
    let layer = manifest_in(&directory.0)["layers"][1].clone();
    fs::remove_file(directory.0.join(hex_of(digest(&layer)))).unwrap();
    let error = place.load(&directory.0).unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    place.assert_empty();
}

#[cfg(not(feature = "registry"))]
#[test]
fn root_signatures_that_cannot_be_checked_are_refused() {
    refused(
        |made| made.file("signature-1", b"\x90"),
        |error| matches!(error, SourceError::NoSignatures { .. }),
    );
    let place = Place::new();
    let directory = Directory::new(&place);
    directory.file("manifest.json", &directory.image("amd64"));
    directory.file("signature-1", b"\x90");
    let options = place.options().remove_signatures();
    load(&place.store, &directory.0, &options, &Quiet).unwrap();
}
