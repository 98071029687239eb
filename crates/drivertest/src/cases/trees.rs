//! Trees that somebody else fills. A driver need not take any; those that do, take them like this.

use std::any::Any;

use layerhold_driver::{
    LayerAccess, LayerError, StagedTree, Trash, TreeFor, TreeRequest, TreeRoot,
};
use layerhold_sys::Dir;
use layerhold_testkit::TarBuilder;

use super::staging::Foreign;
use crate::Rig;
use crate::rig::{fill, id, read};

/// A tree; `None` when the driver takes none.
fn tree(rig: &Rig, wanted: TreeFor<'_>) -> Option<Box<dyn StagedTree>> {
    match rig.driver.stage_tree(&TreeRequest::new(wanted)) {
        Err(LayerError::NotSupported { .. }) => None,
        other => Some(other.unwrap()),
    }
}

pub(super) fn trees_become_contents(rig: &Rig) {
    let below = TarBuilder::new()
        .file("a", 0o644, "base")
        .file("b", 0o644, "base")
        .dir("dir", 0o755)
        .file("dir/gone", 0o644, "x")
        .finish();
    let base = rig.layer("base", None, &below);
    let old = TarBuilder::new().file("old", 0o644, "x").finish();
    let top = rig.layer("top", Some("base"), &old);
    let before = rig.everything();
    let above = TarBuilder::new()
        .whiteout("a")
        .file("c", 0o644, "top")
        .opaque("dir")
        .file("dir/new", 0o644, "y")
        .finish();
    let Some(tree) = tree(rig, TreeFor::Layer(&top)) else {
        assert_eq!(rig.everything(), before);
        return;
    };
    fill(&*tree, &above);
    rig.mounted("top", |path| assert!(path.join("old").exists()));
    let mut trash = Trash::new();
    rig.driver
        .replace_tree(&top, Some(&base), tree, TreeRoot::LikeParent, &mut trash)
        .unwrap();
    trash.erase().unwrap();

    let tree = self::tree(rig, TreeFor::New(LayerAccess::ReadOnly)).unwrap();
    fill(&*tree, &above);
    let mut new = rig.stage(Some(&base));
    fill(&*new, &old);
    new.adopt(tree, TreeRoot::LikeParent).unwrap();
    new.commit(&id("new")).unwrap();
    for name in ["top", "new"] {
        rig.mounted(name, |path| {
            assert!(!path.join("a").exists() && !path.join("old").exists());
            assert!(!path.join("dir/gone").exists());
            assert_eq!(
                ["b", "c", "dir/new"].map(|file| read(path.join(file))),
                ["base", "top", "y"]
            );
        });
    }
    rig.remove("new");
    assert!(rig.temporary().is_empty());
}

pub(super) fn dropped_trees_leave_nothing(rig: &Rig) {
    let top = rig.layer(
        "top",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    // The directory in which trees are may be made by the first one, and stay.
    drop(tree(rig, TreeFor::Layer(&top)));
    let before = rig.everything();
    for wanted in [TreeFor::Layer(&top), TreeFor::New(LayerAccess::ReadWrite)] {
        let Some(tree) = tree(rig, wanted) else {
            return;
        };
        fill(&*tree, &TarBuilder::new().file("g", 0o644, "y").finish());
        assert_ne!(rig.everything(), before);
        drop(tree);
        assert_eq!(rig.everything(), before);
    }
}

impl StagedTree for Foreign {
    fn erase(self: Box<Self>) -> Result<(), LayerError> {
        Ok(())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

pub(super) fn foreign_trees_are_refused(rig: &Rig) {
    let top = rig.layer(
        "top",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    let foreign = || Box::new(Foreign(Dir::open_ambient(rig.root()).unwrap()));
    let mut trash = Trash::new();
    let root = TreeRoot::AsFilled;
    let replaced = rig
        .driver
        .replace_tree(&top, None, foreign(), root, &mut trash);
    assert!(
        matches!(replaced, Err(LayerError::ForeignTree)),
        "{replaced:?}"
    );
    let mut new = rig.stage(None);
    fill(&*new, &TarBuilder::new().file("f", 0o644, "x").finish());
    let adopted = new.adopt(foreign(), root);
    assert!(
        matches!(adopted, Err(LayerError::ForeignTree)),
        "{adopted:?}"
    );
    new.commit(&id("new")).unwrap();
    for name in ["top", "new"] {
        rig.mounted(name, |path| assert_eq!(read(path.join("f")), "x"));
    }
}
