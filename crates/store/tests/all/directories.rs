//! Directories and files of callers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use layerhold::{ContainerSpec, DirectoryError, ErrorKind};

use crate::support::{Place, image, small_tar};

#[test]
fn directories_are_made_for_known_items_only() {
    let place = Place::new();
    let (image, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    let container = tx
        .create_container(ContainerSpec::new().name("box"))
        .unwrap();
    tx.commit().unwrap();
    let (c, i) = (container.id().as_str(), image.as_str());
    let cases = [
        (
            place.store.container_directory("box").unwrap(),
            place.graph(&format!("vfs-containers/{c}/userdata")),
        ),
        (
            place.store.container_run_directory("box").unwrap(),
            place.run(&format!("vfs-containers/{c}/userdata")),
        ),
        (
            place.store.image_directory("image").unwrap(),
            place.graph(&format!("vfs-images/{i}/userdata")),
        ),
        (
            place.store.image_run_directory("image").unwrap(),
            place.run(&format!("vfs-images/{i}/userdata")),
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(given, expected);
        assert_eq!(std::fs::metadata(given).unwrap().mode() & 0o7777, 0o700);
    }
    let error = place.store.image_directory("nosuch").unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::ImageUnknown));
    assert!(!place.graph("vfs-images/nosuch").exists());
}

#[test]
fn files_are_written_whole_and_below() {
    let place = Place::new();
    let store = &place.store;
    let mut tx = store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box"))
        .unwrap();
    tx.commit().unwrap();
    for name in ["config.json", "a/b/c"] {
        let name = Path::new(name);
        store.set_container_file("box", name, b"one").unwrap();
        store.set_container_file("box", name, b"two").unwrap();
        assert_eq!(store.container_file("box", name).unwrap(), b"two");
        store.set_container_run_file("box", name, b"run").unwrap();
        assert_eq!(store.container_run_file("box", name).unwrap(), b"run");
    }
    let written = store
        .container_directory("box")
        .unwrap()
        .join("config.json");
    assert_eq!(std::fs::metadata(written).unwrap().mode() & 0o7777, 0o600);
    for name in ["../x", "/etc/passwd", "", ".", "a/../../x"] {
        let error = store
            .set_container_file("box", Path::new(name), b"x")
            .unwrap_err();
        assert!(
            matches!(error, DirectoryError::InvalidName { .. }),
            "{name}: {error}"
        );
    }
    let DirectoryError::Os(error) = store
        .container_file("box", Path::new("nosuch"))
        .unwrap_err()
    else {
        panic!()
    };
    assert!(error.is_not_found());
}

#[test]
fn links_left_in_a_directory_lead_nowhere_else() {
    let place = Place::new();
    let store = &place.store;
    let mut tx = store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box"))
        .unwrap();
    tx.commit().unwrap();
    let dir = store.container_directory("box").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).unwrap();
    assert!(store.container_file("box", Path::new("link")).is_err());
    std::os::unix::fs::symlink(place.dir.path(), dir.join("out")).unwrap();
    assert!(
        store
            .set_container_file("box", Path::new("out/new"), b"x")
            .is_err()
            || !place.dir.path().join("new").exists()
    );
    assert!(!place.dir.path().join("new").exists());
}
