//! Trees that the caller fills.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use layerhold_driver::{
    Driver, LayerAccess, LayerError, LayerRef, StageRequest, StagedTree, Trash, TreeFor,
    TreeRequest, TreeRoot,
};
use layerhold_testkit::{ChildSpec, TarBuilder};

use crate::support::{Place, id, names, read, write};

fn tree(place: &Place, wanted: TreeFor<'_>) -> Box<dyn StagedTree> {
    place.driver.stage_tree(&TreeRequest::new(wanted)).unwrap()
}

/// Where the only tree is.
fn staged(place: &Place) -> std::path::PathBuf {
    let names = names(place.home("staging"));
    assert_eq!(names.len(), 1, "{names:?}");
    place.home("staging").join(&names[0])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Makes a directory look as if nothing had happened in it for long.
fn age(dir: &Path) {
    let before = SystemTime::now() - Duration::from_secs(100);
    fs::File::open(dir).unwrap().set_modified(before).unwrap();
}

#[test]
fn root_a_tree_takes_the_place_of_what_a_layer_holds() {
    let Some(place) = Place::new() else { return };
    let base = TarBuilder::new()
        .dir("./", 0o711)
        .file("f", 0o644, "base")
        .finish();
    place.layer("base", None, &base);
    let old = TarBuilder::new().file("old", 0o644, "x").finish();
    place.layer("top", Some("base"), &old);
    let (top, base) = (id("top"), id("base"));

    let tree = tree(&place, TreeFor::Layer(&top));
    let path = staged(&place);
    assert_eq!(names(&path), ["dir", "staging.lock"]);
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("dir")), 0o555);
    write(path.join("dir/f"), "top");
    // Nothing is changed yet.
    assert_eq!(names(place.home("top/diff")), ["old"]);
    let mut trash = Trash::new();
    place
        .driver
        .replace_tree(&top, Some(&base), tree, TreeRoot::LikeParent, &mut trash)
        .unwrap();
    assert_eq!(names(place.home("top/diff")), ["f"]);
    assert_eq!(mode(&place.home("top/diff")), 0o711);
    // Erasing is done later, without locks.
    assert_eq!(names(path.join("dir")), ["old"]);
    trash.erase().unwrap();
    assert_eq!(names(place.home("staging")), Vec::<String>::new());
    place.mounted("top", |path| assert_eq!(read(path.join("f")), "top"));
    assert_eq!(place.changes("top", Some("base")), ["C /f"]);
}

#[test]
fn root_a_new_layer_adopts_a_tree() {
    let Some(place) = Place::new() else { return };
    let base = place.stage(None, LayerAccess::ReadOnly);
    base.root().create_dir("below", 0o755).unwrap();
    base.root().set_own_mode(0o750).unwrap();
    for (name, how, wanted) in [
        ("as-parent", TreeRoot::LikeParent, 0o750),
        ("as-filled", TreeRoot::AsFilled, 0o701),
    ] {
        let tree = tree(&place, TreeFor::New(LayerAccess::ReadOnly));
        tree.root().create_dir("above", 0o755).unwrap();
        tree.root().set_own_mode(0o701).unwrap();
        let request = StageRequest::new().with_parent(LayerRef::Staged(&*base));
        let mut layer = place.driver.stage(&request).unwrap();
        layer.adopt(tree, how).unwrap();
        assert_eq!(names(place.home("staging")), Vec::<String>::new());
        assert!(layer.root().exists("above").unwrap());
        layer.commit(&id(name)).unwrap();
        assert_eq!(mode(&place.home(&format!("{name}/diff"))), wanted);
    }
    base.commit(&id("base")).unwrap();
    for name in ["as-parent", "as-filled"] {
        // Its short name leads to what was adopted.
        place.mounted(name, |path| assert_eq!(names(path), ["above", "below"]));
    }
}

#[test]
fn root_a_tree_in_use_is_left_alone_and_a_dropped_one_is_gone() {
    let Some(place) = Place::new() else { return };
    let tree = tree(&place, TreeFor::New(LayerAccess::ReadOnly));
    write(staged(&place).join("dir/f"), "x");
    age(&staged(&place));
    let other = place.reopen();
    other.maintenance().recover().unwrap();
    assert_eq!(other.maintenance().home_damage().unwrap(), []);
    other.cleanup().unwrap();
    assert_eq!(read(staged(&place).join("dir/f")), "x");
    drop(tree);
    assert_eq!(names(place.home("staging")), Vec::<String>::new());
    let tree = self::tree(&place, TreeFor::New(LayerAccess::ReadWrite));
    tree.erase().unwrap();
    assert_eq!(names(place.home("staging")), Vec::<String>::new());
}

#[test]
fn root_trees_of_the_dead_are_removed() {
    let Some(place) = Place::new() else { return };
    let mut child = ChildSpec::new("crashes::child_entry", "tree")
        .argument(place.config.root.display())
        .argument(place.config.run_root.display())
        .spawn();
    child.expect("filled");
    child.kill();
    let path = staged(&place);
    // Another process may be about to lock it.
    place.driver.maintenance().recover().unwrap();
    assert!(path.join("dir/f").exists());
    assert_eq!(place.driver.maintenance().home_damage().unwrap(), []);
    age(&path);
    let damage = place.driver.maintenance().home_damage().unwrap();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].path, path);
    place.driver.maintenance().repair_home(&damage[0]).unwrap();
    assert_eq!(names(place.home("staging")), Vec::<String>::new());
    // What Go's library leaves of a tree that it has moved away.
    fs::create_dir(place.home("staging/1")).unwrap();
    age(&place.home("staging/1"));
    place.reopen().maintenance().recover().unwrap();
    assert_eq!(names(place.home("staging")), Vec::<String>::new());
}

#[test]
fn root_trees_are_for_layers_that_can_be_changed() {
    let Some(place) = Place::new() else { return };
    let nosuch = id("nosuch");
    let request = TreeRequest::new(TreeFor::Layer(&nosuch));
    let error = place.driver.stage_tree(&request).unwrap_err();
    assert!(matches!(error, LayerError::Unknown { .. }), "{error}");
    let tree = tree(&place, TreeFor::New(LayerAccess::ReadOnly));
    let mut trash = Trash::new();
    let replaced = place
        .driver
        .replace_tree(&nosuch, None, tree, TreeRoot::LikeParent, &mut trash);
    assert!(replaced.unwrap_err().is_not_found());
    trash.erase().unwrap();
    assert_eq!(names(place.home("staging")), Vec::<String>::new());
}
