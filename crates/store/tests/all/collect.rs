//! Tests garbage collection.

use layerhold::{CollectError, ContainerSpec, DeleteMode, ErrorKind, ItemKind, LayerSpec};

use crate::support::{Place, age, image, import, leftovers, long, mark_incomplete, small_tar};

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
    let report = place.store.garbage_collect(DeleteMode::Delete).unwrap();
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
    assert!(
        place
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
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
    assert!(
        store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
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
            let error = store.garbage_collect(DeleteMode::Delete).unwrap_err();
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
    assert!(
        place
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
    import(&place.store, LayerSpec::new(), &small_tar());
    assert!(
        place
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
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
    assert!(
        place
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
    let report = place
        .store
        .check(&layerhold::check::CheckOptions::new())
        .unwrap();
    assert_eq!(report.findings.len(), 3, "{report:?}");
    assert!(report.removals.is_empty(), "{report:?}");
    // With contents in this store, the files are garbage.
    std::fs::create_dir_all(place.graph("vfs/dir").join(&stray)).unwrap();
    let report = place.store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!((report.tar_splits.len(), report.layer_dirs.len()), (1, 1));
    assert!(!split.exists() && data.exists());
}

#[test]
fn a_dry_run_reports_what_a_collection_removes_and_changes_nothing() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let cut_off = tx
        .create_container(ContainerSpec::new().name("box").image(image.clone()))
        .unwrap();
    tx.commit().unwrap();
    drop(place.store.container_directory("box").unwrap());
    let stray = long('f');
    for dir in ["vfs/dir", "vfs-layers", "vfs-images", "vfs-containers"] {
        std::fs::create_dir_all(place.graph(dir).join(&stray).join("x")).unwrap();
    }
    age(&place.graph("vfs-containers").join(&stray));
    let split = format!("vfs-layers/{stray}.tar-split.gz");
    let temporary = [
        place.graph("vfs-layers/.tmp-layers.json123"),
        place.run("vfs-layers/.tmp-mountpoints.json9"),
    ];
    for file in temporary.iter().chain([&place.graph(&split)]) {
        std::fs::write(file, "[").unwrap();
    }
    let area = place.graph("vfs-layers/tmp");
    std::fs::create_dir_all(area.join("temp-dir-12")).unwrap();
    std::fs::write(area.join("lock-12"), "").unwrap();
    // The deletion of the container was cut off.
    mark_incomplete(&place, cut_off.layer().as_str());
    let store = place.again();
    let before = (
        tree(place.dir.path()),
        place.records("vfs-layers/layers.json"),
    );

    let dry = store.garbage_collect(DeleteMode::DryRun).unwrap();
    let after = (
        tree(place.dir.path()),
        place.records("vfs-layers/layers.json"),
    );
    assert_eq!(before, after);

    let container = cut_off.id().to_string();
    assert_eq!(dry.container_dirs, [stray.clone(), container]);
    assert_eq!(dry.image_dirs, std::slice::from_ref(&stray));
    assert_eq!(
        dry.layers,
        [stray.parse().unwrap(), cut_off.layer().clone()]
    );
    assert_eq!(
        (&dry.tar_splits, &dry.layer_dirs),
        (&vec![stray.clone()], &vec![stray])
    );
    assert_eq!(dry.temporary_files, temporary);
    assert_eq!(dry.areas, [area.join("temp-dir-12")]);

    assert_eq!(store.garbage_collect(DeleteMode::Delete).unwrap(), dry);
    assert!(
        store
            .garbage_collect(DeleteMode::DryRun)
            .unwrap()
            .is_empty()
    );
    let view = store.snapshot().unwrap();
    assert_eq!((view.layers().count(), view.containers().count()), (1, 0));
}

/// The paths of all files below a directory but lock files, which locking may create.
fn tree(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        }
        found.push(entry.path());
    }
    found.retain(|path| path.extension() != Some("lock".as_ref()));
    found.sort();
    found
}
