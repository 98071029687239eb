//! Tests big data items.

use layerhold::layerhold_ids::Digest;
use layerhold::{BigDataItem, ContainerSpec, DataError, ErrorKind, LayerSpec};

use crate::support::{Place, image, import, long, small_tar};

const OF_DATA: &str = "sha256:3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";

#[test]
fn of_images() {
    let place = Place::new();
    let store = &place.store;
    image(store, "image", &small_tar());
    store
        .set_image_data("image", BigDataItem::new("Config", "data"))
        .unwrap();
    assert_eq!(store.image_data("image", "Config").unwrap(), b"data");
    assert_eq!(store.image_data_size("image", "Config").unwrap(), 4);
    assert_eq!(
        store.image_data_digest("image", "Config").unwrap().as_str(),
        OF_DATA
    );
    let digest: Digest = format!("sha256:{}", long('9')).parse().unwrap();
    store
        .set_image_data(
            "image",
            BigDataItem::new("manifest", "{}").with_digest(digest.clone()),
        )
        .unwrap();
    assert_eq!(
        store.image_data_names("image").unwrap(),
        ["Config", "manifest"]
    );
    assert_eq!(store.snapshot().unwrap().images_by_digest(&digest).len(), 1);
    assert_eq!(
        store.snapshot().unwrap().image("image").unwrap().digest(),
        Some(digest)
    );
    let error = store
        .set_image_data("image", BigDataItem::new("manifest-x", "{}"))
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::DigestUnknown));
    assert!(matches!(
        store.image_data("image", "nosuch").unwrap_err(),
        DataError::NotFound { .. }
    ));
    assert_eq!(
        store.image_data("nosuch", "x").unwrap_err().kind(),
        Some(ErrorKind::ImageUnknown)
    );
    let error = store
        .set_image_data("image", BigDataItem::new("", "x"))
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::InvalidBigDataName));
}

#[test]
fn of_containers() {
    let place = Place::new();
    let store = &place.store;
    let mut tx = store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box"))
        .unwrap();
    tx.commit().unwrap();
    store
        .set_container_data("box", BigDataItem::new("k", "long ago"))
        .unwrap();
    store
        .set_container_data("box", BigDataItem::new("k", "data"))
        .unwrap();
    assert_eq!(store.container_data("box", "k").unwrap(), b"data");
    assert_eq!(store.container_data_size("box", "k").unwrap(), 4);
    assert_eq!(
        store.container_data_digest("box", "k").unwrap().as_str(),
        OF_DATA
    );
    assert_eq!(store.container_data_names("box").unwrap(), ["k"]);
    assert_eq!(
        store.container_data("nosuch", "x").unwrap_err().kind(),
        Some(ErrorKind::ContainerUnknown)
    );
}

#[test]
fn of_layers() {
    use std::io::Read;
    let place = Place::new();
    let store = &place.store;
    import(store, LayerSpec::new().name("base"), &small_tar());
    store
        .set_layer_data("base", "k", &mut &b"data"[..])
        .unwrap();
    let mut text = String::new();
    store
        .layer_data("base", "k")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(
        (text.as_str(), store.layer_data_names("base").unwrap()),
        ("data", vec!["k".to_owned()])
    );
    assert!(matches!(
        store.layer_data("base", "x").unwrap_err(),
        DataError::NotFound { .. }
    ));
    let error = store
        .set_layer_data("base", "..", &mut &b""[..])
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::InvalidBigDataName));
}

#[test]
fn what_the_record_does_not_say_is_found_out() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    place
        .store
        .set_image_data("image", BigDataItem::new("Config", "data"))
        .unwrap();
    let file = place.graph("vfs-images/images.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let start = text.find(",\"big-data-sizes\"").unwrap();
    let end = text.find(",\"created\"").unwrap();
    std::fs::write(&file, format!("{}{}", &text[..start], &text[end..])).unwrap();
    let store = place.again();
    assert_eq!(store.image_data_size("image", "Config").unwrap(), 4);
    assert_eq!(
        store.image_data_digest("image", "Config").unwrap().as_str(),
        OF_DATA
    );
}
