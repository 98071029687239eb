//! Trees that the caller fills, for drivers that take them.

use std::any::Any;

use layerhold_driver::{
    LayerAccess, LayerError, StagedTree, Trash, TreeFor, TreeRequest, TreeRoot,
};
use layerhold_sys::Dir;
use layerhold_testkit::TarBuilder;

use super::staging::Foreign;
use crate::DriverFixture;
use crate::case::assert_is;
use crate::fixture::{fill, id, read};

/// A tree; `None` when the driver takes none.
fn tree(fixture: &DriverFixture, wanted: TreeFor<'_>) -> Option<Box<dyn StagedTree>> {
    match fixture.driver.stage_tree(&TreeRequest::new(wanted)) {
        Err(LayerError::NotSupported { .. }) => None,
        other => Some(other.unwrap()),
    }
}

pub(super) fn trees_become_contents(fixture: &DriverFixture) {
    let below = TarBuilder::new()
        .file("a", 0o644, "base")
        .file("b", 0o644, "base")
        .dir("dir", 0o755)
        .file("dir/gone", 0o644, "x")
        .finish();
    let base = fixture.layer("base", None, &below);
    let old = TarBuilder::new().file("old", 0o644, "x").finish();
    let top = fixture.layer("top", Some("base"), &old);
    let before = fixture.everything();
    let above = TarBuilder::new()
        .whiteout("a")
        .file("c", 0o644, "top")
        .opaque("dir")
        .file("dir/new", 0o644, "y")
        .finish();
    let Some(tree) = tree(fixture, TreeFor::Layer(&top)) else {
        assert_eq!(fixture.everything(), before);
        return;
    };
    fill(&*tree, &above);
    fixture.mounted("top", |path| assert!(path.join("old").exists()));
    let mut trash = Trash::new();
    fixture
        .driver
        .replace_tree(&top, Some(&base), tree, TreeRoot::LikeParent, &mut trash)
        .unwrap();
    trash.erase().unwrap();

    let tree = self::tree(fixture, TreeFor::New(LayerAccess::ReadOnly)).unwrap();
    fill(&*tree, &above);
    let mut new = fixture.stage(Some(&base));
    fill(&*new, &old);
    new.adopt(tree, TreeRoot::LikeParent).unwrap();
    new.commit(&id("new")).unwrap();
    for name in ["top", "new"] {
        fixture.mounted(name, |path| {
            assert!(!path.join("a").exists() && !path.join("old").exists());
            assert!(!path.join("dir/gone").exists());
            assert_eq!(
                ["b", "c", "dir/new"].map(|file| read(path.join(file))),
                ["base", "top", "y"]
            );
        });
    }
    fixture.remove("new");
    assert!(fixture.temporary().is_empty());
}

pub(super) fn dropped_trees_leave_nothing(fixture: &DriverFixture) {
    let top = fixture.layer(
        "top",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    // The directory in which trees are may be made by the first one, and stay.
    drop(tree(fixture, TreeFor::Layer(&top)));
    let before = fixture.everything();
    for wanted in [TreeFor::Layer(&top), TreeFor::New(LayerAccess::ReadWrite)] {
        let Some(tree) = tree(fixture, wanted) else {
            return;
        };
        fill(&*tree, &TarBuilder::new().file("g", 0o644, "y").finish());
        assert_ne!(fixture.everything(), before);
        drop(tree);
        assert_eq!(fixture.everything(), before);
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

pub(super) fn foreign_trees_are_refused(fixture: &DriverFixture) {
    let top = fixture.layer(
        "top",
        None,
        &TarBuilder::new().file("f", 0o644, "x").finish(),
    );
    let foreign = || Box::new(Foreign(Dir::open_ambient(fixture.root()).unwrap()));
    let mut trash = Trash::new();
    let root = TreeRoot::AsFilled;
    let replaced = fixture
        .driver
        .replace_tree(&top, None, foreign(), root, &mut trash);
    assert_is!(replaced, Err(LayerError::ForeignTree));
    let mut new = fixture.stage(None);
    fill(&*new, &TarBuilder::new().file("f", 0o644, "x").finish());
    let adopted = new.adopt(foreign(), root);
    assert_is!(adopted, Err(LayerError::ForeignTree));
    new.commit(&id("new")).unwrap();
    for name in ["top", "new"] {
        fixture.mounted(name, |path| assert_eq!(read(path.join("f")), "x"));
    }
}
