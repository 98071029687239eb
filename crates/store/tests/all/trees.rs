//! Tests layers of trees that a caller fills.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use layerhold::layerhold_archive::{Unpacker, compressor, decompressor};
use layerhold::layerhold_ids::{CompressedDigest, Digest, LayerId, TocDigest};
use layerhold::layerhold_schema::LayerRecord;
use layerhold::{
    BigDataItem, Codec, DiffCompression, DiffError, ErrorKind, FilledTree, ImageSpec, LayerAccess,
    LayerSpec, MountRequest, Shifting, Shutdown, StageError, Store, StoreOptions, TreeFacts,
    TreeRoot, TreeSpec, Unmounting,
};
use layerhold_sys::best_effort;
use layerhold_testkit::{GoStore, TempDir, require_peer, require_root, scratch};

use crate::support::{Place, file_tar, import, leftovers, long, ranges, reader, small_tar};

/// An overlay store. Dropping it unmounts everything.
pub(crate) struct Overlay {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

pub(crate) fn options(base: &Path) -> StoreOptions {
    StoreOptions::new(base.join("root"), base.join("runroot")).with_driver("overlay")
}

impl Overlay {
    pub(crate) fn new() -> Option<Self> {
        require_root()?;
        let dir = scratch();
        let store = Store::open(options(dir.path())).unwrap();
        Some(Self { dir, store })
    }

    pub(crate) fn graph(&self, below: &str) -> PathBuf {
        self.dir.path().join("root").join(below)
    }

    /// The remaining trees and contents of temporary areas.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        leftovers_in(self.dir.path())
    }

    /// Sets the times of trees to long ago.
    pub(crate) fn age_trees(&self) {
        let trees = std::fs::read_dir(self.graph("overlay/staging"));
        for tree in trees.into_iter().flatten() {
            let old = SystemTime::now() - Duration::from_secs(60);
            let tree = std::fs::File::open(tree.unwrap().path()).unwrap();
            tree.set_modified(old).unwrap();
        }
    }

    pub(crate) fn layer(&self, spec: LayerSpec) -> LayerId {
        let mut tx = self.store.begin().unwrap();
        let layer = tx.create_layer(spec).unwrap();
        tx.commit().unwrap();
        layer.id().clone()
    }

    pub(crate) fn record(&self, key: &str) -> LayerRecord {
        let view = self.store.snapshot().unwrap();
        view.layer(key).unwrap().record().clone()
    }

    /// A tree for an existing layer.
    pub(crate) fn tree_for(&self, key: &str, tar: &[u8]) -> FilledTree {
        let layer = self.store.snapshot().unwrap().layer(key).unwrap();
        let tree = self.store.stage_tree(TreeSpec::for_layer(&layer)).unwrap();
        tree.unpack_tar(reader(tar)).unwrap()
    }

    pub(crate) fn new_tree(&self, tar: &[u8]) -> FilledTree {
        let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
        let tree = self.store.stage_tree(spec).unwrap();
        tree.unpack_tar(reader(tar)).unwrap()
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        best_effort(self.store.shutdown(Shutdown::Force));
    }
}

fn leftovers_in(base: &Path) -> Vec<String> {
    let areas = ["overlay/staging", "overlay/tempdirs", "overlay-layers/tmp"];
    let entries = areas
        .iter()
        .filter_map(|area| std::fs::read_dir(base.join("root").join(area)).ok());
    let names = entries.flatten().map(|entry| entry.unwrap().path());
    names.map(|path| path.display().to_string()).collect()
}

pub(crate) fn diff_of(store: &Store, key: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut diff = store.diff(None, key, DiffCompression::AsImported).unwrap();
    diff.read_to_end(&mut tar).unwrap();
    tar
}

