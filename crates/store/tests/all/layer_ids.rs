//! Tests of IDs that derive from the contents, and of tars that a function writes.

use std::io::{self, Read};

use layerhold::layerhold_archive::PackOptions;
use layerhold::layerhold_archive::layerhold_tar_format::TarTime;
use layerhold::layerhold_ids::LayerId;
use layerhold::{
    Conflict, ImageSpec, LayerAccess, LayerSpec, NewLayerId, StageError, TreeFacts, TreeSpec,
    layer_id_of_contents,
};
use layerhold_testkit::{TarBuilder, TarEntry, require_root};

use crate::support::{Place, file_tar, id, image, import, reader, small_tar};

#[test]
fn a_layer_gets_the_id_of_its_contents_and_parent() {
    let place = Place::new();
    let base = import(
        &place.store,
        LayerSpec::new().id_of_contents(),
        &small_tar(),
    );
    let diff_id = &base.digests().unwrap().diff_id;
    assert_eq!(base.id().as_str(), diff_id.hex());
    let above = LayerSpec::new().id_of_contents().parent(&base);
    let above = import(&place.store, above, &small_tar());
    assert_eq!(*above.id(), layer_id_of_contents(Some(base.id()), diff_id));
    let view = place.store.snapshot().unwrap();
    let found = view.layer(above.id()).unwrap();
    assert_eq!(found.parent(), Some(base.id()));
    assert_eq!(found.diff_id().as_ref(), Some(diff_id));
    assert!(place.graph("vfs/dir").join(above.id().as_str()).exists());
}

#[test]
fn equal_layers_are_stored_once() {
    let place = Place::new();
    let spec = || LayerSpec::new().id_of_contents();
    let first = import(&place.store, spec(), &small_tar());
    let again = import(&place.store, spec(), &small_tar());
    assert!(again.is_reused() && !first.is_reused());
    assert_eq!(again.id(), first.id());
    let mut tx = place.store.begin().unwrap();
    let one = tx
        .import_layer(spec(), reader(&file_tar("x", b"1")))
        .unwrap();
    let two = tx
        .import_layer(spec(), reader(&file_tar("x", b"1")))
        .unwrap();
    assert_eq!(one.id(), two.id());
    tx.commit().unwrap();
    assert_eq!(place.store.snapshot().unwrap().layers().count(), 2);
    assert_eq!(
        std::fs::read_dir(place.graph("vfs/dir")).unwrap().count(),
        2
    );
}

#[test]
fn a_digest_that_the_caller_vouches_for_saves_the_import() {
    let place = Place::new();
    let first = import(
        &place.store,
        LayerSpec::new().id_of_contents(),
        &small_tar(),
    );
    let known = first.digests().unwrap().diff_id.clone();
    let spec = LayerSpec::new().id_of_contents().trusted_diff_id(known);
    let mut tx = place.store.begin().unwrap();
    let unread = tx.import_layer(spec, FailingReader).unwrap();
    assert!(unread.is_reused());
    assert_eq!(unread.id(), first.id());
}

struct FailingReader;

impl Read for FailingReader {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the layer is known, so nothing is read");
    }
}

#[test]
fn another_layer_of_the_same_id_is_not_taken_for_it() {
    let place = Place::new();
    let wanted = import(
        &place.store,
        LayerSpec::new().id_of_contents(),
        &small_tar(),
    );
    let other = Place::new();
    let spec = LayerSpec::new().id(wanted.id().clone());
    import(&other.store, spec, &file_tar("x", b"1"));
    let mut tx = other.store.begin().unwrap();
    let spec = LayerSpec::new().id_of_contents();
    let error = tx.import_layer(spec, reader(&small_tar())).unwrap_err();
    assert!(
        matches!(&error, StageError::Conflict(Conflict::OtherContents { id }) if id == wanted.id()),
        "{error:?}"
    );
    drop(tx);
    assert_eq!(
        std::fs::read_dir(other.graph("vfs/dir")).unwrap().count(),
        1
    );
}

#[test]
fn contents_without_a_digest_give_no_id() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let error = tx
        .create_layer(LayerSpec::new().id_of_contents())
        .unwrap_err();
    assert!(matches!(error, StageError::NoContents), "{error:?}");
    // A copy has the digest of its template.
    let (_, template) = image(&place.store, "image", &small_tar());
    let spec = LayerSpec::new().id_of_contents().template(template);
    let copy = tx.create_layer(spec).unwrap();
    let known = import(
        &Place::new().store,
        LayerSpec::new().id_of_contents(),
        &small_tar(),
    );
    assert_eq!(copy.id(), known.id());
}

