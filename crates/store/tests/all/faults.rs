//! Every operation on a record file fails once, and the store is as before or as after.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use layerhold::{
    BigDataItem, Commit, ContainerSpec, Error, ImageSpec, LayerSpec, Store, StoreOptions,
};
use layerhold_testkit::{ChildSpec, Fault, FaultIo, child_role, scratch};

use crate::support::{file_tar, image, options, reader, small_tar};

/// What a store holds, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    layers: BTreeSet<String>,
    images: BTreeSet<String>,
    containers: BTreeSet<String>,
}

/// Looks at a store with fresh eyes, and checks that everything fits together.
fn state(base: &Path) -> State {
    let store = Store::open(options(base)).unwrap();
    // The first writer undoes what is left; then there is nothing that no record names.
    store.garbage_collect().unwrap();
    let view = store.snapshot().unwrap();
    assert!(view.damaged().is_empty(), "{:?}", view.damaged());
    let held: BTreeSet<String> = std::fs::read_dir(base.join("root/vfs/dir"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let recorded: BTreeSet<String> = view.layers().map(|layer| layer.id().to_string()).collect();
    assert_eq!(held, recorded);
    for image in view.images() {
        let layers = image
            .top_layer()
            .map(|top| view.layer_chain(top).unwrap())
            .unwrap_or_default();
        for layer in layers {
            let mut sink = std::io::sink();
            std::io::copy(
                &mut store
                    .diff(
                        None,
                        layer.id().as_str(),
                        layerhold::DiffCompression::AsImported,
                    )
                    .unwrap(),
                &mut sink,
            )
            .unwrap();
        }
        for item in image.big_data_names() {
            store.image_data(image.id().as_str(), item).unwrap();
        }
    }
    assert!(!base.join("root/vfs-layers/layerhold-intent.json").exists());
    for area in ["root/vfs-layers/tmp", "root/vfs/tempdirs"] {
        let left = std::fs::read_dir(base.join(area)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{area}");
    }
    State {
        layers: view
            .layers()
            .flat_map(|layer| layer.names().to_vec())
            .collect(),
        images: view
            .images()
            .flat_map(|image| image.names().to_vec())
            .collect(),
        containers: view
            .containers()
            .flat_map(|container| container.names().to_vec())
            .collect(),
    }
}

fn with_io(base: &Path, io: &FaultIo) -> StoreOptions {
    options(base).with_metadata_io(Arc::new(io.clone()))
}

fn open(base: &Path, io: &FaultIo) -> Result<Store, Error> {
    Ok(Store::open(with_io(base, io))?)
}

/// Brings two layers, an image and a container in, in one commit.
fn bring_in(store: &Store) -> Result<(), Error> {
    let mut tx = store.begin()?;
    let base = tx.import_layer(
        LayerSpec::new().name("base").read_only(),
        reader(&small_tar()),
    )?;
    let spec = LayerSpec::new()
        .name("top")
        .parent(&base)
        .read_only()
        .big_data(BigDataItem::new("k", "v"));
    let top = tx.import_layer(spec, reader(&file_tar("f", b"x")))?;
    let item = BigDataItem::new("config", "{}");
    let image = tx.create_image(
        ImageSpec::new()
            .name("image")
            .top_layer(&top)
            .big_data(item),
    )?;
    tx.create_container(ContainerSpec::new().name("box").image(image))?;
    tx.commit()?;
    Ok(())
}

/// Takes them out again.
fn take_out(store: &Store) -> Result<(), Error> {
    store.delete_container("box")?;
    store.delete_image("image", Commit::Delete)?;
    Ok(())
}

/// Runs a scenario once cleanly and then with a fault at each of its operations.
fn each_fault(
    prepare: fn(&Store) -> Result<(), Error>,
    scenario: fn(&Store) -> Result<(), Error>,
    fault: Fault,
    check: impl Fn(&State, &State, &State, usize),
) {
    let place = scratch();
    prepare(&Store::open(options(place.path())).unwrap()).unwrap();
    let before = state(place.path());
    let clean = FaultIo::counting();
    scenario(&open(place.path(), &clean).unwrap()).unwrap();
    let after = state(place.path());
    assert!(clean.count() > 5, "{:?}", clean.log());
    for at in 0..clean.count() {
        let place = scratch();
        prepare(&Store::open(options(place.path())).unwrap()).unwrap();
        let io = FaultIo::failing(at, fault);
        let outcome = open(place.path(), &io).and_then(|store| scenario(&store));
        let found = state(place.path());
        if outcome.is_ok() {
            assert_eq!(found, after, "operation {at}");
        }
        check(&before, &after, &found, at);
    }
}

fn nothing(_: &Store) -> Result<(), Error> {
    Ok(())
}

fn before_or_after(before: &State, after: &State, found: &State, at: usize) {
    assert!(
        found == before || found == after,
        "operation {at}: {found:?}"
    );
}

#[test]
fn a_commit_that_fails_changes_nothing() {
    each_fault(nothing, bring_in, Fault::INPUT_OUTPUT, before_or_after);
}

#[test]
fn a_commit_on_a_full_disk_changes_nothing_or_everything() {
    each_fault(nothing, bring_in, Fault::NO_SPACE, before_or_after);
}

/// After a crash that keeps even the clean-up from happening, whole images are there or not; a container that was to come
/// with its image may be missing.
#[test]
fn a_commit_cut_off_leaves_whole_images() {
    each_fault(
        nothing,
        bring_in,
        Fault::CRASH,
        |before, after, found, at| {
            let mut without_container = after.clone();
            without_container.containers.clear();
            assert!(
                [before, after, &without_container].contains(&found),
                "operation {at}: {found:?}"
            );
        },
    );
}

#[test]
fn a_deletion_that_fails_can_be_repeated() {
    for fault in [Fault::INPUT_OUTPUT, Fault::NO_SPACE, Fault::CRASH] {
        each_fault(bring_in, take_out, fault, |before, after, found, at| {
            let mut without_container = before.clone();
            without_container.containers.clear();
            assert!(
                [before, after, &without_container].contains(&found),
                "{fault:?} at {at}: {found:?}"
            );
        });
    }
}

#[test]
fn names_metadata_and_data_are_old_or_new() {
    fn prepare(store: &Store) -> Result<(), Error> {
        image(store, "image", &small_tar());
        Ok(())
    }
    fn change(store: &Store) -> Result<(), Error> {
        store.set_names("image", &["new".to_owned()])?;
        store.set_image_data("new", BigDataItem::new("k", "v"))?;
        Ok(())
    }
    for fault in [Fault::INPUT_OUTPUT, Fault::CRASH] {
        each_fault(prepare, change, fault, before_or_after);
    }
}

/// The part of a child process: it dies at the operation it is told.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let (base, at) = (
        Path::new(role.argument(0)),
        role.argument(1).parse().unwrap(),
    );
    let io = FaultIo::failing(at, Fault::Abort);
    let scenario = match role.name() {
        "bring-in" => bring_in,
        "take-out" => take_out,
        other => panic!("unknown role {other}"),
    };
    drop(open(base, &io).and_then(|store| scenario(&store)));
    role.say("alive");
}

/// Kills a process at each operation on a record file.
fn each_death(
    role: &str,
    prepare: fn(&Store) -> Result<(), Error>,
    allowed: impl Fn(&State) -> bool,
) {
    for at in 0..200 {
        let place = scratch();
        prepare(&Store::open(options(place.path())).unwrap()).unwrap();
        let child = ChildSpec::new("faults::child_entry", role)
            .argument(place.path().to_str().unwrap())
            .argument(at)
            .spawn();
        let status = child.wait();
        let found = state(place.path());
        assert!(allowed(&found), "operation {at}: {found:?}");
        if status.success() {
            assert!(at > 5);
            return;
        }
    }
    panic!("the child never came to its end");
}

#[test]
fn a_process_that_dies_in_a_commit_leaves_whole_images() {
    each_death("bring-in", nothing, |found| {
        let is_before = *found == State::default();
        let has_image = found.images.contains("image") && found.layers.len() == 2;
        is_before || has_image
    });
}

#[test]
fn a_process_that_dies_in_a_deletion_leaves_all_or_nothing_of_an_image() {
    each_death("take-out", bring_in, |found| {
        let has_image = found.images.contains("image") && found.layers.len() == 2;
        has_image || (found.images.is_empty() && found.layers.is_empty())
    });
}