#[test]
fn root_a_new_layer_is_as_if_it_had_been_imported() {
    let Some(place) = Overlay::new() else { return };
    let base = import(
        &place.store,
        LayerSpec::new().name("base").read_only(),
        &small_tar(),
    );
    let tar = file_tar("etc/hostname", b"other");
    let mut writer = compressor(Codec::Gzip, Vec::new()).unwrap();
    std::io::Write::write_all(&mut writer, &tar).unwrap();
    let stream = writer.finish().unwrap();
    let tree = place.new_tree(&stream);
    // Staged trees block no other work.
    let spec = LayerSpec::new().name("usual").parent(&base).read_only();
    import(&place.store, spec, &stream);
    // The ID can follow from the contents.
    let digest = tree.facts().diff_id().unwrap().digest().to_string();
    let id: LayerId = digest.strip_prefix("sha256:").unwrap().parse().unwrap();
    let spec = LayerSpec::new().id(id.clone()).parent(&base).read_only();
    let mut tx = place.store.begin().unwrap();
    let layer = tx.create_layer_from_tree(spec.clone(), tree).unwrap();
    tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name("image")
            .top_layer(&layer),
    )
    .unwrap();
    assert!(place.store.snapshot().unwrap().layer(id.as_str()).is_err());
    tx.commit().unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());

    let (ours, usual) = (place.record(id.as_str()), place.record("usual"));
    let wanted = LayerRecord {
        id: ours.id.clone(),
        names: Vec::new(),
        created: ours.created,
        ..usual
    };
    assert_eq!(ours, wanted);
    let codec = DiffCompression::As(Codec::Plain);
    let mut plain = Vec::new();
    let mut diff = place.store.diff(None, id.as_str(), codec).unwrap();
    diff.read_to_end(&mut plain).unwrap();
    assert!(plain == tar);
    let path = place
        .store
        .mount_image("image", &MountRequest::new())
        .unwrap();
    assert_eq!(std::fs::read(path.join("etc/hostname")).unwrap(), b"other");
    assert!(path.join("etc/link").is_symlink());
    place
        .store
        .unmount_image("image", Unmounting::Once)
        .unwrap();

    // The second time it exists already.
    let tree = place.new_tree(&stream);
    let mut tx = place.store.begin().unwrap();
    let layer = tx
        .create_layer_from_tree(spec.reuse_present(), tree)
        .unwrap();
    assert!(layer.is_reused());
    tx.commit().unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn root_what_the_filler_says_is_recorded() {
    let Some(place) = Overlay::new() else { return };
    let tar = file_tar("f", b"12345");
    let digest = |byte| Digest::sha256([byte; 32]);
    let lines = {
        let imported = import(&place.store, LayerSpec::new(), &tar);
        let file = format!("overlay-layers/{}.tar-split.gz", imported.id());
        let packed = std::fs::read(place.graph(&file)).unwrap();
        let mut lines = Vec::new();
        let mut reader = decompressor(Codec::Gzip, &*packed).unwrap();
        reader.read_to_end(&mut lines).unwrap();
        lines
    };
    let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
    let mut tree = place.store.stage_tree(spec).unwrap();
    let mut unpacker = Unpacker::new(tree.root(), tree.unpack_options()).unwrap();
    let mut entries = layerhold_tar_format::Reader::new(&*tar);
    while let Some(mut entry) = entries.next_entry().unwrap() {
        let header = entry.header().clone();
        unpacker.entry(&header, &mut entry).unwrap();
    }
    unpacker.finish().unwrap();
    tree.record_tar_split(&mut &*lines).unwrap();
    let facts = TreeFacts::new()
        .with_toc(TocDigest::new(digest(1)))
        .with_compressed(CompressedDigest::new(digest(2)), Some(77))
        .with_compression(Codec::Zstd)
        .with_owners([5, 0], [6])
        .with_metadata("of the filler")
        .with_flag("of-filler", true)
        .with_root(TreeRoot::AsFilled)
        .with_big_data(BigDataItem::new("zstd-chunked-manifest", "{}"));
    let mut tx = place.store.begin().unwrap();
    let spec = LayerSpec::new()
        .name("layer")
        .big_data(BigDataItem::new("other", "x"));
    tx.create_layer_from_tree(spec, tree.filled(facts)).unwrap();
    tx.commit().unwrap();

    let record = place.record("layer");
    assert_eq!(record.toc_digest, digest(1).to_string());
    assert_eq!((record.diff_digest.as_str(), record.diff_size), ("", -1));
    assert_eq!(record.compressed_diff_digest, digest(2).to_string());
    assert_eq!(record.compressed_size, 77);
    assert_eq!((record.uid_set, record.gid_set), (vec![0, 5], vec![6]));
    assert_eq!(record.metadata, "of the filler");
    assert_eq!(record.flags.get("of-filler"), Some(&true.into()));
    let mut names = place.store.layer_data_names("layer").unwrap();
    names.sort();
    assert_eq!(names, ["other", "zstd-chunked-manifest"]);
    let view = place.store.snapshot().unwrap();
    assert_eq!(
        view.layers_by_toc_digest(&TocDigest::new(digest(1))).len(),
        1
    );
    // The tar is rebuilt from the given tar-split lines.
    let mut diff = Vec::new();
    let plain = DiffCompression::As(Codec::Plain);
    let mut stream = place.store.diff(None, "layer", plain).unwrap();
    stream.read_to_end(&mut diff).unwrap();
    assert!(diff == tar);
}

