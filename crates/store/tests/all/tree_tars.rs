//! Tests of the whole tree of a layer as a tar.

use std::collections::BTreeMap;
use std::io::Read;

use layerhold::{ContainerSpec, DiffError, ImageSpec, LayerSpec};
use layerhold_testkit::{TarBuilder, TarEntry};

use crate::support::{Place, image, import, reader, small_tar};

/// The entries of a tar, with the contents of files.
fn entries(mut tar: impl Read) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(&mut tar);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        found.insert(path, text);
    }
    found
}

#[test]
fn a_tree_is_that_of_all_parents_without_whiteouts() {
    let place = Place::new();
    let base = import(&place.store, LayerSpec::new(), &small_tar());
    let tar = TarBuilder::new()
        .entry(TarEntry::file("etc/.wh.link", ""))
        .entry(TarEntry::file("new", "1"))
        .finish();
    let mut tx = place.store.begin().unwrap();
    let top = tx
        .import_layer(LayerSpec::new().parent(&base), reader(&tar))
        .unwrap();
    let image = tx
        .create_image(ImageSpec::new().without_manifest().top_layer(&top))
        .unwrap();
    let spec = ContainerSpec::new().image(image.clone()).name("box");
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let wanted = [("etc/", ""), ("etc/hostname", "box\n"), ("new", "1")]
        .map(|(path, text)| (path.to_owned(), text.to_owned()));
    for tar in [
        place.store.tree_tar("box").unwrap(),
        place.store.tree_tar(&image).unwrap(),
        place.store.tree_tar(top.id()).unwrap(),
    ] {
        assert_eq!(entries(tar), BTreeMap::from(wanted.clone()));
    }
}

#[test]
fn what_has_no_tree_is_said() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_image(ImageSpec::new().without_manifest().name("empty"))
        .unwrap();
    tx.commit().unwrap();
    let error = place.store.tree_tar("gone").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let error = place.store.tree_tar("empty").unwrap_err();
    assert!(matches!(error, DiffError::NoLayers { .. }), "{error:?}");
}
