//! What a load leaves in a store.

use std::fs;
use std::sync::Mutex;

use layerhold_archive::Codec;
use layerhold_oci::{Event, SourceKind, load, load_stream};
use layerhold_testkit::Tree;
use serde_json::json;

use crate::support::{
    CREATED, Layout, Place, config, hex_of, named, pack, records, sha256, simple_layout, tar,
    two_layers,
};

#[test]
fn root_an_image_is_recorded_with_all_its_parts() {
    let place = Place::new();
    let source = simple_layout(place.path("layout"), Codec::Gzip, "example.com/app:1");
    let loaded = place.load(&source).unwrap();
    let layers = two_layers();
    let config = config(&layers, "amd64");
    let id = hex_of(&sha256(&config)).to_owned();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].id.as_str(), id);
    assert_eq!(loaded[0].names, ["example.com/app:1"]);
    assert_eq!((loaded[0].imported, loaded[0].reused), (2, 0));
    assert_eq!(loaded[0].source, SourceKind::OciLayout);

    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(source.join("index.json")).unwrap()).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest_size = index["manifests"][0]["size"].clone();
    assert_eq!(
        loaded[0].digest.as_ref().map(|d| d.as_str()),
        Some(manifest)
    );

    let bottom = hex_of(&sha256(&layers[0])).to_owned();
    let top = sha256(format!("{bottom}+{}", hex_of(&sha256(&layers[1]))).as_bytes());
    let signature = format!("signature-{}", hex_of(manifest));
    let empty = sha256(b"");
    let expected = json!([{
        "id": id,
        "digest": manifest,
        "names": ["example.com/app:1"],
        "names-history": ["example.com/app:1"],
        "layer": hex_of(&top),
        "metadata": format!("{{\"signatures-sizes\":{{\"{manifest}\":[]}}}}"),
        "big-data-names": [sha256(&config), format!("manifest-{manifest}"), "manifest", signature],
        "big-data-sizes": {
            "manifest": manifest_size,
            format!("manifest-{manifest}"): manifest_size,
            sha256(&config): config.len(),
            &signature: 0,
        },
        "big-data-digests": {
            "manifest": manifest,
            format!("manifest-{manifest}"): manifest,
            sha256(&config): sha256(&config),
            &signature: empty,
        },
        "created": CREATED,
    }]);
    let images = records(&place.path("root"), "images");
    assert_eq!(serde_json::Value::from(images), expected);

    let layers = records(&place.path("root"), "layers");
    assert_eq!(layers[0]["id"], json!(bottom));
    assert_eq!(layers[0]["compression"], json!(2));
    assert_eq!(layers[1]["id"], json!(hex_of(&top)));
    assert_eq!(layers[1]["parent"], json!(bottom));
}

#[test]
fn root_the_tree_is_that_of_the_layers() {
    let place = Place::new();
    let source = simple_layout(place.path("layout"), Codec::Zstd, "app");
    place.load(&source).unwrap();
    let view = place.store.snapshot().unwrap();
    let image = view.image("localhost/app:latest").unwrap();
    let top = image.top_layer().unwrap().as_str();
    let tree = Tree::of(&place.path("root/vfs/dir").join(top));
    let paths: Vec<_> = tree
        .paths()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(paths, ["etc", "etc/hard", "etc/keep", "link", "new"]);
    assert_eq!(
        tree.at("etc/keep").same_as.as_deref(),
        Some("etc/hard".as_ref())
    );
}

#[test]
fn root_every_way_in_gives_the_same_image() {
    let first = Place::new();
    let layout = simple_layout(first.path("layout"), Codec::Gzip, "example.com/app:1");
    first.load(&layout).unwrap();
    let expected = records(&first.path("root"), "images");
    let archive = pack(&layout);
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let place = Place::new();
        let path = place.path("archive");
        fs::write(&path, crate::support::compress(codec, &archive)).unwrap();
        let loaded = place.load(&path).unwrap();
        assert_eq!(loaded[0].source, SourceKind::OciArchive, "{codec}");
        assert_eq!(records(&place.path("root"), "images"), expected, "{codec}");

        let place = Place::new();
        let stream = fs::read(&path).unwrap_or_else(|_| crate::support::compress(codec, &archive));
        let options = place.options();
        let quiet = layerhold_oci::Quiet;
        load_stream(&place.store, &mut stream.as_slice(), &options, &quiet).unwrap();
        assert_eq!(
            records(&place.path("root"), "images"),
            expected,
            "stream, {codec}"
        );
    }
}

