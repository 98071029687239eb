//! Tests owners of files that containers with ID maps write, for every way to shift owners.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use layerhold::check::CheckOptions;
use layerhold::layerhold_driver::Shifting;
use layerhold::layerhold_idmap::IdMappingOptions;
use layerhold::layerhold_ids::{ImageId, LayerId};
use layerhold::{
    ContainerSpec, DiffCompression, ImageSpec, Key, LayerSpec, MountRequest, Shutdown, Store,
    StoreOptions, Unmounting,
};
use layerhold_sys::best_effort;
use layerhold_testkit::{TarBuilder, TarEntry, TempDir, require_root, scratch};

use crate::support::{image, ranges, reader};

/// A store of one way to shift owners.
struct Place {
    dir: TempDir,
    options: StoreOptions,
    store: Store,
}

impl Place {
    fn new(driver: &str, shifting: Shifting) -> Self {
        let dir = scratch();
        let options = StoreOptions::new(dir.path().join("root"), dir.path().join("runroot"))
            .with_driver(driver)
            .with_shifting(shifting);
        let store = Store::open(options.clone()).unwrap();
        Self {
            dir,
            options,
            store,
        }
    }

    fn container(&self, image: &ImageId, maps: &IdMappingOptions) -> (String, LayerId) {
        let mut tx = self.store.begin().unwrap();
        let spec = ContainerSpec::new()
            .image(image.clone())
            .id_maps(maps.clone());
        let made = tx.create_container(spec).unwrap();
        tx.commit().unwrap();
        (made.id().to_string(), made.layer().clone())
    }

    fn mounted<T>(&self, key: &str, work: impl FnOnce(&Path) -> T) -> T {
        let path = self.store.mount(key, &MountRequest::new()).unwrap();
        let done = work(&path);
        self.store.unmount(key, Unmounting::Once).unwrap();
        done
    }

    fn diff(&self, layer: &LayerId) -> Vec<u8> {
        let plain = DiffCompression::As(layerhold::Codec::Plain);
        let mut diff = self.store.diff(None, layer.as_str(), plain).unwrap();
        let mut tar = Vec::new();
        diff.read_to_end(&mut tar).unwrap();
        tar
    }

    fn changes(&self, from: Option<&str>, layer: &LayerId) -> Vec<String> {
        let changes = self
            .store
            .changes(from.map(Key::from), layer.as_str())
            .unwrap();
        changes.iter().map(ToString::to_string).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        best_effort(self.store.shutdown(Shutdown::Force));
    }
}

/// Every way to shift that this host supports.
fn every_way(test: impl Fn(&Place)) {
    if require_root().is_none() {
        return;
    }
    for (driver, shifting) in [
        ("overlay", Shifting::Allowed),
        ("overlay", Shifting::Disabled),
        ("vfs", Shifting::Allowed),
    ] {
        test(&Place::new(driver, shifting));
    }
}

fn base() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("d").owner(1, 2).mtime(1000))
        .entry(TarEntry::file("d/f", "x").owner(3, 4).mtime(1000))
        .file("gone", 0o644, "x")
        .finish()
}

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.uid(), stat.gid())
}

