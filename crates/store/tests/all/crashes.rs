//! Tests processes that are killed at any moment.

use std::path::Path;
use std::time::Duration;

use layerhold::{ContainerSpec, DeleteMode, Error, ImageSpec, LayerSpec, Store};
use layerhold_testkit::{ChildSpec, child_role, scratch};

use crate::support::{file_tar, options, reader, small_tar};

/// Works on the store until it is killed.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    assert_eq!(role.name(), "work");
    let store = Store::open(options(Path::new(role.argument(0)))).unwrap();
    role.say("begun");
    let first: u32 = role.argument(1).parse().unwrap();
    for round in first.. {
        work(&store, round).unwrap();
    }
}

fn work(store: &Store, round: u32) -> Result<(), Error> {
    let name = format!("image-{round}");
    let mut tx = store.begin()?;
    let base = tx.import_layer(LayerSpec::new().read_only(), reader(&small_tar()))?;
    let tar = file_tar("file", &round.to_le_bytes());
    let top = tx.import_layer(LayerSpec::new().parent(&base).read_only(), reader(&tar))?;
    let image = tx.create_image(
        ImageSpec::new()
            .without_manifest()
            .name(&name)
            .top_layer(&top),
    )?;
    tx.commit()?;
    let mut tx = store.begin()?;
    let container = tx.create_container(ContainerSpec::new().image(image))?;
    tx.commit()?;
    store.add_names(&name, &[format!("{name}-too")])?;
    if !round.is_multiple_of(3) {
        store.delete_container(container.id().as_str())?;
        store.delete_image(&name, DeleteMode::Delete)?;
    }
    Ok(())
}

/// Checks that every image has all its layers, every layer has its contents and a user, and nothing
/// else exists.
fn check(base: &Path) {
    let store = Store::open(options(base)).unwrap();
    // Any deletion first undoes what the killed process left unfinished, which garbage collection
    // would report.
    assert!(store.delete_layer("nosuch").unwrap_err().is_not_found());
    let report = store.garbage_collect(DeleteMode::Delete).unwrap();
    assert_eq!(
        (report.layers.len(), report.tar_splits.len()),
        (0, 0),
        "{report:?}"
    );
    let view = store.snapshot().unwrap();
    assert!(view.damaged().is_empty());
    let held = std::fs::read_dir(base.join("root/vfs/dir"))
        .unwrap()
        .count();
    assert_eq!(held, view.layers().count());
    for image in view.images() {
        let chain = view.layer_chain(image.top_layer().unwrap()).unwrap();
        assert_eq!(chain.len(), 2);
        for layer in chain {
            let mut diff = store
                .diff(
                    None,
                    layer.id().as_str(),
                    layerhold::DiffCompression::AsImported,
                )
                .unwrap();
            std::io::copy(&mut diff, &mut std::io::sink()).unwrap();
        }
    }
    for layer in view.layers() {
        let is_used = !view.layer_children(layer.id()).is_empty()
            || !view.images_by_top_layer(layer.id()).is_empty()
            || view.container_by_layer(layer.id()).is_some();
        assert!(is_used, "{} is used by nothing", layer.id());
    }
    for area in ["root/vfs-layers/tmp", "root/vfs/tempdirs"] {
        assert_eq!(
            std::fs::read_dir(base.join(area)).map_or(0, Iterator::count),
            0,
            "{area}"
        );
    }
}

#[test]
fn a_killed_process_leaves_a_store_that_fits_together() {
    let place = scratch();
    // The times are spread over a round of work, which takes some hundredths of a second.
    for step in 0..25u64 {
        let child = ChildSpec::new("crashes::child_entry", "work")
            .argument(place.path().to_str().unwrap())
            // Every child uses its own names: those of the last one may exist.
            .argument(step * 1000);
        let mut child = child.spawn();
        child.expect("begun");
        std::thread::sleep(Duration::from_millis(7 + step * 13 % 101));
        child.kill();
        check(place.path());
    }
    work(&Store::open(options(place.path())).unwrap(), 1_000_000).unwrap();
    check(place.path());
}