#[test]
fn root_a_tree_replaces_what_a_layer_holds() {
    let Some(place) = Overlay::new() else { return };
    let spec = LayerSpec::new().name("mine").metadata("kept");
    let id = place.layer(spec);
    let data = BigDataItem::new("kept", "kept");
    place
        .store
        .set_layer_data("mine", "kept", &mut &*data.data)
        .unwrap();
    for tar in [small_tar(), file_tar("second", b"12345")] {
        let tree = place.tree_for("mine", &tar);
        place.store.replace_tree("mine", tree).unwrap();
        assert!(diff_of(&place.store, "mine") == tar);
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
    let record = place.record("mine");
    let sum = layerhold_testkit::run(
        std::process::Command::new("sha256sum").arg(write(&place, &file_tar("second", b"12345"))),
    );
    let sum = sum.text();
    let sum = sum.split(' ').next().unwrap();
    assert_eq!(record.diff_digest, format!("sha256:{sum}"));
    assert_eq!(
        (record.metadata.as_str(), &*record.big_data_names),
        ("kept", &["kept".to_owned()][..])
    );
    let diff = place.store.layer_tree_path("mine").unwrap();
    assert_eq!(diff, place.graph(&format!("overlay/{id}/diff")));
    let names: Vec<_> = std::fs::read_dir(&diff)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["second"]);

    // A layer of which less is recorded than before.
    let layer = place.store.snapshot().unwrap().layer("mine").unwrap();
    let tree = place.store.stage_tree(TreeSpec::for_layer(&layer)).unwrap();
    drop(tree.root().create_file("third", 0o644).unwrap());
    place
        .store
        .replace_tree("mine", tree.filled(TreeFacts::new()))
        .unwrap();
    let record = place.record("mine");
    assert_eq!((&*record.diff_digest, record.diff_size), ("", 0));
    assert!(record.uid_set.is_empty());
    let tar = diff_of(&place.store, "mine");
    assert!(tar.starts_with(b"third\0"), "the old tar-split file counts");
}

fn write(place: &Overlay, bytes: &[u8]) -> PathBuf {
    let path = place.dir.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn root_a_filler_cannot_set_the_flag_by_which_layers_are_removed() {
    let Some(place) = Overlay::new() else { return };
    place.layer(LayerSpec::new().name("mine"));
    let facts = || TreeFacts::new().with_flag("incomplete", true);
    let layer = place.store.snapshot().unwrap().layer("mine").unwrap();
    let tree = place.store.stage_tree(TreeSpec::for_layer(&layer)).unwrap();
    let error = place.store.replace_tree("mine", tree.filled(facts()));
    let error = error.unwrap_err();
    assert!(matches!(error, DiffError::ReservedFlag { .. }), "{error}");
    let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
    let tree = place.store.stage_tree(spec).unwrap();
    let mut tx = place.store.begin().unwrap();
    let error = tx.create_layer_from_tree(LayerSpec::new(), tree.filled(facts()));
    let error = error.map(drop).unwrap_err();
    assert!(matches!(error, StageError::ReservedFlag { .. }), "{error}");
    drop(tx);
    assert_eq!(place.leftovers(), Vec::<String>::new());
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 1);
}