#[test]
fn root_loading_again_changes_nothing_but_adds_names() {
    let place = Place::new();
    let source = simple_layout(place.path("layout"), Codec::Gzip, "example.com/app:1");
    place.load(&source).unwrap();
    let layers = records(&place.path("root"), "layers");
    let images = records(&place.path("root"), "images");
    let loaded = place.load(&source).unwrap();
    assert_eq!((loaded[0].imported, loaded[0].reused), (0, 2));
    assert_eq!(records(&place.path("root"), "layers"), layers);
    assert_eq!(records(&place.path("root"), "images"), images);

    let options = place.options().names(["other:2", "example.com/app:1"]);
    load(&place.store, &source, &options, &layerhold_oci::Quiet).unwrap();
    let names = &records(&place.path("root"), "images")[0]["names"];
    assert_eq!(*names, json!(["example.com/app:1", "localhost/other:2"]));
}

#[test]
fn root_a_name_moves_to_the_image_loaded_last() {
    let place = Place::new();
    let old = Layout::new(place.path("old"));
    let image = old.image(&[tar("a", "old")], Codec::Plain);
    let old = old.finish(&[named(image, "app:1")]);
    let new = Layout::new(place.path("new"));
    let image = new.image(&[tar("a", "new")], Codec::Plain);
    let new = new.finish(&[named(image, "app:1")]);
    place.load(&old).unwrap();
    let loaded = place.load(&new).unwrap();
    let images = records(&place.path("root"), "images");
    assert_eq!(images[0].get("names"), None);
    assert_eq!(images[0]["names-history"], json!(["localhost/app:1"]));
    assert_eq!(images[1]["names"], json!(["localhost/app:1"]));
    let view = place.store.snapshot().unwrap();
    assert_eq!(*view.image("localhost/app:1").unwrap().id(), loaded[0].id);
}

#[test]
fn root_layers_are_shared_between_images() {
    let place = Place::new();
    let layers = two_layers();
    let other = vec![layers[0].clone(), tar("other", "x")];
    let layout = Layout::new(place.path("layout"));
    let images = [
        named(layout.image(&layers, Codec::Gzip), "one:1"),
        // The same layer in another form is the same layer.
        named(layout.image(&other, Codec::Zstd), "two:1"),
    ];
    let loaded = place.load(&layout.finish(&images)).unwrap();
    assert_eq!((loaded[0].imported, loaded[0].reused), (2, 0));
    assert_eq!((loaded[1].imported, loaded[1].reused), (1, 1));
    let records = records(&place.path("root"), "layers");
    assert_eq!(records.len(), 3);
    assert_eq!(records[1]["parent"], records[0]["id"]);
    assert_eq!(records[2]["parent"], records[0]["id"]);
}

#[test]
fn root_equal_layers_in_one_image_are_stacked() {
    let place = Place::new();
    let same = tar("same", "x");
    let layers = vec![same.clone(), same.clone(), same];
    let layout = Layout::new(place.path("layout"));
    let image = layout.image(&layers, Codec::Gzip);
    let loaded = place.load(&layout.finish(&[image])).unwrap();
    assert_eq!((loaded[0].imported, loaded[0].reused), (3, 0));
    let records = records(&place.path("root"), "layers");
    assert_eq!(records.len(), 3);
    assert_eq!(records[2]["parent"], records[1]["id"]);
    assert_eq!(records[1]["parent"], records[0]["id"]);
}

#[test]
fn root_empty_layers_and_images_without_layers_are_fine() {
    let place = Place::new();
    let empty = layerhold_testkit::TarBuilder::new().finish();
    let layout = Layout::new(place.path("layout"));
    let images = [
        named(layout.image(&[empty], Codec::Gzip), "empty:1"),
        named(layout.image_of(b"{}", Vec::new()), "artifact:1"),
    ];
    let loaded = place.load(&layout.finish(&images)).unwrap();
    assert_eq!((loaded[0].imported, loaded[1].imported), (1, 0));
    let view = place.store.snapshot().unwrap();
    assert!(
        view.image("localhost/empty:1")
            .unwrap()
            .top_layer()
            .is_some()
    );
    assert_eq!(
        view.image("localhost/artifact:1").unwrap().top_layer(),
        None
    );
}

