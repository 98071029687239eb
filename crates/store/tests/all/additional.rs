//! Tests additional stores, which are only read.

use std::io::Read;
use std::path::{Path, PathBuf};

use layerhold::layerhold_ids::{ImageId, LayerId};
use layerhold::{
    BigDataItem, ContainerSpec, DeleteMode, DiffCompression, Error, ErrorKind, ImageSpec, ItemKind,
    LayerSpec, MountRequest, Shutdown, StillMounted, Store, Unmounting,
};
use layerhold_testkit::{FilesystemKind, TempDir, Tree, require_filesystem, require_root, scratch};

use crate::support::{file_tar, id, image, import, long, options, ranges, reader, small_tar};

/// A store with additional stores.
struct Stores {
    dir: TempDir,
}

impl Stores {
    fn new() -> Self {
        Self { dir: scratch() }
    }

    fn base(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The root that other stores name as an additional store.
    fn root(&self, name: &str) -> PathBuf {
        self.base(name).join("root")
    }

    /// A store by itself.
    fn alone(&self, name: &str) -> Store {
        Store::open(options(&self.base(name))).unwrap()
    }

    /// The store `here`, with additional stores.
    fn with(&self, others: &[&str]) -> Store {
        with_roots(
            &self.base("here"),
            others.iter().map(|name| self.root(name)),
        )
    }
}

fn with_roots(base: &Path, roots: impl Iterator<Item = PathBuf>) -> Store {
    let roots: Vec<String> = roots.map(|root| root.display().to_string()).collect();
    let option = format!("vfs.imagestore={}", roots.join(","));
    Store::open(options(base).with_driver_option(option)).unwrap()
}

/// An image with a big data item.
fn image_with_data(store: &Store, name: &str, tar: &[u8]) -> (ImageId, LayerId) {
    let (image, layer) = image(store, name, tar);
    let item = BigDataItem::new("config", *b"data");
    store.set_image_data(image.as_str(), item).unwrap();
    store.set_metadata(image.as_str(), "meta").unwrap();
    store.set_flag(image.as_str(), "flag", "on").unwrap();
    (image, layer)
}

fn images(store: &Store) -> Vec<ImageId> {
    let view = store.snapshot().unwrap();
    view.images().map(|image| image.id().clone()).collect()
}

fn contents(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[track_caller]
fn is_read_only<T: std::fmt::Debug>(outcome: Result<T, impl Into<Error>>) {
    let error: Error = outcome.unwrap_err().into();
    assert_eq!(error.kind(), Some(ErrorKind::ReadOnly), "{error}");
}

#[test]
fn what_they_have_is_found_and_read() {
    let stores = Stores::new();
    let (theirs, their_layer) = image_with_data(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    let (ours, our_layer) = image(&here, "ours", &file_tar("f", b"1"));

    let view = here.snapshot().unwrap();
    let layers: Vec<_> = view.layers().map(|layer| layer.id().clone()).collect();
    assert_eq!(layers, [our_layer.clone(), their_layer.clone()]);
    assert_eq!(images(&here), [ours.clone(), theirs.clone()]);
    for key in ["theirs", theirs.as_str(), &theirs.as_str()[..12]] {
        assert_eq!(view.image(key).unwrap().id(), &theirs);
        assert!(here.exists(key).unwrap());
    }
    let root = stores.root("there");
    assert_eq!(view.additional_store_of_image(&theirs), Some(&*root));
    assert_eq!(view.additional_store_of_layer(&their_layer), Some(&*root));
    assert_eq!(view.additional_store_of_image(&ours), None);
    assert_eq!(view.additional_store_of_layer(&our_layer), None);
    let diff_id = view.layer(their_layer.as_str()).unwrap().diff_id().unwrap();
    assert_eq!(view.layers_by_diff_id(&diff_id).len(), 1);
    assert_eq!(view.images_by_top_layer(&their_layer).len(), 1);

    assert_eq!(here.image_data("theirs", "config").unwrap(), b"data");
    assert_eq!(here.image_data_size("theirs", "config").unwrap(), 4);
    let tar = u64::try_from(small_tar().len()).unwrap();
    assert_eq!(here.image_size("theirs").unwrap(), tar + 4);
    assert_eq!(here.metadata("theirs").unwrap(), "meta");
    // Bit for bit, from their tar-split files.
    let diff = here
        .diff(None, their_layer.as_str(), DiffCompression::AsImported)
        .unwrap();
    assert_eq!(contents(diff), small_tar());
    assert_eq!(here.changes(None, their_layer.as_str()).unwrap().len(), 3);
    assert_eq!(here.diff_size(None, their_layer.as_str()).unwrap(), 12);
}

#[test]
fn nothing_is_written_there() {
    let stores = Stores::new();
    let there = stores.alone("there");
    let (image, layer) = image_with_data(&there, "theirs", &small_tar());
    let before = Tree::of(&stores.root("there"));
    let here = stores.with(&["there"]);
    let (image, layer) = (image.as_str(), layer.as_str());

    is_read_only(here.set_metadata(image, "x"));
    is_read_only(here.set_metadata(layer, "x"));
    is_read_only(here.set_flag("theirs", "flag", "x"));
    is_read_only(here.clear_flag("theirs", "flag"));
    is_read_only(here.set_names(layer, &["x".to_owned()]));
    is_read_only(here.set_image_data("theirs", BigDataItem::new("k", *b"v")));
    is_read_only(here.set_layer_data(layer, "k", &mut &b"v"[..]));
    is_read_only(here.apply_diff(layer, reader(&small_tar())));
    is_read_only(here.delete(image));
    is_read_only(here.delete(layer));
    is_read_only(here.delete_layer(layer));
    is_read_only(here.delete_image(image, DeleteMode::Delete));
    is_read_only(here.delete_image(image, DeleteMode::DryRun));
    let mut tx = here.begin().unwrap();
    let taken = tx.create_layer(LayerSpec::new().id(id(layer)));
    assert_eq!(taken.unwrap_err().kind(), Some(ErrorKind::DuplicateId));
    drop(tx);

    here.set_names("theirs", &["mine".to_owned()]).unwrap();
    let mut tx = here.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box").image(id::<ImageId>(image)))
        .unwrap();
    tx.commit().unwrap();
    here.image_directory(image).unwrap();
    assert!(here.garbage_collect(DeleteMode::Delete).unwrap().is_empty());
    here.wipe().unwrap();
    assert_eq!(here.snapshot().unwrap().images().count(), 1);
    here.shutdown(Shutdown::Refuse).unwrap();

    before.assert_same(&Tree::of(&stores.root("there")));
}

#[test]
fn an_image_that_gets_a_name_is_taken_over_first() {
    let stores = Stores::new();
    let (theirs, layer) = image_with_data(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    here.add_names("theirs", &["mine".to_owned()]).unwrap();

    // It exists once, and can be changed now.
    assert_eq!(images(&here), std::slice::from_ref(&theirs));
    let view = here.snapshot().unwrap();
    let found = view.image("mine").unwrap();
    assert_eq!(found.names(), ["mine", "theirs"]);
    assert_eq!(
        (found.metadata(), found.top_layer()),
        ("meta", Some(&layer))
    );
    assert!(found.flags().get("flag").is_some());
    assert_eq!(view.additional_store_of_image(&theirs), None);
    assert!(view.additional_store_of_layer(&layer).is_some());
    // The data was copied too.
    let alone = stores.alone("here");
    assert_eq!(alone.image_data("mine", "config").unwrap(), b"data");
    assert_eq!(
        alone.image_data_digest("mine", "config").unwrap(),
        stores
            .alone("there")
            .image_data_digest("theirs", "config")
            .unwrap()
    );
    here.set_metadata("mine", "other").unwrap();
    here.remove_names("mine", &["theirs".to_owned()]).unwrap();
    // A name that was removed here is not found through the hidden record.
    let gone = here.snapshot().unwrap().image("theirs").unwrap_err();
    assert_eq!(gone.kind(), Some(ErrorKind::ImageUnknown));

    // Only the copy here is deleted. The layer is in the additional store, and stays.
    assert_eq!(
        here.delete_image("mine", DeleteMode::Delete).unwrap(),
        [] as [LayerId; 0]
    );
    let view = here.snapshot().unwrap();
    assert_eq!(view.image(theirs.as_str()).unwrap().names(), ["theirs"]);
    assert!(view.additional_store_of_image(&theirs).is_some());
}

#[test]
fn a_name_stays_with_the_image_that_has_it_here() {
    let stores = Stores::new();
    let (theirs, _) = image(&stores.alone("there"), "both", &small_tar());
    let here = stores.with(&["there"]);
    // A name in another store is free.
    let (ours, _) = image(&here, "both", &file_tar("f", b"1"));
    assert_eq!(here.snapshot().unwrap().image("both").unwrap().id(), &ours);
    here.add_names(theirs.as_str(), &["second".to_owned()])
        .unwrap();
    let view = here.snapshot().unwrap();
    assert_eq!(view.image("both").unwrap().id(), &ours);
    assert_eq!(view.image(theirs.as_str()).unwrap().names(), ["second"]);
}

#[test]
fn creating_an_image_again_takes_over_what_is_left_open() {
    let stores = Stores::new();
    let (theirs, layer) = image_with_data(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    let mut tx = here.begin().unwrap();
    let spec = ImageSpec::new()
        .without_manifest()
        .id(theirs.clone())
        .name("mine")
        .metadata("mine")
        .big_data(BigDataItem::new("more", *b"more"));
    tx.create_image(spec).unwrap();
    tx.commit().unwrap();
    let found = here.snapshot().unwrap().image("theirs").unwrap();
    assert_eq!(found.names(), ["mine", "theirs"]);
    assert_eq!(
        (found.metadata(), found.top_layer()),
        ("mine", Some(&layer))
    );
    assert_eq!(found.big_data_names(), ["more", "config"]);
    assert_eq!(here.image_data("mine", "config").unwrap(), b"data");
    // In this store it is taken.
    let mut tx = here.begin().unwrap();
    let again = tx.create_image(ImageSpec::new().without_manifest().id(theirs.clone()));
    assert_eq!(again.unwrap_err().kind(), Some(ErrorKind::DuplicateId));
}

#[test]
fn layers_and_containers_may_have_parents_there() {
    let stores = Stores::new();
    let (theirs, base) = image(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    let mut tx = here.begin().unwrap();
    let spec = LayerSpec::new().parent(base.clone());
    let child = tx
        .import_layer(spec, reader(&file_tar("new", b"new")))
        .unwrap();
    let own = tx
        .create_image(
            ImageSpec::new()
                .without_manifest()
                .name("ours")
                .top_layer(&child),
        )
        .unwrap();
    let on_theirs = tx
        .create_container(ContainerSpec::new().image(theirs.clone()))
        .unwrap();
    let on_ours = tx
        .create_container(ContainerSpec::new().image(own.clone()))
        .unwrap();
    tx.commit().unwrap();

    let tree = here
        .mount(on_ours.id().as_str(), &MountRequest::new())
        .unwrap();
    assert_eq!(std::fs::read(tree.join("etc/hostname")).unwrap(), b"box\n");
    assert_eq!(std::fs::read(tree.join("new")).unwrap(), b"new");
    let view = here.snapshot().unwrap();
    let chain = view.layer_chain(on_ours.layer()).unwrap();
    assert_eq!(chain.len(), 3);
    let diff = here.diff(None, child.id().as_str(), DiffCompression::AsImported);
    assert_eq!(contents(diff.unwrap()), file_tar("new", b"new"));
    assert!(here.container_size(on_theirs.id().as_str()).is_ok());

    for container in [on_theirs.id(), on_ours.id()] {
        here.delete_container(container.as_str()).unwrap();
    }
    let removed = here.delete_image("ours", DeleteMode::Delete).unwrap();
    assert_eq!(removed, std::slice::from_ref(child.id()));
    assert_eq!(images(&here), [theirs]);
}

#[test]
fn root_a_container_with_maps_gets_them_in_its_own_layer() {
    let Some(()) = require_root() else { return };
    let stores = Stores::new();
    let (theirs, base) = image(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    let mut tx = here.begin().unwrap();
    let spec = ContainerSpec::new()
        .image(theirs.clone())
        .id_maps(ranges(&[(0, 100_000, 65_536)]));
    let container = tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let view = here.snapshot().unwrap();
    assert_eq!(
        view.image("theirs").unwrap().mapped_layers(),
        [] as [LayerId; 0]
    );
    let layer = view.layer(container.layer().as_str()).unwrap();
    assert_eq!(layer.parent(), Some(&base));
    let tree = here
        .mount(container.id().as_str(), &MountRequest::new())
        .unwrap();
    let owner = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        let stat = std::fs::metadata(tree.join(path)).unwrap();
        (stat.uid(), stat.gid())
    };
    assert_eq!(owner("etc"), (100_000, 100_000));
    assert_eq!(owner("etc/hostname"), (100_007, 100_008));
}

#[test]
fn their_layers_are_mounted_for_reading_only() {
    let stores = Stores::new();
    let (_, layer) = image(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    let key = layer.as_str();
    is_read_only(here.mount(key, &MountRequest::new()));
    let path = here.mount(key, &MountRequest::new().option("ro")).unwrap();
    assert_eq!(path, stores.root("there").join("vfs/dir").join(key));
    assert_eq!(
        here.mount_image("theirs", &MountRequest::new()).unwrap(),
        path
    );
    assert_eq!(here.mounted(key).unwrap(), 2);
    // Go drops counts of layers that it does not know from its own file.
    let run = stores.base("here").join("runroot/vfs-layers");
    assert!(!run.join("mountpoints.json").exists());
    let counts = std::fs::read_to_string(run.join("layerhold-mountpoints.json")).unwrap();
    assert!(counts.contains("\"count\":2"), "{counts}");
    assert_eq!(
        here.unmount_image("theirs", Unmounting::Once).unwrap(),
        StillMounted::Yes
    );
    assert_eq!(here.mounts().unwrap().len(), 1);
    assert!(here.shutdown(Shutdown::Refuse).is_err());
    assert_eq!(here.shutdown(Shutdown::Force).unwrap(), [layer]);
    assert_eq!(here.mounts().unwrap(), []);
}

#[test]
fn the_first_store_that_has_it_is_asked() {
    let stores = Stores::new();
    let same: ImageId = id(&long('a'));
    for (name, metadata) in [("one", "first"), ("two", "second")] {
        let store = stores.alone(name);
        let mut tx = store.begin().unwrap();
        let spec = ImageSpec::new()
            .without_manifest()
            .id(same.clone())
            .name(name)
            .metadata(metadata);
        tx.create_image(spec).unwrap();
        tx.commit().unwrap();
    }
    for order in [["one", "two"], ["two", "one"]] {
        let here = stores.with(&order);
        assert_eq!(images(&here), std::slice::from_ref(&same));
        let view = here.snapshot().unwrap();
        let root = stores.root(order[0]);
        assert_eq!(view.additional_store_of_image(&same), Some(&*root));
        assert_eq!(view.image(same.as_str()).unwrap().names(), [order[0]]);
    }
    // This store itself and a store named twice are not additional stores.
    let here = stores.with(&["here", "one", "one"]);
    assert_eq!(images(&here), [same]);
}

#[test]
fn a_store_that_is_not_there_yet_is_empty() {
    let stores = Stores::new();
    let here = stores.with(&["later"]);
    assert_eq!(images(&here), [] as [ImageId; 0]);
    assert!(!here.exists("later").unwrap());
    assert!(!stores.base("later").exists());
    let (later, _) = image(&stores.alone("later"), "later", &small_tar());
    assert_eq!(images(&here), [later]);
}

#[test]
fn changes_by_its_owner_are_noticed() {
    let stores = Stores::new();
    let there = stores.alone("there");
    let (first, _) = image(&there, "first", &small_tar());
    let here = stores.with(&["there"]);
    assert_eq!(images(&here), [first]);
    let (second, _) = image(&there, "second", &file_tar("f", b"2"));
    assert_eq!(
        here.snapshot().unwrap().image("second").unwrap().id(),
        &second
    );
    there.delete_image("first", DeleteMode::Delete).unwrap();
    assert_eq!(images(&here), std::slice::from_ref(&second));
    // By hand, without the lock.
    let file = stores.root("there").join("vfs-images/images.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"second\"", "\"by hand\"")).unwrap();
    assert_eq!(
        here.snapshot().unwrap().image("by hand").unwrap().id(),
        &second
    );
}

#[test]
fn root_media_that_cannot_be_written_are_read() {
    let Some(()) = require_root() else { return };
    let Some(medium) = require_filesystem(FilesystemKind::Tmpfs, 16) else {
        return;
    };
    let writer = Store::open(options(medium.path())).unwrap();
    let (theirs, layer) = image_with_data(&writer, "theirs", &small_tar());
    drop(writer);
    let root = medium.path().join("root");
    let stores = Stores::new();
    for has_locks in [true, false] {
        if !has_locks {
            medium.remount("rw").unwrap();
            for lock in ["vfs-layers/layers.lock", "vfs-images/images.lock"] {
                std::fs::remove_file(root.join(lock)).unwrap();
            }
        }
        medium.remount("ro").unwrap();
        let base = stores.base(if has_locks { "locks" } else { "none" });
        let here = with_roots(&base, std::iter::once(root.clone()));
        assert_eq!(images(&here), std::slice::from_ref(&theirs));
        assert_eq!(here.image_data("theirs", "config").unwrap(), b"data");
        let diff = here.diff(None, layer.as_str(), DiffCompression::AsImported);
        assert_eq!(contents(diff.unwrap()), small_tar());
        here.mount_image("theirs", &MountRequest::new()).unwrap();
        let mut tx = here.begin().unwrap();
        tx.create_container(ContainerSpec::new().image(theirs.clone()))
            .unwrap();
        tx.commit().unwrap();
        here.add_names("theirs", &["mine".to_owned()]).unwrap();
        here.delete_image("mine", DeleteMode::Delete).unwrap_err();
        is_read_only(here.delete_layer(layer.as_str()));
    }
}

#[test]
fn contents_without_a_record_of_ours_do_not_hide_theirs() {
    let stores = Stores::new();
    let (_, layer) = image(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    import(&here, LayerSpec::new(), &small_tar());
    // As a crash of an old tool leaves it.
    let hidden = stores.root("here").join("vfs/dir").join(layer.as_str());
    std::fs::create_dir(&hidden).unwrap();
    let report = here.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!(report.layers, [layer]);
    assert!(!hidden.exists());
}

#[test]
fn what_is_in_a_store_that_is_not_named_or_not_there_is_not_missing() {
    let stores = Stores::new();
    let (theirs, _) = image_with_data(&stores.alone("there"), "theirs", &small_tar());
    let here = stores.with(&["there"]);
    // A name makes a record of the image here; a container has its own layer here.
    here.add_names("theirs", &["mine".to_owned()]).unwrap();
    let spec = ContainerSpec::new().name("box").image(theirs.clone());
    let mut tx = here.begin().unwrap();
    tx.create_container(spec).unwrap();
    tx.commit().unwrap();
    let away = stores.base("away");
    let repair = |store: &Store| {
        let report = store.check(&layerhold::check::CheckOptions::new()).unwrap();
        assert!(!report.is_clean());
        assert!(report.removals.is_empty(), "{report:?}");
        let everything = layerhold::repair::RepairOptions::new()
            .with_containers(layerhold::check::Containers::Remove);
        let repaired = store.repair(&report, &everything);
        assert_eq!(repaired.done, []);
        assert!(
            store
                .garbage_collect(DeleteMode::Delete)
                .unwrap()
                .is_empty()
        );
    };
    repair(&stores.alone("here"));
    std::fs::rename(stores.base("there"), &away).unwrap();
    repair(&here);
    std::fs::rename(&away, stores.base("there")).unwrap();
    let report = here.check(&layerhold::check::CheckOptions::new()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(here.mount("box", &MountRequest::new()).is_ok());
    assert_eq!(images(&here), [theirs]);
}

#[test]
fn a_name_given_twice_there_keeps_nothing_from_being_read() {
    let stores = Stores::new();
    let there = stores.alone("there");
    let (_, first) = image(&there, "one", &small_tar());
    let (last, _) = image(&there, "two", &file_tar("f", b"2"));
    let file = stores.root("there").join("vfs-images/images.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[\"one\"]", "[\"two\"]")).unwrap();
    let before = std::fs::read(&file).unwrap();
    let here = stores.with(&["there"]);
    assert_eq!(images(&here).len(), 2);
    assert_eq!(here.snapshot().unwrap().image("two").unwrap().id(), &last);
    assert!(here.exists(first.as_str()).unwrap());
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn damage_there_is_told_and_set_aside() {
    let stores = Stores::new();
    let (theirs, _) = image(&stores.alone("there"), "theirs", &small_tar());
    let file = stores.root("there").join("vfs-images/images.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replacen('[', "[{\"id\":\"../x\"},", 1);
    std::fs::write(&file, text).unwrap();
    let here = stores.with(&["there"]);
    let view = here.snapshot().unwrap();
    // Nothing has been parsed yet.
    assert!(view.damage_seen().is_empty());
    assert_eq!(images(&here), [theirs]);
    assert_eq!(view.images().count(), 1);
    for damaged in [view.damage_seen(), view.damaged()] {
        assert_eq!(damaged.len(), 1);
        assert_eq!(damaged[0].kind, ItemKind::Image);
        assert_eq!(damaged[0].damage.path, file);
    }
}

#[test]
fn two_that_have_each_other_do_not_wait_forever() {
    let stores = Stores::new();
    let (one, two) = (stores.alone("one"), stores.alone("two"));
    image(&one, "in one", &small_tar());
    image(&two, "in two", &small_tar());
    let root = |name: &str| std::iter::once(stores.root(name));
    let one = with_roots(&stores.base("one"), root("two"));
    let two = with_roots(&stores.base("two"), root("one"));
    std::thread::scope(|threads| {
        for (store, image) in [(&one, "in two"), (&two, "in one")] {
            threads.spawn(move || {
                for _ in 0..20 {
                    let view = store.snapshot().unwrap();
                    let image = view.image(image).unwrap().id().clone();
                    let mut tx = store.begin().unwrap();
                    let container = tx.create_container(ContainerSpec::new().image(image));
                    let container = container.unwrap();
                    tx.commit().unwrap();
                    store.delete_container(container.id().as_str()).unwrap();
                }
            });
        }
    });
}
