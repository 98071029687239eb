//! Tests names, metadata and flags.

use layerhold::{ContainerSpec, ErrorKind, ImageSpec, LayerSpec, StageError, UpdateError};

use crate::support::{Place, image, import, small_tar};

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn names_are_set_added_removed_and_move() {
    let place = Place::new();
    let store = &place.store;
    let (first, _) = image(store, "one", &small_tar());
    let (second, _) = image(store, "two", &small_tar());
    store.add_names("one", &owned(&["b", "a", "b"])).unwrap();
    assert_eq!(store.names(first.as_str()).unwrap(), ["b", "a", "one"]);
    store.remove_names("one", &owned(&["a", "nosuch"])).unwrap();
    assert_eq!(store.names(first.as_str()).unwrap(), ["b", "one"]);
    store.set_names("two", &owned(&["one", "x"])).unwrap();
    assert_eq!(store.names(first.as_str()).unwrap(), ["b"]);
    assert_eq!(store.names(second.as_str()).unwrap(), ["one", "x"]);
    let view = store.snapshot().unwrap();
    assert_eq!(
        view.image(second.as_str()).unwrap().names_history(),
        ["x", "one"]
    );
    assert_eq!(
        view.image(first.as_str()).unwrap().names_history(),
        ["one", "b", "a"]
    );
    store.set_names("one", &[]).unwrap();
    assert_eq!(store.names(second.as_str()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_name_of_a_layer_and_of_an_image_are_two() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new().name("same"), &small_tar());
    let (image, _) = image(&place.store, "same", &small_tar());
    place.store.set_metadata("same", "of the layer").unwrap();
    assert_eq!(
        place.store.metadata(layer.id().as_str()).unwrap(),
        "of the layer"
    );
    assert_eq!(place.store.metadata(image.as_str()).unwrap(), "");
    place
        .store
        .set_names(image.as_str(), &owned(&["same"]))
        .unwrap();
    assert_eq!(place.store.names(layer.id().as_str()).unwrap(), ["same"]);
}

#[test]
fn nothing_is_no_item() {
    let place = Place::new();
    for error in [
        place.store.names("nosuch").unwrap_err(),
        place.store.set_names("nosuch", &[]).unwrap_err(),
        place.store.metadata("nosuch").unwrap_err(),
        place.store.set_metadata("nosuch", "x").unwrap_err(),
    ] {
        assert_eq!(error.kind(), Some(ErrorKind::NotAnId), "{error}");
    }
}

#[test]
fn flags_are_the_callers_but_for_one() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    place.store.set_flag("image", "kept", vec!["a"]).unwrap();
    place.store.set_flag("image", "gone", 1).unwrap();
    place.store.clear_flag("image", "gone").unwrap();
    assert!(
        place
            .records("vfs-images/images.json")
            .contains(r#""flags":{"kept":["a"]}"#)
    );
    let error = place
        .store
        .set_flag("image", "incomplete", true)
        .unwrap_err();
    assert!(matches!(error, UpdateError::ReservedFlag { .. }));
}

#[test]
fn the_flag_that_is_not_the_callers_is_refused_at_creation_too() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let layer = tx.create_layer(LayerSpec::new().flag("incomplete", true));
    let layer = layer.map(drop).unwrap_err();
    let import = LayerSpec::new().flag("incomplete", false);
    let import = tx.import_layer(import, small_tar().as_slice());
    let import = import.map(drop).unwrap_err();
    let image = ImageSpec::new().without_manifest().flag("incomplete", true);
    let image = tx.create_image(image).map(drop).unwrap_err();
    let container = ContainerSpec::new().flag("incomplete", true);
    let container = tx.create_container(container).map(drop).unwrap_err();
    for error in [layer, import, image, container] {
        assert!(matches!(error, StageError::ReservedFlag { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            r#"cannot set the flag "incomplete": it is reserved"#
        );
    }
    tx.commit().unwrap();
    let view = place.store.snapshot().unwrap();
    assert_eq!(view.layers().count(), 0);
    assert_eq!(view.images().count() + view.containers().count(), 0);
}

#[test]
fn fields_of_newer_versions_survive() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let file = place.graph("vfs-images/images.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("\"names\"", "\"novelty\":{\"x\":[1]},\"names\""),
    )
    .unwrap();
    let store = place.again();
    store.set_metadata("image", "x").unwrap();
    let after = std::fs::read_to_string(&file).unwrap();
    assert!(
        after.contains(r#""novelty":{"x":[1]}"#) && after.contains(r#""metadata":"x""#),
        "{after}"
    );
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    // The first change adds the name to the history.
    place
        .store
        .remove_names("image", &owned(&["nosuch"]))
        .unwrap();
    let inode = || {
        std::fs::metadata(place.graph("vfs-images/images.json"))
            .unwrap()
            .ino()
    };
    let before = inode();
    place.store.set_metadata("image", "").unwrap();
    place
        .store
        .remove_names("image", &owned(&["nosuch"]))
        .unwrap();
    assert_eq!(inode(), before);
}