#[test]
fn root_what_stands_against_a_tree_changes_nothing() {
    let Some(place) = Overlay::new() else { return };
    let mine = place.layer(LayerSpec::new().name("mine"));
    let above = place.layer(LayerSpec::new().name("above").parent(mine.clone()));
    let before = std::fs::read(place.graph("overlay-layers/layers.json")).unwrap();
    let refused = |key: &str, tree| {
        let error = place.store.replace_tree(key, tree).unwrap_err();
        assert_eq!(place.leftovers(), Vec::<String>::new(), "{key}");
        let now = std::fs::read(place.graph("overlay-layers/layers.json")).unwrap();
        assert!(now == before, "{key}");
        error
    };
    for mounted in ["mine", "above"] {
        place.store.mount(mounted, &MountRequest::new()).unwrap();
        let error = refused("mine", place.tree_for("mine", &small_tar()));
        assert_eq!(error.kind(), Some(ErrorKind::LayerUsedByContainer));
        assert!(matches!(error, DiffError::Conflict(_)), "{error}");
        place.store.unmount(mounted, Unmounting::Once).unwrap();
    }
    let error = refused("nosuch", place.new_tree(&small_tar()));
    assert_eq!(error.kind(), Some(ErrorKind::LayerUnknown));
    let item = BigDataItem::new("", "");
    let spec = TreeSpec::for_new_layer(LayerAccess::ReadWrite);
    let tree = place.store.stage_tree(spec).unwrap();
    let tree = tree.filled(TreeFacts::new().with_big_data(item));
    let error = refused("mine", tree);
    assert_eq!(error.kind(), Some(ErrorKind::InvalidBigDataName));

    let mut tx = place.store.begin().unwrap();
    let spec = LayerSpec::new().id(above);
    let error = tx
        .create_layer_from_tree(spec, place.new_tree(&small_tar()))
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::DuplicateId));
    drop(tx);
    let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
    let junk = place.store.stage_tree(spec).unwrap();
    let error = junk.unpack_tar(reader(&[b'x'; 2000])).unwrap_err();
    assert!(matches!(error, StageError::Import(_)), "{error}");
    let tree = place.new_tree(&small_tar());
    tree.discard().unwrap();
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn root_trees_have_the_maps_of_their_layers() {
    let Some(()) = require_root() else { return };
    let dir = scratch();
    let options = options(dir.path()).with_shifting(Shifting::Disabled);
    let store = Store::open(options).unwrap();
    let place = Overlay { dir, store };
    let maps = ranges(&[(0, 1000, 10)]);
    let id = place.layer(LayerSpec::new().name("mapped").id_maps(maps.clone()));
    let error = place
        .store
        .replace_tree("mapped", place.new_tree(&small_tar()))
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::InvalidMappings));
    let mut tx = place.store.begin().unwrap();
    let spec = LayerSpec::new().id_maps(maps);
    let error = tx
        .create_layer_from_tree(spec.clone(), place.new_tree(&small_tar()))
        .unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::InvalidMappings));

    let layer = place.store.snapshot().unwrap().layer("mapped").unwrap();
    let tree = TreeSpec::for_new_layer(LayerAccess::ReadOnly).id_maps(layer.id_maps());
    let tree = place.store.stage_tree(tree).unwrap();
    assert_eq!(*tree.id_maps(), layer.id_maps());
    let tree = tree.unpack_tar(reader(&small_tar())).unwrap();
    let made = tx.create_layer_from_tree(spec, tree).unwrap();
    tx.commit().unwrap();
    let tree = place.tree_for("mapped", &small_tar());
    place.store.replace_tree("mapped", tree).unwrap();
    for id in [&id, made.id()] {
        let diff = place.store.layer_tree_path(id.as_str()).unwrap();
        for (path, owner) in [("", (1000, 1000)), ("etc/hostname", (1007, 1008))] {
            let facts = std::fs::symlink_metadata(diff.join(path)).unwrap();
            assert_eq!((facts.uid(), facts.gid()), owner, "{path:?}");
        }
    }
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn root_trees_are_where_their_layers_will_be() {
    let Some(()) = require_root() else { return };
    let dir = scratch();
    let images = dir.path().join("images");
    let store = Store::open(options(dir.path()).with_image_store(&images)).unwrap();
    let place = Overlay { dir, store };
    let tar = small_tar();
    let tree = place.new_tree(&tar);
    let staged = std::fs::read_dir(images.join("overlay/staging")).unwrap();
    assert_eq!(staged.count(), 1);
    let mut tx = place.store.begin().unwrap();
    let spec = LayerSpec::new().name("image").read_only();
    let layer = tx.create_layer_from_tree(spec, tree).unwrap();
    tx.commit().unwrap();
    let id = layer.id().clone();
    assert!(images.join(format!("overlay/{id}/diff/etc")).exists());
    let new = file_tar("f", b"new");
    let tree = place.tree_for("image", &new);
    place.store.replace_tree("image", tree).unwrap();
    assert!(diff_of(&place.store, "image") == new);
    place.layer(LayerSpec::new().name("box").parent(id));
    let tree = place.tree_for("box", &tar);
    place.store.replace_tree("box", tree).unwrap();
    assert!(diff_of(&place.store, "box") == tar);
    assert_eq!(place.leftovers(), Vec::<String>::new());
    let staged = std::fs::read_dir(images.join("overlay/staging")).unwrap();
    assert_eq!(staged.count(), 0);
}

