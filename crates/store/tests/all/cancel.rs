//! Tests that operations stop when they are cancelled, and leave the store as it was.

use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use layerhold::check::{CheckOptions, CheckStep};
use layerhold::layerhold_sys::{Cancel, best_effort, is_cancelled};
use layerhold::{
    ContainerSpec, DedupOptions, DeleteMode, DiffCompression, Error, ImageSpec, Key, LayerAccess,
    LayerSpec, Shutdown, Store, StoreOptions, TreeFacts, TreeSpec,
};
use layerhold_testkit::{TarBuilder, TarEntry, TempDir, require_root, scratch, with_subscriber};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Place, image, import, leftovers, long, small_tar};

/// Cancels when the calling thread leaves the span with this number.
struct CancelAtSpan {
    at: usize,
    left: Arc<AtomicUsize>,
    cancel: Cancel,
}

impl Subscriber for CancelAtSpan {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "layerhold"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {
        if self.left.fetch_add(1, Ordering::SeqCst) == self.at {
            self.cancel.cancel();
        }
    }
}

/// Runs `work` with a handle that is cancelled when the calling thread leaves span number `at`.
/// Returns how many spans it left.
fn cancelled_at<T>(store: &Store, at: usize, work: impl FnOnce(&Store) -> T) -> (T, usize) {
    let cancel = Cancel::new();
    let left = Arc::new(AtomicUsize::new(0));
    let subscriber = CancelAtSpan {
        at,
        left: Arc::clone(&left),
        cancel: cancel.clone(),
    };
    let store = store.with_cancel(cancel);
    let result = with_subscriber(subscriber, || work(&store));
    (result, left.load(Ordering::SeqCst))
}

/// An image, a container of it, a layer without users, and an image without containers.
fn filled() -> Place {
    let place = Place::new();
    let (used, _) = image(&place.store, "image", &small_tar());
    let mut tx = place.store.begin().unwrap();
    tx.create_container(ContainerSpec::new().name("box").image(used))
        .unwrap();
    tx.commit().unwrap();
    import(&place.store, LayerSpec::new().name("layer"), &small_tar());
    image(&place.store, "free", &small_tar());
    place
}

fn with_garbage() -> Place {
    let place = filled();
    std::fs::create_dir_all(place.graph("vfs/dir").join(long('f')).join("x")).unwrap();
    place
}

/// Everything that an operation may change: files and the records in them.
fn state(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    gather(place.dir.path(), &mut found);
    found.sort();
    found
}

fn gather(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        // Lock files and directories for temporary areas are made when they are missing. The
        // counters may be deleted at any time.
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".lock") || ["tmp", "tempdirs", "layerhold-usage.jsonl"].contains(&name) {
            continue;
        }
        if path.is_symlink() {
            found.push((path, Vec::new()));
        } else if path.is_dir() {
            gather(&path, found);
            found.push((path, Vec::new()));
        } else {
            let content = std::fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
}

/// All spans but that of the operation itself, which ends last.
const ALL: usize = usize::MAX;

/// Cancels an operation at each of its spans in turn. It must succeed, or fail as cancelled and
/// leave the store as it was; the next writer erases what is left of it. `must_fail_first` is how
/// many of the first spans must not let it succeed.
fn check_at_each_span(
    name: &str,
    must_fail_first: usize,
    work: impl Fn(&Store) -> Result<(), Error>,
) {
    let (outcome, spans) = cancelled_at(&filled().store, usize::MAX, &work);
    outcome.unwrap();
    let must_fail_first = match must_fail_first {
        ALL => spans - 1,
        first => first,
    };
    assert!(
        spans > must_fail_first && must_fail_first > 0,
        "{name}: {spans} spans"
    );
    for at in 0..spans {
        let place = filled();
        let before = state(&place);
        let (outcome, _) = cancelled_at(&place.store, at, &work);
        let is_complete = match outcome {
            Ok(()) => true,
            Err(error) => {
                assert!(
                    error.is_cancelled() && is_cancelled(&error),
                    "{name} {at}: {error:?}"
                );
                false
            }
        };
        assert!(!is_complete || at >= must_fail_first, "{name} {at} went on");
        drop(place.again().begin().unwrap());
        assert_eq!(leftovers(&place), Vec::<String>::new(), "{name} {at}");
        if !is_complete {
            assert!(state(&place) == before, "{name} {at} changed the store");
        }
        let report = place.again().check(&CheckOptions::new()).unwrap();
        assert!(!report.is_damaged(), "{name} {at}: {report:?}");
    }
}