#[test]
#[cfg(feature = "zstd")]
fn root_one_image_under_several_entries_is_one_image() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let gzip = layout.image(&two_layers(), Codec::Gzip);
    let zstd = layout.image(&two_layers(), Codec::Zstd);
    let entries = [
        named(gzip.clone(), "a:1"),
        named(gzip, "b:1"),
        named(zstd.clone(), "c:1"),
    ];
    let loaded = place.load(&layout.finish(&entries)).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(
        loaded[0].names,
        ["localhost/a:1", "localhost/b:1", "localhost/c:1"]
    );
    assert_eq!((loaded[0].imported, loaded[0].reused), (2, 4));
    let image = &records(&place.path("root"), "images")[0];
    assert_eq!(
        image["names"],
        json!(["localhost/c:1", "localhost/b:1", "localhost/a:1"])
    );
    // Both manifests are kept, and the last one is the image's.
    assert_eq!(image["big-data-names"].as_array().unwrap().len(), 6);
    assert_eq!(image["big-data-digests"]["manifest"], zstd["digest"]);
}

#[test]
fn root_sha512_blobs_are_checked_and_kept() {
    use sha2::Digest as _;
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let layer = tar("a", "b");
    let mut blob = layout.layer(Codec::Gzip, &layer);
    let bytes = fs::read(layout.blob_path(blob["digest"].as_str().unwrap())).unwrap();
    let digest = format!("sha512:{}", hex::encode(sha2::Sha512::digest(&bytes)));
    fs::create_dir(layout.dir.join("blobs/sha512")).unwrap();
    fs::write(layout.blob_path(&digest), &bytes).unwrap();
    blob["digest"] = json!(digest);
    let image = layout.image_of(&config(&[layer], "amd64"), vec![blob]);
    let source = layout.finish(&[image]);
    place.load(&source).unwrap();

    let other = Place::new();
    let path = source.join("blobs").join(digest.replace(':', "/"));
    let mut changed = bytes;
    // The modification time in the gzip header: the contents unpack as before.
    changed[5] ^= 1;
    fs::write(path, changed).unwrap();
    let error = other.load(&source).unwrap_err();
    assert!(
        matches!(&error, layerhold_oci::LoadError::LayerDigest { index: 0, expected, .. }
            if expected.as_str() == digest),
        "{error:?}"
    );
    other.assert_empty();
}

#[test]
fn root_events_add_up() {
    let place = Place::new();
    let layout = Layout::new(place.path("layout"));
    let layers = vec![tar("a", &"a".repeat(900_000)), tar("b", "b")];
    let image = layout.image(&layers, Codec::Plain);
    let source = layout.finish(&[image]);
    let seen = Mutex::new(Vec::new());
    let advanced = Mutex::new(0);
    let note = |event: Event<'_>| match event {
        Event::LayerStarted {
            index, of, size, ..
        } => {
            seen.lock()
                .unwrap()
                .push(format!("started {index}/{of} {size}"));
        }
        Event::LayerAdvanced { bytes, .. } => *advanced.lock().unwrap() += bytes,
        Event::LayerFinished { index } => seen.lock().unwrap().push(format!("finished {index}")),
        Event::LayerReused { index, .. } => seen.lock().unwrap().push(format!("reused {index}")),
        Event::Committing => seen.lock().unwrap().push("committing".to_owned()),
        _ => {}
    };
    load(&place.store, &source, &place.options(), &note).unwrap();
    let sizes: Vec<usize> = layers.iter().map(Vec::len).collect();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            format!("started 0/2 {}", sizes[0]),
            "finished 0".to_owned(),
            format!("started 1/2 {}", sizes[1]),
            "finished 1".to_owned(),
            "committing".to_owned(),
        ]
    );
    assert_eq!(
        *advanced.lock().unwrap(),
        sizes.iter().sum::<usize>() as u64
    );
    seen.lock().unwrap().clear();
    load(&place.store, &source, &place.options(), &note).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        ["reused 0", "reused 1", "committing"]
    );
}
