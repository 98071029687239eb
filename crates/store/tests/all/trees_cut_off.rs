//! Tests processes that die, and files that cannot be written, while trees become layers.

use std::path::Path;
use std::sync::Arc;

use layerhold::{DeleteMode, Error, LayerAccess, LayerSpec, Store, TreeSpec};
use layerhold_testkit::{ChildSpec, Fault, FaultIo, child_role, require_root};

use crate::support::{file_tar, import, reader, small_tar};
use crate::trees::{Overlay, diff_of, options};

/// Checks the state after a change that was cut off: the files, and what the record states about
/// them.
fn is_whole(store: &Store, old: &[u8], new: &[u8]) -> bool {
    let view = store.snapshot().unwrap();
    let layer = view.layer("mine").unwrap();
    let size = |tar: &[u8]| Some(tar.len() as u64);
    let tree = store.layer_tree_path("mine").unwrap();
    let (has_old, has_new) = (tree.join("old").exists(), tree.join("new").exists());
    assert_ne!(has_old, has_new);
    // It can be read in any case.
    let tar = diff_of(store, "mine");
    match layer.diff_size() {
        None => true,
        found if found == size(old) => has_old && tar == old,
        found => found == size(new) && has_new && tar == new,
    }
}

#[test]
fn root_a_change_that_is_cut_off_leaves_no_record_of_other_files() {
    let Some(()) = require_root() else { return };
    let (old, new) = (file_tar("old", b"1"), file_tar("new", &[b'2'; 600]));
    for fault in [Fault::CRASH, Fault::INPUT_OUTPUT] {
        for at in 0.. {
            let place = Overlay::new().unwrap();
            import(&place.store, LayerSpec::new().name("mine"), &old);
            let tree = place.tree_for("mine", &new);
            let io = FaultIo::failing(at, fault);
            let faulty = options(place.dir.path()).with_metadata_io(Arc::new(io.clone()));
            let changed = Store::open(faulty)
                .map_err(Error::from)
                .and_then(|store| Ok(store.replace_tree("mine", tree)?));
            let again = Store::open(options(place.dir.path())).unwrap();
            assert!(is_whole(&again, &old, &new), "{fault:?} {at}");
            if changed.is_ok() {
                let size = again.snapshot().unwrap().layer("mine").unwrap().diff_size();
                assert_eq!(size, Some(new.len() as u64));
            }
            assert_eq!(place.leftovers(), Vec::<String>::new());
            if !io.has_failed() {
                assert!(at > 3 && changed.is_ok(), "{at}");
                break;
            }
        }
    }
}

/// A process that dies at each operation on a record file.
#[test]
fn root_a_process_that_dies_in_a_change_leaves_no_record_of_other_files() {
    let Some(()) = require_root() else { return };
    let (old, new) = (file_tar("old", b"1"), file_tar("new", &[b'2'; 600]));
    for at in 0..100 {
        let place = Overlay::new().unwrap();
        import(&place.store, LayerSpec::new().name("mine"), &old);
        let child = ChildSpec::new("trees_cut_off::child_entry", "replace")
            .argument(place.dir.path().to_str().unwrap())
            .argument(at)
            .spawn();
        let status = child.wait();
        place.age_trees();
        let again = Store::open(options(place.dir.path())).unwrap();
        assert!(is_whole(&again, &old, &new), "{at}");
        drop(again.begin().unwrap());
        assert_eq!(place.leftovers(), Vec::<String>::new());
        if status.success() {
            assert!(at > 3);
            return;
        }
    }
    panic!("the child never came to its end");
}

/// Fills a tree, and waits to be killed or dies at a given operation.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let base = Path::new(role.argument(0));
    if role.name() == "replace" {
        let io = FaultIo::failing(role.argument(1).parse().unwrap(), Fault::Abort);
        let store = Store::open(options(base).with_metadata_io(Arc::new(io))).unwrap();
        let layer = store.snapshot().unwrap().layer("mine").unwrap();
        let tree = store.stage_tree(TreeSpec::for_layer(&layer)).unwrap();
        let tree = tree.unpack_tar(reader(&file_tar("new", &[b'2'; 600])));
        store.replace_tree("mine", tree.unwrap()).unwrap();
        return role.say("alive");
    }
    let store = Store::open(options(base)).unwrap();
    let spec = TreeSpec::for_new_layer(LayerAccess::ReadOnly);
    let tree = store.stage_tree(spec).unwrap();
    let tree = tree.unpack_tar(reader(&small_tar())).unwrap();
    role.say("filled");
    role.listen();
    drop(tree);
}

#[test]
fn root_what_a_dead_process_filled_is_removed() {
    let Some(place) = Overlay::new() else { return };
    let before = std::fs::read(place.graph("overlay-layers/layers.json")).ok();
    for way in ["begin", "collect"] {
        let mut child = ChildSpec::new("trees_cut_off::child_entry", "fill")
            .argument(place.dir.path().to_str().unwrap())
            .spawn();
        child.expect("filled");
        // The tree of a live process is left alone.
        drop(
            Store::open(options(place.dir.path()))
                .unwrap()
                .begin()
                .unwrap(),
        );
        assert_ne!(place.leftovers(), Vec::<String>::new());
        child.kill();
        place.age_trees();
        let never = options(place.dir.path()).with_recovery(layerhold::Recovery::Never);
        match way {
            "begin" => drop(
                Store::open(options(place.dir.path()))
                    .unwrap()
                    .begin()
                    .unwrap(),
            ),
            _ => drop(
                Store::open(never)
                    .unwrap()
                    .garbage_collect(DeleteMode::Delete)
                    .unwrap(),
            ),
        }
        let left = std::fs::read_dir(place.graph("overlay/staging")).unwrap();
        assert_eq!(left.count(), 0, "{way}");
        let now = std::fs::read(place.graph("overlay-layers/layers.json")).ok();
        assert!(now == before);
    }
    assert_eq!(place.leftovers(), Vec::<String>::new());
}