#[test]
fn a_cancelled_import_or_commit_changes_nothing() {
    check_at_each_span("import", 4, |store| {
        let mut tx = store.begin()?;
        let layer = tx.import_layer(LayerSpec::new(), Cursor::new(small_tar()))?;
        let image = ImageSpec::new().without_manifest().name("new");
        drop(tx.create_image(image.top_layer(&layer))?);
        drop(tx.commit()?);
        Ok(())
    });
}

#[test]
fn a_cancelled_deletion_is_complete_or_did_not_begin() {
    check_at_each_span("delete a container", 4, |store| {
        Ok(store.delete_container("box")?)
    });
    check_at_each_span(
        "delete a layer",
        4,
        |store| Ok(store.delete_layer("layer")?),
    );
    check_at_each_span("wipe", 4, |store| Ok(store.wipe()?));
    check_at_each_span("delete an image", 4, |store| {
        drop(store.delete_image("free", DeleteMode::Delete)?);
        Ok(())
    });
}

#[test]
fn a_cancelled_collection_may_be_continued() {
    let (outcome, spans) = cancelled_at(&with_garbage().store, usize::MAX, |store| {
        store.garbage_collect(DeleteMode::Delete)
    });
    assert_eq!(outcome.unwrap().layers, [long('f').as_str()]);
    for at in 0..spans - 1 {
        let place = with_garbage();
        let (outcome, _) = cancelled_at(&place.store, at, |store| {
            store.garbage_collect(DeleteMode::Delete)
        });
        match outcome {
            Ok(report) => assert_eq!(report.layers, [long('f').as_str()]),
            Err(error) => assert!(error.is_cancelled(), "{at}: {error:?}"),
        }
        drop(place.store.garbage_collect(DeleteMode::Delete).unwrap());
        assert!(
            place
                .store
                .garbage_collect(DeleteMode::DryRun)
                .unwrap()
                .is_empty()
        );
        assert_eq!(leftovers(&place), Vec::<String>::new());
    }
}

#[test]
fn reading_operations_stop() {
    let layer = || Key::Text("layer");
    check_at_each_span("changes", ALL, |store| {
        drop(store.changes(None, layer())?);
        Ok(())
    });
    check_at_each_span("diff_size", ALL, |store| {
        let _bytes = store.diff_size(None, layer())?;
        Ok(())
    });
    check_at_each_span("usage", 3, |store| {
        drop(store.verify_usage()?);
        Ok(())
    });
    check_at_each_span("dedup", ALL, |store| {
        drop(store.dedup(&DedupOptions::default())?);
        Ok(())
    });
    check_at_each_span("check", 3, |store| {
        drop(store.check(&CheckOptions::new())?);
        Ok(())
    });
}

