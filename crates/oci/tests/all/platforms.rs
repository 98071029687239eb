//! Choosing among images for several platforms.

use std::path::PathBuf;

use layerhold_archive::Codec;
use layerhold_oci::{Event, LoadError, ManifestError, Platform, Quiet, SourceError, load};
use serde_json::{Value, json};

use crate::support::{Layout, Place, config, digest, named, on_platform, records, tar};

/// An image for one architecture, with a file that names it.
fn image(layout: &Layout, architecture: &str) -> Value {
    let layer = tar("architecture", architecture);
    let blob = layout.layer(Codec::Gzip, &layer);
    let image = layout.image_of(&config(&[layer], architecture), vec![blob]);
    on_platform(image, architecture)
}

/// A layout whose index is one level below the top.
fn nested(dir: PathBuf) -> (PathBuf, Value) {
    let layout = Layout::new(dir);
    let images = ["arm64", "amd64", "s390x"].map(|architecture| image(&layout, architecture));
    let index = layout.index(&images);
    (layout.finish(&[named(index.clone(), "multi:1")]), index)
}

fn architecture_of(place: &Place) -> String {
    let view = place.store.snapshot().unwrap();
    let image = view.images().last().unwrap();
    let top = image.top_layer().unwrap().as_str();
    std::fs::read_to_string(place.path("root/vfs/dir").join(top).join("architecture")).unwrap()
}

#[test]
fn root_the_wanted_platform_is_loaded() {
    for architecture in ["amd64", "arm64", "s390x"] {
        let place = Place::new();
        let (source, _) = nested(place.path("layout"));
        let platform = format!("linux/{architecture}").parse().unwrap();
        let options = place.options().platform(platform);
        load(&place.store, &source, &options, &Quiet).unwrap();
        assert_eq!(architecture_of(&place), architecture);
    }
}

#[test]
fn root_the_machine_is_the_default() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let host = Platform::host().architecture;
    let images = ["mips", &host, "riscv32"].map(|architecture| image(&layout, architecture));
    let index = layout.index(&images);
    place.load(&layout.finish(&[index])).unwrap();
    assert_eq!(architecture_of(&place), host);
}

#[test]
fn root_the_index_is_kept_beside_the_manifest() {
    let place = Place::new();
    let (source, index) = nested(place.path("layout"));
    let options = place.options().platform("linux/arm64".parse().unwrap());
    let loaded = load(&place.store, &source, &options, &Quiet).unwrap();
    let record = &records(&place.path("root"), "images")[0];
    let manifest = loaded[0].digest.as_ref().unwrap().as_str();
    assert_eq!(record["digest"], index["digest"]);
    let names = record["big-data-names"].as_array().unwrap();
    assert_eq!(names.len(), 5);
    assert_eq!(names[1], json!(format!("manifest-{}", digest(&index))));
    assert_eq!(names[2], json!(format!("manifest-{manifest}")));
    let view = place.store.snapshot().unwrap();
    for known in [digest(&index), manifest] {
        assert_eq!(
            view.images_by_digest(&known.parse().unwrap()).len(),
            1,
            "{known}"
        );
    }
}

#[test]
fn root_entries_of_one_name_at_the_top_are_one_image() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let entries = ["arm64", "amd64"].map(|a| named(image(&layout, a), "flat:1"));
    let source = layout.finish(&entries);
    let options = place.options().platform("linux/amd64".parse().unwrap());
    let loaded = load(&place.store, &source, &options, &Quiet).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(architecture_of(&place), "amd64");
}

#[test]
fn root_a_platform_that_is_not_there_is_named_with_those_that_are() {
    let place = Place::new();
    let (source, _) = nested(place.path("layout"));
    let options = place.options().platform("linux/riscv64".parse().unwrap());
    let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find an image for linux/riscv64: the source has linux/arm64, linux/amd64, linux/s390x"
    );
    assert!(matches!(
        error,
        LoadError::Source(SourceError::NoSuchPlatform { .. })
    ));
    place.assert_empty();
}

#[test]
fn root_an_image_without_a_platform_fits_any() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let layer = tar("architecture", "unnamed");
    let blob = layout.layer(Codec::Plain, &layer);
    let layers = std::slice::from_ref(&layer);
    let unnamed = layout.image_of(&config(layers, ""), vec![blob.clone()]);
    let index = layout.index(&[image(&layout, "s390x"), unnamed]);
    let source = layout.finish(&[index]);
    let options = place.options().platform("linux/riscv64".parse().unwrap());
    load(&place.store, &source, &options, &Quiet).unwrap();
    assert_eq!(architecture_of(&place), "unnamed");

    // What the image says itself counts more than that nothing is said of it.
    let layout = Layout::new(place.path("other"));
    layout.layer(Codec::Plain, &layer);
    let other = layout.image_of(&config(layers, "amd64"), vec![blob]);
    let source = layout.finish(&[other]);
    let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find an image for linux/riscv64: the source has linux/amd64"
    );
}

#[test]
fn root_indices_may_nest_but_not_without_end() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let mut entry = image(&layout, "amd64");
    for _ in 0..3 {
        entry = layout.index(&[on_platform(entry, "amd64")]);
    }
    let deep = layout.index(&[on_platform(entry.clone(), "amd64")]);
    let source = layout.finish(&[named(entry, "three:1")]);
    let options = place.options().platform("linux/amd64".parse().unwrap());
    load(&place.store, &source, &options, &Quiet).unwrap();
    // The topmost index is the one that is kept, as skopeo keeps it.
    let record = &records(&place.path("root"), "images")[0];
    assert_eq!(record["big-data-names"].as_array().unwrap().len(), 5);

    let place = Place::new();
    let layout = Layout { dir: source };
    let mut entry = deep;
    for _ in 0..8 {
        entry = layout.index(&[on_platform(entry, "amd64")]);
    }
    let source = layout.finish(&[entry]);
    let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
    assert!(matches!(
        error,
        LoadError::Source(SourceError::TooDeep { limit: 8 })
    ));
    place.assert_empty();
}

