//! Stores and tars for the tests.

use std::io::{Cursor, Read};
use std::path::Path;

use layerhold::layerhold_idmap::{IdMap, IdMappingOptions, IdRange, MapChoice};
use layerhold::layerhold_ids::{ImageId, LayerId};
use layerhold::{ImageSpec, LayerSpec, StagedLayer, Store, StoreOptions};
use layerhold_testkit::{TarBuilder, TarEntry, TempDir};

/// A store in a directory of its own.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = layerhold_testkit::scratch();
        let store = Store::open(options(dir.path())).unwrap();
        Self { dir, store }
    }

    /// Another handle, as another process would have it.
    pub(crate) fn again(&self) -> Store {
        Store::open(options(self.dir.path())).unwrap()
    }

    pub(crate) fn graph(&self, below: &str) -> std::path::PathBuf {
        self.dir.path().join("root").join(below)
    }

    pub(crate) fn run(&self, below: &str) -> std::path::PathBuf {
        self.dir.path().join("runroot").join(below)
    }

    /// The text of a record file, `-` for none.
    pub(crate) fn records(&self, file: &str) -> String {
        std::fs::read_to_string(self.graph(file)).unwrap_or_else(|_| "-".to_owned())
    }
}

/// Options under which an ordinary user can run these tests too.
pub(crate) fn options(base: &Path) -> StoreOptions {
    StoreOptions::new(base.join("root"), base.join("runroot"))
        .with_driver("vfs")
        .with_driver_option("vfs.ignore_chown_errors=true")
}

/// The same maps for users and groups: ID in the container, ID on the host, count.
pub(crate) fn ranges(ranges: &[(u32, u32, u32)]) -> IdMappingOptions {
    let map = IdMap::new(
        ranges
            .iter()
            .map(|(inside, host, size)| IdRange::new(*inside, *host, u64::from(*size) as _))
            .collect(),
    );
    IdMappingOptions {
        uids: MapChoice::Explicit(map.clone()),
        gids: MapChoice::Explicit(map),
    }
}

/// A small layer: a directory, a file, a link.
pub(crate) fn small_tar() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("etc"))
        .entry(TarEntry::file("etc/hostname", "box\n").owner(7, 8))
        .entry(TarEntry::symlink("etc/link", "hostname"))
        .finish()
}

/// A layer with one file.
pub(crate) fn file_tar(name: &str, content: &[u8]) -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::file(name, content))
        .finish()
}

pub(crate) fn reader(bytes: &[u8]) -> impl Read + Send {
    Cursor::new(bytes.to_vec())
}

/// Imports a layer and nothing else.
pub(crate) fn import(store: &Store, spec: LayerSpec, tar: &[u8]) -> StagedLayer {
    let mut tx = store.begin().unwrap();
    let layer = tx.import_layer(spec, reader(tar)).unwrap();
    tx.commit().unwrap();
    layer
}

/// An image of one layer.
pub(crate) fn image(store: &Store, name: &str, tar: &[u8]) -> (ImageId, LayerId) {
    let mut tx = store.begin().unwrap();
    let layer = tx
        .import_layer(LayerSpec::new().read_only(), reader(tar))
        .unwrap();
    let image = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name(name)
                .top_layer(&layer),
        )
        .unwrap();
    tx.commit().unwrap();
    (image, layer.id().clone())
}

pub(crate) fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

/// 64 times the same digit.
pub(crate) fn long(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Sets the time of a directory to before the last boot.
pub(crate) fn age(dir: &Path) {
    let dir = std::fs::File::open(dir).unwrap();
    dir.set_modified(std::time::UNIX_EPOCH).unwrap();
}

/// Unmounts a layer behind the back of the store. Mount namespaces of other tests may have copies
/// of the mount, which disappear with its directory.
pub(crate) fn unmount_outside(path: &Path) {
    let unmounted = std::process::Command::new("umount").arg(path).status();
    assert!(unmounted.unwrap().success());
    std::fs::remove_dir(path).unwrap();
    std::fs::create_dir(path).unwrap();
}

/// The contents of temporary areas, except for quarantined layers.
pub(crate) fn leftovers(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    for area in ["vfs-layers/tmp", "vfs/tempdirs"] {
        if let Ok(entries) = std::fs::read_dir(place.graph(area)) {
            found.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    found.retain(|name| name != "layerhold-quarantine");
    found.sort();
    found
}

/// Marks the record of a layer as incomplete.
pub(crate) fn mark_incomplete(place: &Place, id: &str) {
    let file = place.graph("vfs-layers/layers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find(&format!("\"id\":\"{id}\"")).unwrap();
    let created = at + text[at..].find("\"created\":\"").unwrap();
    let end = created + text[created + 11..].find('"').unwrap() + 12;
    std::fs::write(
        &file,
        format!(
            "{},\"flags\":{{\"incomplete\":true}}{}",
            &text[..end],
            &text[end..]
        ),
    )
    .unwrap();
}
