//! Tests garbage collection.

use layerhold::{CollectError, ContainerSpec, ErrorKind, ItemKind, LayerSpec};

use crate::support::{Place, age, image, import, leftovers, long, small_tar};

#[test]
fn only_what_no_record_names_goes() {
    let place = Place::new();
    let (image, layer) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box").image(image))
        .unwrap();
    tx.commit().unwrap();
    let kept = place.store.image_directory("image").unwrap();
    let stray = long('f');
    for dir in ["vfs/dir", "vfs-layers", "vfs-images", "vfs-containers"] {
        std::fs::create_dir_all(place.graph(dir).join(&stray).join("x")).unwrap();
    }
    age(&place.graph("vfs-containers").join(&stray));
    std::fs::write(
        place.graph(&format!("vfs-layers/{stray}.tar-split.gz")),
        "x",
    )
    .unwrap();
    // Names that the library does not generate belong to other programs.
    std::fs::create_dir_all(place.graph("vfs-images/mine")).unwrap();
    let report = place.store.garbage_collect().unwrap();
    assert_eq!(report.layers, [stray.as_str()]);
    assert_eq!(
        (report.container_dirs, report.image_dirs),
        (vec![stray.clone()], vec![stray.clone()])
    );
    assert_eq!(
        (report.tar_splits, report.layer_dirs),
        (vec![stray.clone()], vec![stray.clone()])
    );
    for dir in ["vfs/dir", "vfs-layers", "vfs-images", "vfs-containers"] {
        assert!(!place.graph(dir).join(&stray).exists(), "{dir}");
    }
    assert!(kept.exists() && place.graph("vfs-images/mine").exists());
    assert!(place.graph("vfs/dir").join(layer.as_str()).exists());
    assert!(place.store.garbage_collect().unwrap().is_empty());
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn what_records_refer_to_stays() {
    let place = Place::new();
    let (_, base) = image(&place.store, "image", &small_tar());
    let upper = import(
        &place.store,
        LayerSpec::new().parent(base.clone()),
        &small_tar(),
    );
    let path = place.graph("vfs-layers/layers.json");
    let mut records: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let list = records.as_array_mut().unwrap();
    list.retain(|record| record["id"] != base.as_str());
    assert_eq!(list.len(), 1, "{upper:?}");
    std::fs::write(&path, records.to_string()).unwrap();
    let store = place.again();
    assert!(store.garbage_collect().unwrap().is_empty());
    assert!(place.graph("vfs/dir").join(base.as_str()).exists());
    let split = format!("vfs-layers/{base}.tar-split.gz");
    assert!(place.graph(&split).exists());
}

#[test]
fn nothing_is_collected_beside_damaged_records() {
    for (file, kind) in [
        ("vfs-layers/layers.json", ItemKind::Layer),
        ("vfs-images/images.json", ItemKind::Image),
        ("vfs-containers/containers.json", ItemKind::Container),
    ] {
        for damage in [
            Some(""),
            Some("[{"),
            Some(r#"[{"id":"a","created":7}]"#),
            Some("nonsense"),
            None,
        ] {
            let place = Place::new();
            let (image, _) = image(&place.store, "image", &small_tar());
            let mut tx = place.store.begin().unwrap();
            tx.create_container(ContainerSpec::new().name("box").image(image))
                .unwrap();
            tx.commit().unwrap();
            drop(place.store.image_directory("image").unwrap());
            drop(place.store.container_directory("box").unwrap());
            let before = std::fs::read_dir(place.graph("vfs/dir")).unwrap().count();
            match damage {
                Some(text) => std::fs::write(place.graph(file), text).unwrap(),
                None => std::fs::remove_file(place.graph(file)).unwrap(),
            }
            let store = place.again();
            let error = store.garbage_collect().unwrap_err();
            assert!(
                matches!(&error, CollectError::Damaged { kind: found, .. } if *found == kind),
                "{file} {damage:?}: {error}"
            );
            assert_eq!(error.kind(), Some(ErrorKind::LoadError));
            assert_eq!(
                std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
                before
            );
            assert!(
                place
                    .graph("vfs-images")
                    .join(
                        place
                            .store
                            .image_directory("image")
                            .map_or("x".into(), |d| d
                                .parent()
                                .unwrap()
                                .file_name()
                                .unwrap()
                                .to_owned())
                    )
                    .exists()
                    || kind == ItemKind::Image
            );
        }
    }
}

#[test]
fn a_new_store_has_no_garbage() {
    let place = Place::new();
    assert!(place.store.garbage_collect().unwrap().is_empty());
    import(&place.store, LayerSpec::new(), &small_tar());
    assert!(place.store.garbage_collect().unwrap().is_empty());
}

#[test]
fn files_of_layers_that_may_be_in_an_image_store_stay() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let stray = long('f');
    let split = place.graph(&format!("vfs-layers/{stray}.tar-split.gz"));
    std::fs::write(&split, "x").unwrap();
    std::fs::create_dir_all(place.graph("vfs-layers").join(&stray)).unwrap();
    // So do files that a caller keeps for an image of another store.
    let data = place.graph("vfs-images").join(&stray).join("userdata/x");
    std::fs::create_dir_all(&data).unwrap();
    assert!(place.store.garbage_collect().unwrap().is_empty());
    let report = place
        .store
        .check(&layerhold::check::CheckOptions::new())
        .unwrap();
    assert_eq!(report.findings.len(), 3, "{report:?}");
    assert!(report.removals.is_empty(), "{report:?}");
    // With contents in this store, the files are garbage.
    std::fs::create_dir_all(place.graph("vfs/dir").join(&stray)).unwrap();
    let report = place.store.garbage_collect().unwrap();
    assert_eq!((report.tar_splits.len(), report.layer_dirs.len()), (1, 1));
    assert!(!split.exists() && data.exists());
}
