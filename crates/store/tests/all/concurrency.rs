//! Tests concurrent use: threads, handles, processes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use layerhold::{DeleteMode, ErrorKind, ImageSpec, LayerSpec, Store};
use layerhold_testkit::{ChildSpec, child_role};

use crate::support::{Place, file_tar, image, long, options, reader, small_tar};

#[test]
fn no_snapshot_shows_an_image_without_its_layers() {
    let place = Place::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..2u32 {
            let store = place.again();
            let done = &done;
            scope.spawn(move || {
                for round in 0..12 {
                    let name = format!("{worker}-{round}");
                    image(&store, &name, &file_tar("f", name.as_bytes()));
                    if round % 2 == 0 {
                        store.delete_image(&name, DeleteMode::Delete).unwrap();
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        let reader = place.again();
        let mut seen = 0;
        while !done.load(Ordering::Relaxed) {
            let view = reader.snapshot().unwrap();
            for image in view.images() {
                seen += 1;
                assert_eq!(
                    view.layer_chain(image.top_layer().unwrap()).unwrap().len(),
                    1
                );
            }
        }
        assert!(seen > 0);
    });
    assert_eq!(place.store.snapshot().unwrap().images().count(), 12);
}

#[test]
fn one_of_two_wins_a_name() {
    let place = Place::new();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let store = place.again();
                scope.spawn(move || {
                    let mut tx = store.begin().unwrap();
                    let layer = tx
                        .import_layer(LayerSpec::new(), reader(&small_tar()))
                        .unwrap();
                    tx.create_image(
                        ImageSpec::new()
                            .without_manifest()
                            .name("wanted")
                            .top_layer(&layer),
                    )
                    .map_err(layerhold::Error::from)?;
                    tx.commit().map_err(layerhold::Error::from)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 3));
    for error in lost {
        assert_eq!(error.unwrap_err().kind(), Some(ErrorKind::DuplicateName));
    }
    let view = place.store.snapshot().unwrap();
    assert_eq!((view.images().count(), view.layers().count()), (1, 1));
}

/// The child process: it imports its own images, and layers that it shares with the others.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    assert_eq!(role.name(), "import");
    let store = Store::open(options(Path::new(role.argument(0)))).unwrap();
    for round in 0..5 {
        let shared = char::from_digit(round, 10).map(long).unwrap();
        let mut tx = store.begin().unwrap();
        let spec = LayerSpec::new()
            .id(shared.parse().unwrap())
            .read_only()
            .reuse_present();
        let base = tx.import_layer(spec, reader(&small_tar())).unwrap();
        let name = format!("{}-{round}", role.argument(1));
        let top = tx
            .import_layer(
                LayerSpec::new().parent(&base),
                reader(&file_tar("f", name.as_bytes())),
            )
            .unwrap();
        tx.create_image(
            ImageSpec::new()
                .without_manifest()
                .name(name)
                .top_layer(&top),
        )
        .unwrap();
        tx.commit().unwrap();
    }
    role.say("done");
}

#[test]
fn processes_share_layers() {
    let place = Place::new();
    let children: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| {
            ChildSpec::new("concurrency::child_entry", "import")
                .argument(place.dir.path().to_str().unwrap())
                .argument(name)
                .spawn()
        })
        .collect();
    for mut child in children {
        child.expect("done");
        assert!(child.wait().success());
    }
    let view = place.store.snapshot().unwrap();
    assert_eq!((view.images().count(), view.layers().count()), (15, 20));
    assert!(
        place
            .store
            .garbage_collect(DeleteMode::Delete)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_lock_held_elsewhere_is_waited_for() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let lock = layerhold_lockfile::LockFile::new(place.graph("vfs-images/images.lock")).unwrap();
    let held = lock.write().unwrap();
    let store = place.again();
    let thread = std::thread::spawn(move || store.set_metadata("image", "x").unwrap());
    // Queries of layers do not wait.
    assert_eq!(place.store.inner_layers(), 1);
    drop(held);
    thread.join().unwrap();
    assert_eq!(place.store.metadata("image").unwrap(), "x");
}

/// A query that needs only the layers lock.
trait InnerLayers {
    fn inner_layers(&self) -> usize;
}

impl InnerLayers for Store {
    fn inner_layers(&self) -> usize {
        usize::from(self.changes(None, "nosuch").is_err())
    }
}