#[test]
fn root_what_the_driver_refuses_leaves_the_record() {
    let Some(place) = Overlay::new() else { return };
    import(&place.store, LayerSpec::new().name("mine"), &small_tar());
    let record = place.record("mine");
    let diff = place.store.layer_tree_path("mine").unwrap();
    let tree = place.tree_for("mine", &file_tar("f", b"x"));
    let aside = diff.with_file_name("aside");
    std::fs::rename(&diff, &aside).unwrap();
    let error = place.store.replace_tree("mine", tree).unwrap_err();
    assert!(matches!(error, DiffError::Driver { .. }), "{error}");
    std::fs::rename(&aside, &diff).unwrap();
    assert_eq!(place.record("mine"), record);
    assert!(diff_of(&place.store, "mine") == small_tar());
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

#[test]
fn a_driver_of_whole_copies_takes_no_trees() {
    let place = Place::new();
    let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
    let error = place.store.stage_tree(spec).unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::NotSupported));
    assert_eq!(leftovers(&place), Vec::<String>::new());
    // It can tell the paths of its layers.
    let layer = import(&place.store, LayerSpec::new(), &small_tar());
    let path = place.store.layer_tree_path(layer.id().as_str()).unwrap();
    assert_eq!(path, place.graph("vfs/dir").join(layer.id().as_str()));
}

#[test]
fn root_peer_go_reads_layers_of_trees() {
    let Some(place) = Overlay::new() else { return };
    let Some(()) = require_peer("containers-storage") else {
        return;
    };
    let tar = small_tar();
    let id = long('a');
    let mut tx = place.store.begin().unwrap();
    let spec = LayerSpec::new()
        .id(id.parse().unwrap())
        .name("made")
        .read_only();
    tx.create_layer_from_tree(spec, place.new_tree(&tar))
        .unwrap();
    tx.commit().unwrap();
    let replaced = place.layer(
        LayerSpec::new()
            .name("replaced")
            .parent(id.parse::<LayerId>().unwrap()),
    );
    let tree = place.tree_for("replaced", &file_tar("etc/hostname", b"other"));
    place.store.replace_tree("replaced", tree).unwrap();

    let go = GoStore::below(place.dir.path(), "overlay");
    assert_eq!(go.root(), place.graph(""));
    let file = place.dir.path().join("diff.tar");
    let words = ["diff", "-u", "-f", file.to_str().unwrap(), "made"];
    go.run(words).assert_success();
    assert!(std::fs::read(&file).unwrap() == tar);
    let words = ["diff", "-u", "-f", file.to_str().unwrap(), "replaced"];
    go.run(words).assert_success();
    assert!(std::fs::read(&file).unwrap() == file_tar("etc/hostname", b"other"));
    let path = go.run(["mount", replaced.as_str()]).text();
    let path = Path::new(path.trim());
    assert_eq!(std::fs::read(path.join("etc/hostname")).unwrap(), b"other");
    assert!(path.join("etc/link").is_symlink());
    go.run(["unmount", replaced.as_str()]).assert_success();
    go.run(["delete-layer", "replaced"]).assert_success();
}
