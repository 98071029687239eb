//! Tests that when any operation on a record file fails, the store is as before or as after,
//! wherever its records are kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold::check::{CheckDepth, CheckOptions};

use layerhold::{
    BigDataItem, ContainerSpec, DeleteMode, Error, ImageSpec, LayerSpec, Persistence, Store,
    StoreOptions,
};
use layerhold_testkit::{ChildSpec, Fault, FaultIo, child_role, scratch};

use crate::support::{file_tar, image, options, reader, small_tar};

/// Where the records of a store are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Split,
    Transient,
}

const KINDS: [Kind; 3] = [Kind::Plain, Kind::Split, Kind::Transient];

impl Kind {
    fn options(self, base: &Path) -> StoreOptions {
        let options = options(base);
        match self {
            Self::Plain => options,
            Self::Split => options.with_image_store(base.join("images")),
            Self::Transient => options.with_persistence(Persistence::Transient),
        }
    }

    fn open(self, base: &Path) -> Store {
        Store::open(self.options(base)).unwrap()
    }

    /// The roots with the driver and the records.
    fn roots(self, base: &Path) -> Vec<PathBuf> {
        let mut roots = vec![base.join("root")];
        if self == Self::Split {
            roots.push(base.join("images"));
        }
        roots
    }
}

/// The contents of a store, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    layers: BTreeSet<String>,
    images: BTreeSet<String>,
    containers: BTreeSet<String>,
}

/// Reads a store through a new handle, and checks its consistency.
fn state(kind: Kind, base: &Path) -> State {
    let store = kind.open(base);
    // The first writer undoes leftovers; then nothing exists without a record.
    store.garbage_collect(DeleteMode::Delete).unwrap();
    let view = store.snapshot().unwrap();
    assert!(view.damaged().is_empty(), "{:?}", view.damaged());
    let records = CheckOptions::new().with_depth(CheckDepth::Records);
    let report = store.check(&records).unwrap();
    assert!(!report.is_damaged(), "{report:?}");
    let mut held: BTreeSet<String> = BTreeSet::new();
    for root in kind.roots(base) {
        let entries = std::fs::read_dir(root.join("vfs/dir")).unwrap();
        held.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    }
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
    for root in kind.roots(base) {
        for area in ["vfs-layers/tmp", "vfs/tempdirs"] {
            let left = std::fs::read_dir(root.join(area)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{area}");
        }
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

fn open(kind: Kind, base: &Path, io: &FaultIo) -> Result<Store, Error> {
    let options = kind.options(base).with_metadata_io(Arc::new(io.clone()));
    Ok(Store::open(options)?)
}

/// Creates two layers, an image and a container in one commit.
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
            .without_manifest()
            .name("image")
            .top_layer(&top)
            .big_data(item),
    )?;
    tx.create_container(ContainerSpec::new().name("box").image(image))?;
    tx.commit()?;
    Ok(())
}

/// Deletes them again.
fn take_out(store: &Store) -> Result<(), Error> {
    store.delete_container("box")?;
    store.delete_image("image", DeleteMode::Delete)?;
    Ok(())
}

/// Runs a scenario once without and then with a fault at each of its operations, in every kind of
/// store; with crashes, which leave everything that a fault can leave.
fn each_fault(
    prepare: fn(&Store) -> Result<(), Error>,
    scenario: fn(&Store) -> Result<(), Error>,
    fault: Fault,
    check: impl Fn(&State, &State, &State, usize),
) {
    let kinds: &[Kind] = match fault {
        Fault::CRASH => &KINDS,
        _ => &[Kind::Plain],
    };
    for kind in kinds {
        each_fault_in(*kind, prepare, scenario, fault, &check);
    }
}

fn each_fault_in(
    kind: Kind,
    prepare: fn(&Store) -> Result<(), Error>,
    scenario: fn(&Store) -> Result<(), Error>,
    fault: Fault,
    check: &impl Fn(&State, &State, &State, usize),
) {
    let place = scratch();
    prepare(&kind.open(place.path())).unwrap();
    let before = state(kind, place.path());
    let clean = FaultIo::counting();
    scenario(&open(kind, place.path(), &clean).unwrap()).unwrap();
    let after = state(kind, place.path());
    assert!(clean.count() > 5, "{:?}", clean.log());
    for at in 0..clean.count() {
        let place = scratch();
        prepare(&kind.open(place.path())).unwrap();
        let io = FaultIo::failing(at, fault);
        let outcome = open(kind, place.path(), &io).and_then(|store| scenario(&store));
        let found = state(kind, place.path());
        if outcome.is_ok() {
            assert_eq!(found, after, "{kind:?}, operation {at}");
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

/// After a crash that prevents even the clean-up, an image exists completely or not at all; the
/// container of the same commit may be missing.
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

fn all_but_the_container(before: &State, after: &State, found: &State, at: usize) {
    let mut without_container = before.clone();
    without_container.containers.clear();
    assert!(
        [before, after, &without_container].contains(&found),
        "operation {at}: {found:?}"
    );
}

#[test]
fn a_deletion_that_fails_can_be_repeated() {
    for fault in [Fault::INPUT_OUTPUT, Fault::NO_SPACE] {
        each_fault(bring_in, take_out, fault, all_but_the_container);
    }
}

#[test]
fn a_deletion_cut_off_leaves_whole_images() {
    each_fault(bring_in, take_out, Fault::CRASH, all_but_the_container);
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

/// While an item may have its old or its new data, the record states nothing about it.
#[test]
fn an_item_that_is_replaced_is_not_told_wrong() {
    fn prepare(store: &Store) -> Result<(), Error> {
        bring_in(store)?;
        store.set_container_data("box", BigDataItem::new("state", "old"))?;
        Ok(())
    }
    fn change(store: &Store) -> Result<(), Error> {
        store.set_image_data("image", BigDataItem::new("config", "{\"newer\":1}"))?;
        store.set_container_data("box", BigDataItem::new("state", "new"))?;
        Ok(())
    }
    for fault in [Fault::INPUT_OUTPUT, Fault::CRASH] {
        each_fault(prepare, change, fault, before_or_after);
    }
}

/// The child process: it dies at a given operation.
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
    drop(open(Kind::Plain, base, &io).and_then(|store| scenario(&store)));
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
        prepare(&Kind::Plain.open(place.path())).unwrap();
        let child = ChildSpec::new("faults::child_entry", role)
            .argument(place.path().to_str().unwrap())
            .argument(at)
            .spawn();
        let status = child.wait();
        let found = state(Kind::Plain, place.path());
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
