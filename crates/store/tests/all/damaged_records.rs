//! Tests that damaged records can be deleted, and nothing else with them.

use std::path::PathBuf;

use layerhold::layerhold_ids::LayerId;
use layerhold::{ContainerSpec, DeleteMode, ErrorKind, Store};

use crate::support::{Place, image, long, small_tar};

/// Puts a record in front of those of a file.
fn add(place: &Place, file: &str, record: &str) {
    let path = place.graph(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "[]".to_owned());
    let separator = if text == "[]" { "" } else { "," };
    let text = text.replacen('[', &format!("[{record}{separator}"), 1);
    std::fs::write(path, text).unwrap();
}

fn entries(dir: PathBuf) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

fn counts(store: &Store) -> (usize, usize, usize, usize) {
    let view = store.snapshot().unwrap();
    let damaged = view.damaged().len();
    (
        view.layers().count(),
        view.images().count(),
        view.containers().count(),
        damaged,
    )
}

#[test]
fn an_image_goes_and_its_layers_stay() {
    let place = Place::new();
    let (good, layer) = image(&place.store, "good", &small_tar());
    let bad = long('b');
    let record = format!(r#"{{"id":"{bad}","names":["bad"],"layer":"{layer}","created":7}}"#);
    let data = place.graph("vfs-images").join(&bad);
    for key in ["bad", &bad, &bad[..10]] {
        add(&place, "vfs-images/images.json", &record);
        std::fs::create_dir(&data).unwrap();
        // A new handle, because the token does not show a change by hand.
        let store = place.again();
        assert_eq!(counts(&store), (1, 1, 0, 1));
        let unusable = store.image_size(&bad).unwrap_err();
        assert_eq!(unusable.kind(), Some(ErrorKind::LoadError));
        let listed = store.delete_image(key, DeleteMode::DryRun).unwrap();
        assert_eq!((listed, counts(&store)), (vec![], (1, 1, 0, 1)));
        let removed = store.delete_image(key, DeleteMode::Delete).unwrap();
        assert_eq!((removed, counts(&store)), (vec![], (1, 1, 0, 0)));
        assert!(!data.exists());
    }
    let removed = place
        .again()
        .delete_image(good.as_str(), DeleteMode::Delete);
    assert_eq!(removed.unwrap(), [layer]);
}

#[test]
fn a_container_and_a_layer_go() {
    let place = Place::new();
    let (image, layer) = image(&place.store, "good", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box").image(image))
        .unwrap();
    tx.commit().unwrap();
    let (box_id, own) = (container.id().as_str(), container.layer().as_str());
    let file = place.graph("vfs-containers/containers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(&format!(r#""layer":"{own}""#), r#""layer":"../x""#);
    std::fs::write(&file, text).unwrap();
    let file = place.graph("vfs-layers/layers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find(own).unwrap();
    let (before, after) = text.split_at(at);
    let after = after.replacen(r#""created":""#, r#""created":"never"#, 1);
    std::fs::write(&file, format!("{before}{after}")).unwrap();

    let store = place.again();
    assert_eq!(counts(&store), (1, 1, 0, 2));
    store.delete_container("box").unwrap();
    assert!(!place.graph("vfs-containers").join(box_id).exists());
    assert_eq!(counts(&store), (1, 1, 0, 1));
    // The layer of the container stays, and can be deleted too.
    assert!(place.graph("vfs/dir").join(own).exists());
    let in_use = store.delete_layer(layer.as_str()).unwrap_err();
    assert_eq!(in_use.kind(), Some(ErrorKind::LayerUsedByImage));
    store.delete_layer(own).unwrap();
    assert!(!place.graph("vfs/dir").join(own).exists());
    assert_eq!(counts(&store), (1, 1, 0, 0));
}

#[test]
fn an_id_that_is_a_path_leads_nowhere() {
    let place = Place::new();
    image(&place.store, "good", &small_tar());
    let id = "../vfs-containers";
    for (file, record) in [
        (
            "vfs-images/images.json",
            format!(r#"{{"id":"{id}","created":"2024-01-01T00:00:00Z"}}"#),
        ),
        (
            "vfs-layers/layers.json",
            format!(r#"{{"id":"{id}","created":"2024-01-01T00:00:00Z"}}"#),
        ),
        (
            "vfs-containers/containers.json",
            r#"{"id":"../vfs-images","layer":"a"}"#.to_owned(),
        ),
    ] {
        add(&place, file, &record);
    }
    let store = place.again();
    assert_eq!(counts(&store), (1, 1, 0, 3));
    store.delete_image(id, DeleteMode::Delete).unwrap();
    store.delete_layer(id).unwrap();
    store.delete_container("../vfs-images").unwrap();
    assert_eq!(counts(&store), (1, 1, 0, 0));
    assert!(place.graph("vfs-images/images.json").exists());
    assert!(place.graph("vfs-containers/containers.json").exists());
    // Wiping does not follow the path either.
    add(
        &place,
        "vfs-images/images.json",
        r#"{"id":"../vfs-containers","layer":7}"#,
    );
    place.again().wipe().unwrap();
    assert!(place.graph("vfs-containers/containers.json").exists());
    assert_eq!(entries(place.graph("vfs/dir")), 0);
}

#[test]
fn deleting_without_a_kind_finds_them_too() {
    let place = Place::new();
    image(&place.store, "good", &small_tar());
    let bad: LayerId = long('c').parse().unwrap();
    std::fs::create_dir(place.graph("vfs/dir").join(bad.as_str())).unwrap();
    add(
        &place,
        "vfs-layers/layers.json",
        &format!(r#"{{"id":"{bad}","created":7}}"#),
    );
    add(
        &place,
        "vfs-images/images.json",
        &format!(r#"{{"id":"{}","names":7}}"#, long('d')),
    );
    let store = place.again();
    assert_eq!(counts(&store), (1, 1, 0, 2));
    store.delete(bad.as_str()).unwrap();
    store.delete(&long('d')).unwrap();
    assert_eq!(counts(&store), (1, 1, 0, 0));
    assert!(!place.graph("vfs/dir").join(bad.as_str()).exists());
}

#[test]
fn what_is_no_record_is_deleted_by_the_id_it_begins_with() {
    let place = Place::new();
    image(&place.store, "good", &small_tar());
    let bad = long('e');
    for file in [
        "vfs-images/images.json",
        "vfs-layers/layers.json",
        "vfs-containers/containers.json",
    ] {
        add(&place, file, &format!(r#"{{"id":"{bad}","names":}}"#));
    }
    let store = place.again();
    assert_eq!(counts(&store), (1, 1, 0, 3));
    store.delete_image(&bad, DeleteMode::Delete).unwrap();
    store.delete_layer(&bad).unwrap();
    store.delete_container(&bad).unwrap();
    assert_eq!(counts(&store), (1, 1, 0, 0));
    let gone = store.delete_layer(&bad).unwrap_err();
    assert_eq!(gone.kind(), Some(ErrorKind::NotALayer));
    // Its bytes are kept beside the file.
    let kept = std::fs::read_dir(place.graph("vfs-images")).unwrap();
    let mut kept = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(kept.any(|name| name.starts_with("images.json.damaged-")));
}