fn put(path: &Path, uid: u32, mode: u32) {
    fs::write(path, "new").unwrap();
    chown(path, Some(uid), Some(uid)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Owners and modes in a tar, by name.
fn owners(tar: &[u8]) -> BTreeMap<String, (i64, i64, i64)> {
    let mut reader = layerhold_tar_format::Reader::new(tar);
    let mut owners = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        let name = String::from_utf8(header.name.clone()).unwrap();
        owners.insert(name, (header.uid, header.gid, header.mode & 0o7777));
    }
    owners
}

#[test]
fn root_what_a_container_writes_has_the_owners_that_it_sees() {
    every_way(|place| {
        let maps = ranges(&[(0, 100_000, 65536)]);
        let (first, top) = image(&place.store, "image", &base());
        let (container, layer) = place.container(&first, &maps);
        place.mounted(&container, |path| {
            put(&path.join("roots"), 100_000, 0o4755);
            put(&path.join("users"), 100_005, 0o644);
            chown(path.join("d/f"), Some(100_007), None).unwrap();
            fs::remove_file(path.join("gone")).unwrap();
        });
        let tar = place.diff(&layer);
        let mut said = owners(&tar);
        // The owner of a whiteout has no meaning.
        assert!(said.remove(".wh.gone").is_some());
        let expected = [
            ("d/", (1, 2, 0o755)),
            ("d/f", (7, 4, 0o644)),
            ("roots", (0, 0, 0o4755)),
            ("users", (5, 5, 0o644)),
        ];
        let expected = expected.map(|(name, said)| (name.to_owned(), said));
        assert_eq!(said, BTreeMap::from(expected));
        let changed = ["C /d", "C /d/f", "D /gone", "A /roots", "A /users"];
        assert_eq!(place.changes(None, &layer), changed);
        assert_eq!(place.changes(Some(top.as_str()), &layer), changed);
        assert_eq!(place.store.diff_size(None, layer.as_str()).unwrap(), 7);

        // Another container of an image of this layer sees the same.
        let mut tx = place.store.begin().unwrap();
        let spec = LayerSpec::new().parent(top).read_only();
        let committed = tx.import_layer(spec, reader(&tar)).unwrap();
        let spec = ImageSpec::new()
            .without_manifest()
            .name("second")
            .top_layer(&committed);
        let second = tx.create_image(spec).unwrap();
        tx.commit().unwrap();
        let (second, _) = place.container(&second, &maps);
        place.mounted(&second, |path| {
            assert_eq!(owner(path), (100_000, 100_000));
            assert_eq!(owner(path.join("roots")), (100_000, 100_000));
            assert_eq!(owner(path.join("users")), (100_005, 100_005));
            assert_eq!(owner(path.join("d/f")), (100_007, 100_004));
            let mode = fs::metadata(path.join("roots")).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o4755);
        });
        let report = place.store.check(&CheckOptions::new()).unwrap();
        assert!(report.is_clean(), "{report:?}");
    });
}

#[test]
fn root_the_root_directory_belongs_to_the_root_of_the_container() {
    every_way(|place| {
        // The maps of podman's `--userns=keep-id`: root in the image is a user on the host.
        let maps = ranges(&[(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64536)]);
        let (image, _) = image(&place.store, "image", &base());
        let (container, layer) = place.container(&image, &maps);
        place.mounted(&container, |path| {
            assert_eq!(owner(path), (1, 1));
            assert_eq!(owner(path.join("d/f")), (4, 5));
            put(&path.join("users"), 0, 0o644);
        });
        assert_eq!(
            owners(&place.diff(&layer)),
            BTreeMap::from([("users".to_owned(), (1000, 1000, 0o644))])
        );
        // Files that the container gives to other users keep these owners.
        place.mounted(&container, |path| chown(path, Some(0), Some(5)).unwrap());
        place.mounted(&container, |path| assert_eq!(owner(path), (0, 5)));
    });
}

#[test]
fn root_a_diff_applied_to_a_container_has_its_owners() {
    every_way(|place| {
        let maps = ranges(&[(0, 100_000, 65536)]);
        let (image, _) = image(&place.store, "image", &base());
        let (container, layer) = place.container(&image, &maps);
        let tar = TarBuilder::new()
            .entry(TarEntry::file("applied", "x").owner(9, 10))
            .finish();
        let applied = place.store.apply_diff(layer.as_str(), reader(&tar));
        assert_eq!(applied.unwrap(), 1);
        // By the ID of its layer it is the same mount.
        for key in [container.as_str(), layer.as_str()] {
            place.mounted(key, |path| {
                assert_eq!(owner(path.join("applied")), (100_009, 100_010));
                assert_eq!(owner(path.join("d/f")), (100_003, 100_004));
            });
        }
        let report = place.store.check(&CheckOptions::new()).unwrap();
        assert!(report.is_clean(), "{report:?}");
    });
}

/// A layer that was made without shifting is not damage where mounts shift.
#[test]
fn root_rewritten_owners_are_no_damage_where_mounts_shift() {
    if require_root().is_none() {
        return;
    }
    let place = Place::new("overlay", Shifting::Disabled);
    let (image, _) = image(&place.store, "image", &base());
    let (container, _) = place.container(&image, &ranges(&[(0, 100_000, 65536)]));
    let other = Store::open(place.options.clone().with_shifting(Shifting::Allowed)).unwrap();
    let report = other.check(&CheckOptions::new()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let path = other.mount(&container, &MountRequest::new()).unwrap();
    assert_eq!(owner(path.join("d/f")), (100_003, 100_004));
    other.unmount(&container, Unmounting::Once).unwrap();
    assert!(place.dir.path().exists());
}