#[test]
fn root_a_filled_tree_gets_the_id_of_its_tar() {
    if require_root().is_none() {
        return;
    }
    let dir = layerhold_testkit::scratch();
    let options = layerhold::StoreOptions::new(dir.path().join("root"), dir.path().join("run"))
        .with_driver("overlay");
    let store = layerhold::Store::open(options).unwrap();
    let spec = || TreeSpec::for_new_layer(LayerAccess::ReadOnly);
    let tree = store.stage_tree(spec()).unwrap();
    let tree = tree.unpack_tar(reader(&small_tar())).unwrap();
    let mut tx = store.begin().unwrap();
    let layer = LayerSpec::new().id_of_contents().read_only();
    let layer = tx.create_layer_from_tree(layer, tree).unwrap();
    let known = import(
        &Place::new().store,
        LayerSpec::new().id_of_contents(),
        &small_tar(),
    );
    assert_eq!(layer.id(), known.id());
    let unknown = store.stage_tree(spec()).unwrap().filled(TreeFacts::new());
    let error = tx
        .create_layer_from_tree(LayerSpec::new().id_of_contents(), unknown)
        .unwrap_err();
    assert!(matches!(error, StageError::NoContents), "{error:?}");
    drop(tx);
    // Or the mount of the driver's home would keep the directory.
    drop(store.shutdown(layerhold::Shutdown::Force).unwrap());
}

#[test]
fn ids_are_random_unless_asked_for() {
    let place = Place::new();
    let first = import(&place.store, LayerSpec::new(), &small_tar());
    let second = import(&place.store, LayerSpec::new(), &small_tar());
    assert_ne!(first.id(), second.id());
    let given: LayerId = id("a");
    let spec = LayerSpec::new().id(given.clone());
    assert_eq!(spec.id, NewLayerId::Given(given.clone()));
    assert_eq!(*import(&place.store, spec, &small_tar()).id(), given);
}

#[test]
fn a_function_writes_the_tar_of_a_layer() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    // More than a pipe holds.
    let big = vec![7; 3 << 20];
    let tar = TarBuilder::new().entry(TarEntry::file("big", big)).finish();
    let spec = LayerSpec::new().id_of_contents();
    let layer = tx
        .import_layer_from(spec, |out| out.write_all(&tar))
        .unwrap();
    assert_eq!(layer.diff_size(), Some(tar.len() as u64));
    tx.commit().unwrap();
}

#[test]
fn an_error_of_the_function_is_the_cause() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let tar = small_tar();
    let error = tx
        .import_layer_from(LayerSpec::new(), |out| {
            out.write_all(&tar[..512])?;
            Err(io::Error::other("no more"))
        })
        .unwrap_err();
    assert!(matches!(error, StageError::Import(_)), "{error:?}");
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    assert_eq!(
        texts.last().map(String::as_str),
        Some("no more"),
        "{texts:?}"
    );
    // A tar that is no tar ends the function, which is writing for ever.
    let error = tx
        .import_layer_from(LayerSpec::new(), |out| {
            loop {
                out.write_all(&[b'x'; 4096])?;
            }
        })
        .unwrap_err();
    assert!(matches!(error, StageError::Import(_)), "{error:?}");
}

#[test]
fn an_image_without_a_manifest_has_to_be_asked_for() {
    let place = Place::new();
    let mut tx = place.store.begin().unwrap();
    let spec = ImageSpec::new().id(id("a")).name("bare");
    let error = tx.create_image(spec.clone()).unwrap_err();
    assert!(
        matches!(&error, StageError::NoManifest { image } if image.as_str() == "a"),
        "{error:?}"
    );
    tx.create_image(spec.without_manifest()).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_directory_becomes_a_layer() {
    let place = Place::new();
    let tree = place.dir.path().join("tree");
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    std::fs::write(tree.join("etc/hostname"), "box\n").unwrap();
    let mut tx = place.store.begin().unwrap();
    let options = PackOptions::new()
        .with_owner(0, 0)
        .with_timestamp(TarTime::default());
    let spec = || LayerSpec::new().id_of_contents();
    let layer = tx.import_directory(spec(), &tree, &options).unwrap();
    assert_eq!(layer.digests().unwrap().content_size, 4);
    let again = tx.import_directory(spec(), &tree, &options).unwrap();
    assert_eq!(again.id(), layer.id());
    let error = tx
        .import_directory(spec(), place.dir.path().join("gone"), &options)
        .unwrap_err();
    assert!(matches!(error, StageError::Access(_)), "{error:?}");
}