/// A diff that is read while it is cancelled ends with an error, however it is made.
#[test]
fn a_diff_ends_when_it_is_cancelled() {
    let place = Place::new();
    let tar = TarBuilder::new()
        .entry(TarEntry::file("large", vec![1; 1 << 20]))
        .finish();
    let layer = import(&place.store, LayerSpec::new(), &tar);
    let mut tx = place.store.begin().unwrap();
    let unpacked = tx
        .create_layer(LayerSpec::new().parent(layer.id().clone()))
        .unwrap();
    tx.commit().unwrap();
    let of_import = |store: &Store, codec| store.diff(None, layer.id(), codec).unwrap();
    let of_trees = |store: &Store, codec| {
        let from = Some(Key::from(layer.id()));
        store.diff(from, unpacked.id(), codec).unwrap()
    };
    let gzip = DiffCompression::As(layerhold::Codec::Gzip);
    for codec in [DiffCompression::AsImported, gzip] {
        for is_recorded in [true, false] {
            let cancel = Cancel::new();
            let store = place.store.with_cancel(cancel.clone());
            let mut diff = match is_recorded {
                true => of_import(&store, codec),
                false => of_trees(&store, codec),
            };
            assert_eq!(diff.read(&mut [0; 10]).unwrap(), 10);
            cancel.cancel();
            let error = io::copy(&mut diff, &mut io::sink()).unwrap_err();
            assert!(is_cancelled(&error), "{error:?}");
        }
    }
    let mut tree = {
        let cancel = Cancel::new();
        let tree = place
            .store
            .with_cancel(cancel.clone())
            .tree_tar(layer.id())
            .unwrap();
        cancel.cancel();
        tree
    };
    assert!(is_cancelled(&tree.read(&mut [0]).unwrap_err()));
}

/// Cancels after some bytes.
struct CancelAfter<'a> {
    tar: &'a [u8],
    cancel: Cancel,
}

impl Read for CancelAfter<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(512);
        let read = self.tar.read(&mut buffer[..length])?;
        self.cancel.cancel();
        Ok(read)
    }
}