#[test]
fn root_the_only_image_is_loaded_whatever_platform_is_noted_for_it() {
    for (os, architecture) in [("linux", "s390x"), ("", "")] {
        let place = Place::new();
        let layout = Layout::new(place.path("layout"));
        let mut entry = image(&layout, "s390x");
        entry["platform"] = json!({ "architecture": architecture, "os": os });
        let source = layout.finish(&[entry]);
        assert_eq!(place.load(&source).unwrap().len(), 1);
        // Unless another one is asked for.
        let options = place.options().platform("linux/arm64".parse().unwrap());
        let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot find an image for linux/arm64: the source has linux/s390x"
        );
    }
}

#[test]
fn root_an_empty_platform_in_an_index_fits_any() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let mut entry = image(&layout, "s390x");
    entry["platform"] = json!({ "architecture": "", "os": "" });
    let index = layout.index(&[entry]);
    place.load(&layout.finish(&[index])).unwrap();
    assert_eq!(architecture_of(&place), "s390x");
}

#[test]
fn root_a_digest_chooses_whatever_the_platform() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let images = ["mips", "s390x"].map(|architecture| image(&layout, architecture));
    let wanted = digest(&images[1]).to_owned();
    let index = layout.index(&images);
    let source = layout.finish(&[named(index, "multi:1")]);
    let options = place.options().image(&wanted);
    let loaded = load(&place.store, &source, &options, &Quiet).unwrap();
    assert_eq!(loaded[0].digest.as_ref().unwrap().as_str(), wanted);
    assert_eq!(architecture_of(&place), "s390x");
}

#[test]
fn root_an_index_without_the_blobs_of_the_wanted_platform_says_what_it_has() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let host = Platform::host().architecture;
    let images = ["s390x", &host].map(|architecture| image(&layout, architecture));
    let missing = digest(&images[1]).to_owned();
    let index = layout.index(&images);
    std::fs::remove_file(layout.blob_path(&missing)).unwrap();
    let source = layout.finish(&[named(index, "multi:1")]);
    let error = place.load(&source).unwrap_err();
    let platform = Platform::host();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot load the image for {platform}: the source lists it, but does not hold its manifest {missing}: it has linux/s390x"
        )
    );
    place.assert_empty();
    let options = place.options().platform("linux/s390x".parse().unwrap());
    load(&place.store, &source, &options, &Quiet).unwrap();
    assert_eq!(architecture_of(&place), "s390x");
}

#[test]
fn root_images_without_names_are_all_loaded() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let plain = |content: &str| {
        let layer = tar("architecture", content);
        let blob = layout.layer(Codec::Gzip, &layer);
        layout.image_of(&config(&[layer], "amd64"), vec![blob])
    };
    let images = [plain("one"), plain("two"), plain("one")];
    let source = layout.finish(&images);
    assert_eq!(place.load(&source).unwrap().len(), 2);
    assert_eq!(place.store.snapshot().unwrap().images().count(), 2);

    // Each for another platform: one image.
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let host = Platform::host().architecture;
    let images = ["mips", &host].map(|architecture| image(&layout, architecture));
    assert_eq!(place.load(&layout.finish(&images)).unwrap().len(), 1);
    assert_eq!(architecture_of(&place), host);
}

/// Something that registries keep beside images: its configuration is none.
fn artifact(layout: &Layout) -> Value {
    let config = layout.blob("application/vnd.oci.empty.v1+json", b"{}");
    let text = layout.blob("text/plain", b"signed");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": crate::support::MANIFEST,
        "artifactType": "application/vnd.example.signature",
        "config": config,
        "layers": [text],
    });
    layout.blob(crate::support::MANIFEST, manifest.to_string().as_bytes())
}

#[test]
fn root_an_artifact_beside_an_image_is_left_out_and_told() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let beside = artifact(&layout);
    let image = image(&layout, "amd64");
    let source = layout.finish(&[beside.clone(), named(image, "app:1")]);
    let skipped = std::sync::Mutex::new(Vec::new());
    let progress = |event: Event<'_>| {
        if let Event::Skipped { digest, reason } = event {
            let text = format!("{digest}: {reason}");
            skipped.lock().unwrap().push(text);
        }
    };
    let loaded = load(&place.store, &source, &place.options(), &progress).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(
        *skipped.lock().unwrap(),
        [format!(
            "{}: it is not an image but an artifact: its configuration has the type \"application/vnd.example.signature\"",
            digest(&beside)
        )]
    );
}

#[test]
fn root_an_artifact_alone_or_chosen_is_refused() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let entry = artifact(&layout);
    let wanted = digest(&entry).to_owned();
    let source = layout.finish(&[entry]);
    let chosen = place.options().image(&wanted);
    for options in [place.options(), chosen] {
        let error = load(&place.store, &source, &options, &Quiet).unwrap_err();
        assert!(
            matches!(
                &error,
                LoadError::Source(SourceError::Manifest {
                    source: ManifestError::Artifact { .. },
                    ..
                })
            ),
            "{error:?}"
        );
    }
    place.assert_empty();
}
