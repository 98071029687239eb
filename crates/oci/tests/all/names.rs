//! Names that a source gives its images: what they claim is proved or refused.

use std::fs;
use std::path::Path;

use layerhold_archive::Codec;
use layerhold_oci::{LoadError, LoadedImage, Quiet, SourceError, load};
use serde_json::json;

use crate::support::{
    DockerArchive, Layout, Place, chain, digest, hex_of, named, pack, sha256, tar, two_layers,
};

const OTHER: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn names(place: &Place) -> Vec<String> {
    let view = place.store.snapshot().unwrap();
    view.images()
        .flat_map(|image| image.names().to_vec())
        .collect()
}

#[test]
fn root_a_name_with_the_digest_of_another_image_is_refused() {
    for name in ["app", "example.com/app", "example.com/app:1"] {
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let image = layout.image(&two_layers(), Codec::Gzip);
        let own = digest(&image).to_owned();
        let source = layout.finish(&[named(image, &format!("{name}@{OTHER}"))]);
        let error = place.load(&source).unwrap_err();
        assert!(
            matches!(&error, LoadError::NameDigest { digests, .. } if *digests == [own]),
            "{error:?}"
        );
        place.assert_empty();
    }
}

#[test]
fn root_a_name_with_the_digest_of_its_manifest_or_index_is_taken() {
    for by_index in [false, true] {
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let mut entry = layout.image(&two_layers(), Codec::Gzip);
        if by_index {
            entry = layout.index(&[entry]);
        }
        let own = digest(&entry).to_owned();
        let source = layout.finish(&[named(entry, &format!("example.com/app:1@{own}"))]);
        place.load(&source).unwrap();
        assert_eq!(names(&place), [format!("example.com/app@{own}")]);
    }
}

#[test]
fn root_names_given_with_a_digest_are_proved_too() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let image = layout.image(&two_layers(), Codec::Gzip);
    let source = layout.finish(&[named(image, &format!("app@{OTHER}"))]);
    let options = place.options().names([format!("app@{OTHER}")]);
    let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
    assert!(matches!(error, LoadError::NameDigest { .. }), "{error:?}");
    place.assert_empty();
    // Another name helps.
    let options = place.options().names(["app:1"]);
    load(&place.store, &source, &options, &Quiet).unwrap();
    assert_eq!(
        names(&place),
        ["docker.io/library/app:1".replace("docker.io/library", "localhost")]
    );
}

fn load_bytes(place: &Place, bytes: &[u8]) -> Result<Vec<LoadedImage>, LoadError> {
    let path = place.path("archive");
    fs::write(&path, bytes).unwrap();
    place.load(&path)
}

#[test]
fn root_tags_of_docker_archives_have_no_digests() {
    for name in ["app", "app:1"] {
        let place = Place::new();
        let tag = format!("{name}@{OTHER}");
        let archive = DockerArchive::new().image(&[&tag], &two_layers(), Codec::Plain);
        let error = load_bytes(&place, &archive.finish()).unwrap_err();
        assert!(
            matches!(&error, LoadError::Source(SourceError::TagWithDigest { name }) if *name == tag),
            "{error:?}"
        );
        place.assert_empty();
    }
}

/// Adds the `manifest.json` that makes a layout a docker archive too.
fn add_tags(dir: &Path, config: &[u8], tags: &[&str]) {
    let config = format!("blobs/sha256/{}", hex_of(&sha256(config)));
    let items = json!([{ "Config": config, "RepoTags": tags, "Layers": [] }]);
    fs::write(dir.join("manifest.json"), items.to_string()).unwrap();
}

#[test]
fn root_names_that_only_manifest_json_has_are_found() {
    let layers = [tar("a", "b")];
    let config = crate::support::config(&layers, "amd64");
    for (name, tags, expected) in [
        (
            None,
            &["app:1", "app:2"][..],
            &["localhost/app:2", "localhost/app:1"][..],
        ),
        (Some("own:1"), &["app:1"], &["localhost/own:1"]),
    ] {
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let mut image = layout.image(&layers, Codec::Gzip);
        if let Some(name) = name {
            image = named(image, name);
        }
        let dir = layout.finish(&[image]);
        add_tags(&dir, &config, tags);
        load_bytes(&place, &pack(&dir)).unwrap();
        assert_eq!(names(&place), expected);
    }
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let image = layout.image(&layers, Codec::Gzip);
    let own = format!("app@{}", digest(&image));
    let dir = layout.finish(&[image]);
    add_tags(&dir, &config, &[&own]);
    let error = load_bytes(&place, &pack(&dir)).unwrap_err();
    assert!(
        matches!(error, LoadError::Source(SourceError::TagWithDigest { .. })),
        "{error:?}"
    );
}

#[test]
fn root_two_images_of_one_name_are_not_chosen_from_in_silence() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let first = layout.image(&[tar("a", "first")], Codec::Gzip);
    let second = layout.image(&[tar("a", "second")], Codec::Gzip);
    let wanted = digest(&second).to_owned();
    let source = layout.finish(&[named(first, "app:1"), named(second, "app:1")]);
    let error = place.load(&source).unwrap_err();
    assert!(
        chain(&error).starts_with("cannot tell which image \"app:1\" is: choose one by its digest"),
        "{error}"
    );
    place.assert_empty();
    let options = place.options().image(&wanted);
    let loaded = load(&place.store, &source, &options, &Quiet).unwrap();
    let digests: Vec<_> = loaded
        .iter()
        .filter_map(|image| image.digest.clone())
        .collect();
    assert_eq!(
        digests.iter().map(|d| d.as_str()).collect::<Vec<_>>(),
        [wanted]
    );
    assert_eq!(names(&place), ["localhost/app:1"]);
}