#[test]
fn unpacking_into_layers_and_trees_stops() {
    let place = Place::new();
    let layer = import(&place.store, LayerSpec::new(), &small_tar());
    let records = place.records("vfs-layers/layers.json");
    let large = TarBuilder::new()
        .entry(TarEntry::file("large", vec![1; 4 << 20]))
        .finish();
    let cancel = Cancel::new();
    let store = place.store.with_cancel(cancel.clone());
    let reader = CancelAfter {
        tar: &large,
        cancel,
    };
    let error = store.apply_diff(layer.id(), reader).unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert_eq!(place.records("vfs-layers/layers.json"), records);
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn root_unpacking_into_a_staged_tree_stops() {
    let Some(()) = require_root() else { return };
    let large = TarBuilder::new()
        .entry(TarEntry::file("large", vec![1; 4 << 20]))
        .finish();
    let place = overlay();
    let cancel = Cancel::new();
    let tree = place
        .store
        .with_cancel(cancel.clone())
        .stage_tree(TreeSpec::for_new_layer(LayerAccess::ReadOnly))
        .unwrap();
    let root = tree.root().path().to_owned();
    let reader = CancelAfter {
        tar: &large,
        cancel,
    };
    let error = tree.unpack_tar(reader).unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert!(!root.exists());
}

#[test]
fn root_overlay_stops_too() {
    let Some(()) = require_root() else { return };
    let changes = |store: &Store| -> Result<(), Error> {
        drop(store.changes(None, "layer")?);
        Ok(())
    };
    let diff_size = |store: &Store| -> Result<(), Error> {
        let _bytes = store.diff_size(None, "layer")?;
        Ok(())
    };
    let replace = |store: &Store| -> Result<(), Error> {
        let layer = store.snapshot()?.layer("layer")?;
        let tree = store.stage_tree(TreeSpec::for_layer(&layer))?;
        std::fs::write(tree.root().path().join("new"), "new").unwrap();
        Ok(store.replace_tree("layer", tree.filled(TreeFacts::new()))?)
    };
    type Work<'w> = &'w dyn Fn(&Store) -> Result<(), Error>;
    let all: [(Work<'_>, bool); 3] = [(&changes, true), (&diff_size, true), (&replace, false)];
    for (work, only_reads) in all {
        let filled = || {
            let place = overlay();
            import(&place.store, LayerSpec::new().name("layer"), &small_tar());
            place
        };
        let (outcome, spans) = cancelled_at(&filled().store, usize::MAX, work);
        outcome.unwrap();
        for at in 0..spans - 1 {
            let place = filled();
            let (outcome, _) = cancelled_at(&place.store, at, work);
            let tree = place.store.layer_tree_path("layer").unwrap();
            let is_new = tree.join("new").exists();
            assert_ne!(is_new, tree.join("etc/hostname").exists(), "{at}");
            match outcome {
                Ok(()) => assert!(is_new && !only_reads, "{at}"),
                Err(error) => assert!(error.is_cancelled() && !is_new, "{at}: {error:?}"),
            }
        }
    }
}

/// A store of overlay, whose home is no longer a mount when its directory is removed.
struct Overlay {
    store: Store,
    _scratch: TempDir,
}

impl Drop for Overlay {
    fn drop(&mut self) {
        best_effort(self.store.shutdown(Shutdown::Force));
    }
}

fn overlay() -> Overlay {
    let scratch = scratch();
    let (root, run) = (scratch.path().join("root"), scratch.path().join("run"));
    Overlay {
        store: Store::open(StoreOptions::new(root, run).with_driver("overlay")).unwrap(),
        _scratch: scratch,
    }
}

#[test]
fn progress_may_stop_an_import() {
    let place = Place::new();
    let large = TarBuilder::new()
        .entry(TarEntry::file("large", vec![1; 4 << 20]))
        .finish();
    let mut tx = place.store.begin().unwrap();
    let mut told = Vec::new();
    let error = tx
        .import_layer_with(LayerSpec::new(), Cursor::new(&large), |bytes| {
            told.push(bytes);
            match told.len() {
                1 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        })
        .unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert_eq!(told.len(), 2);
    // A stop at the last report counts too.
    let error = tx
        .import_layer_with(LayerSpec::new(), Cursor::new(small_tar()), |_| {
            ControlFlow::Break(())
        })
        .unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    drop(tx);
    assert_eq!(place.records("vfs-layers/layers.json"), "-");
    assert_eq!(leftovers(&place), Vec::<String>::new());
}

#[test]
fn a_check_tells_its_progress_and_may_be_stopped() {
    let place = Place::new();
    let (_, base) = image(&place.store, "image", &small_tar());
    import(&place.store, LayerSpec::new().parent(base), &small_tar());
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let options = CheckOptions::new()
        .with_unreferenced_age(std::time::Duration::MAX)
        .with_progress(move |progress| {
            let mut told = listener.lock().unwrap();
            told.push((progress.step, progress.done, progress.total));
        });
    assert!(place.store.check(&options).unwrap().is_clean());
    let mut told = std::mem::take(&mut *told.lock().unwrap());
    told.sort_unstable();
    let steps = [CheckStep::Tars, CheckStep::Trees];
    let expected = steps.map(|step| [(step, 1, 2), (step, 2, 2)]).concat();
    assert_eq!(told, expected);

    for step in steps {
        let options = CheckOptions::new().with_progress(move |progress| {
            if progress.step == step {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        let error = place.store.check(&options).unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
    }
    // It stopped the check alone.
    assert!(place.store.check(&CheckOptions::new()).is_ok());
}

#[test]
fn a_handle_shares_what_its_store_has_loaded() {
    let place = Place::new();
    image(&place.store, "image", &small_tar());
    let cancel = Cancel::new();
    let other = place.store.with_cancel(cancel.clone());
    let layers = |store: &Store| store.snapshot().unwrap().layers().next().unwrap();
    assert!(Arc::ptr_eq(&layers(&place.store), &layers(&other)));
    cancel.cancel();
    assert!(other.snapshot().unwrap_err().is_cancelled());
    assert!(place.store.snapshot().is_ok());
}
