//! Tests directories and files of callers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use layerhold::{BigDataItem, ContainerSpec, DirectoryError, ErrorKind};
use layerhold_sys::{Dir, xattr};
use layerhold_testkit::{DEFAULT_ACL, SkipReason, generous_acl, skip};

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
fn data_inherits_no_access_list() {
    let place = Place::new();
    drop(image(&place.store, "image", &small_tar()));
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new().name("box");
    let early = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let run = place.run("vfs-containers");
    std::fs::create_dir_all(&run).unwrap();
    for above in [
        place.graph("vfs-containers"),
        place.graph("vfs-images"),
        run,
    ] {
        let above = Dir::open_ambient(above).unwrap();
        match xattr::set(&above, DEFAULT_ACL, &generous_acl()) {
            Err(error) if error.is_unsupported() => {
                return skip("no access control lists here", SkipReason::Kernel)
                    .unwrap_or_default();
            }
            other => other.unwrap(),
        }
    }
    let item = || BigDataItem::new("k", "v");
    place.store.set_container_data("box", item()).unwrap();
    let mut tx = place.store.begin().unwrap();
    let spec = ContainerSpec::new().name("late").big_data(item());
    let late = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let mut made = vec![
        place.store.container_directory("late").unwrap(),
        place.store.container_run_directory("late").unwrap(),
        place.store.image_directory("image").unwrap(),
    ];
    for container in [&early, &late] {
        let dir = place.graph("vfs-containers").join(container.id().as_str());
        made.extend([dir.join("k"), dir]);
    }
    for path in made {
        let dir = Dir::open_ambient(path.parent().unwrap()).unwrap();
        let set = xattr::list_at(&dir, path.file_name().unwrap()).unwrap();
        let mut set = set.iter().filter_map(|name| name.to_str());
        assert!(!set.any(|name| name.starts_with("system.")), "{path:?}");
    }
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
    let error = store
        .container_file("box", Path::new("nosuch"))
        .unwrap_err();
    assert!(error.is_not_found());
    let DirectoryError::File {
        container,
        name,
        source,
    } = error
    else {
        panic!("{error:?}")
    };
    let id = store.snapshot().unwrap().container("box").unwrap();
    assert_eq!((&container, name.as_path()), (id.id(), Path::new("nosuch")));
    assert!(source.is_not_found());
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
