//! Tests sizes.

use std::path::Path;

use layerhold::{BigDataItem, ContainerSpec, ErrorKind, ImageSpec, LayerSpec, MountRequest};

use crate::support::{Place, file_tar, reader, small_tar};

#[test]
fn of_layers_images_and_containers() {
    let place = Place::new();
    let store = &place.store;
    let mut tx = store.begin().unwrap();
    let (first, second) = (small_tar(), file_tar("b", &[1; 1000]));
    let base = tx
        .import_layer(LayerSpec::new().name("base"), reader(&first))
        .unwrap();
    let top = tx
        .import_layer(LayerSpec::new().parent(&base), reader(&second))
        .unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .name("image")
        .top_layer(&top)
        .big_data(BigDataItem::new("k", vec![0; 10]));
    let image = tx.create_image(spec).unwrap();
    let spec = ContainerSpec::new()
        .name("box")
        .image(image)
        .big_data(BigDataItem::new("k", vec![0; 7]));
    tx.create_container(spec).unwrap();
    tx.create_layer(LayerSpec::new().name("unknown")).unwrap();
    tx.commit().unwrap();
    assert_eq!(store.layer_size("base").unwrap(), first.len() as u64);
    assert_eq!(
        store.image_size("image").unwrap(),
        (first.len() + second.len() + 10) as u64
    );
    assert_eq!(
        store.layer_size("unknown").unwrap_err().kind(),
        Some(ErrorKind::SizeUnknown)
    );
    assert_eq!(store.container_size("box").unwrap(), 7);
    let path = store.mount("box", &MountRequest::new()).unwrap();
    std::fs::write(path.join("new"), vec![0; 300]).unwrap();
    store
        .set_container_file("box", Path::new("a/b"), &[0; 40])
        .unwrap();
    store
        .set_container_run_file("box", Path::new("c"), &[0; 5])
        .unwrap();
    assert_eq!(store.container_size("box").unwrap(), 300 + 7 + 40 + 5);
}

#[test]
fn layers_without_a_recorded_size_are_measured() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let layer = tx.create_layer(LayerSpec::new()).unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("image")
            .top_layer(&layer),
    )
    .unwrap();
    tx.commit().unwrap();
    let path = place
        .store
        .mount(layer.id().as_str(), &MountRequest::new())
        .unwrap();
    std::fs::write(path.join("f"), vec![0; 123]).unwrap();
    assert_eq!(place.store.image_size("image").unwrap(), 123);
}
