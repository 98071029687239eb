//! Staged layers.

use std::any::Any;
use std::fs;
use std::path::Path;
use std::thread;

use layerhold_archive::UnpackOptions;
use layerhold_driver::{
    CommitFailed, LayerAccess, LayerContents, LayerError, LayerRef, LayerTarget, RemapRequest,
    StageRequest, StagedLayer, Trash, fallback,
};
use layerhold_ids::LayerId;
use layerhold_staging::TempRoot;
use layerhold_sys::Dir;
use layerhold_testkit::{FilesystemKind, TarBuilder, require_filesystem};

use crate::DriverFixture;
use crate::case::assert_is;
use crate::fixture::{fill, id, read};

fn file(name: &str, content: &str) -> Vec<u8> {
    TarBuilder::new().file(name, 0o644, content).finish()
}

pub(super) fn staged_layers_are_invisible(fixture: &DriverFixture) {
    let staged = fixture.stage(None);
    fill(&*staged, &file("f", "x"));
    assert!(!fixture.lists() || fixture.list().is_empty());
    staged.commit(&id("seen")).unwrap();
    assert!(!fixture.lists() || fixture.list() == ["seen"]);
}

pub(super) fn dropped_stage_leaves_nothing(fixture: &DriverFixture) {
    fixture.layer("base", None, &file("f", "x"));
    let before = fixture.everything();
    let staged = fixture.stage(Some(&id("base")));
    fill(&*staged, &file("g", "y"));
    assert_ne!(fixture.everything(), before);
    drop(staged);
    assert_eq!(fixture.everything(), before);
}

pub(super) fn failed_stage_leaves_nothing(fixture: &DriverFixture) {
    fixture.layer("base", None, &file("f", "x"));
    let before = fixture.everything();
    let unknown = id("nosuch");
    fixture
        .driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&unknown)))
        .unwrap_err();
    let staged = fixture.stage(Some(&id("base")));
    let spoiled = TarBuilder::new()
        .file("g", 0o644, "y")
        .hard_link("h", "not/there")
        .finish();
    fallback::unpack(&*staged, Default::default(), &mut spoiled.as_slice()).unwrap_err();
    drop(staged);
    assert_eq!(fixture.everything(), before);
}

pub(super) fn staged_on_staged(fixture: &DriverFixture) {
    let base = fixture.stage(None);
    fill(
        &*base,
        &TarBuilder::new()
            .file("a", 0o644, "base")
            .file("b", 0o644, "base")
            .finish(),
    );
    let middle = fixture
        .driver
        .stage(&StageRequest::new().with_parent(LayerRef::Staged(&*base)))
        .unwrap();
    fill(
        &*middle,
        &TarBuilder::new()
            .file("b", 0o644, "middle")
            .file("c", 0o644, "middle")
            .finish(),
    );
    let request = StageRequest::new()
        .with_parent(LayerRef::Staged(&*middle))
        .with_access(LayerAccess::ReadWrite);
    let top = fixture.driver.stage(&request).unwrap();
    fill(
        &*top,
        &TarBuilder::new()
            .whiteout("a")
            .file("c", 0o644, "top")
            .finish(),
    );
    assert!(!fixture.lists() || fixture.list().is_empty());

    base.commit(&id("base")).unwrap();
    middle.commit(&id("middle")).unwrap();
    top.commit(&id("top")).unwrap();
    fixture.mounted("base", |path| {
        assert_eq!(read(path.join("a")) + &read(path.join("b")), "basebase")
    });
    fixture.mounted("middle", |path| {
        assert_eq!(
            ["a", "b", "c"].map(|name| read(path.join(name))),
            ["base", "middle", "middle"]
        );
    });
    fixture.mounted("top", |path| {
        assert!(!path.join("a").exists());
        assert_eq!(
            ["b", "c"].map(|name| read(path.join(name))),
            ["middle", "top"]
        );
    });
    assert_eq!(fixture.changes("top", Some("middle")), ["D /a", "C /c"]);
    assert!(fixture.temporary().is_empty());
}

/// A staged layer, or a tree, that no driver made.
#[derive(Debug)]
pub(super) struct Foreign(pub(super) Dir);

impl LayerTarget for Foreign {
    fn root(&self) -> &Dir {
        &self.0
    }

    fn unpack_options(&self) -> UnpackOptions {
        UnpackOptions::new()
    }
}

impl StagedLayer for Foreign {
    fn contents(&self) -> Result<Box<dyn LayerContents>, LayerError> {
        Err(LayerError::NotSupported {
            driver: "none",
            operation: "read",
        })
    }

    fn remap(&mut self, _: &RemapRequest<'_>) -> Result<(), LayerError> {
        Ok(())
    }

    fn commit(self: Box<Self>, _: &LayerId) -> Result<(), Box<CommitFailed>> {
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(super) fn staged_on_foreign_is_refused(fixture: &DriverFixture) {
    let foreign = Foreign(Dir::open_ambient(fixture.root()).unwrap());
    let outcome = fixture
        .driver
        .stage(&StageRequest::new().with_parent(LayerRef::Staged(&foreign)));
    assert_is!(outcome, Err(LayerError::ForeignStaged { .. }));
    assert!(fixture.temporary().is_empty());
}

pub(super) fn template_gives_contents(fixture: &DriverFixture) {
    let (base, snap) = (id("base"), id("snap"));
    fixture.layer("base", None, &file("f", "base"));
    fixture.layer(
        "snap",
        Some("base"),
        &TarBuilder::new()
            .file("g", 0o600, "snap")
            .whiteout("f")
            .finish(),
    );
    for (name, access) in [
        ("rw", LayerAccess::ReadWrite),
        ("ro", LayerAccess::ReadOnly),
    ] {
        let request = StageRequest::new()
            .with_parent(LayerRef::Committed(&base))
            .with_template(LayerRef::Committed(&snap))
            .with_access(access);
        fixture
            .driver
            .stage(&request)
            .unwrap()
            .commit(&id(name))
            .unwrap();
        // An ordinary user's writable layer may have a root directory its owner can write to.
        let below = |name| fixture.tree(name).retain(|path, _| path != Path::new(""));
        below(name).assert_same(&below("snap"));
        assert_eq!(fixture.changes(name, Some("snap")), [""; 0]);
        assert_eq!(fixture.changes(name, Some("base")), ["D /f", "A /g"]);
    }
}

pub(super) fn concurrent_staging(fixture: &DriverFixture) {
    const EACH: usize = 4;
    let content: TarBuilder = (0..40).fold(TarBuilder::new(), |tar, n| {
        tar.dir(format!("d{n}"), 0o755)
            .file(format!("d{n}/f"), 0o644, n.to_string())
    });
    fixture.layer("base", None, &content.finish());
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for n in 0..EACH {
                    let name = format!("layer-{worker}-{n}");
                    fixture.layer(&name, Some("base"), &file("own", &name));
                    if n % 2 == 1 {
                        fixture.remove(&name);
                    }
                }
            });
        }
    });
    for worker in 0..4 {
        for n in (0..EACH).step_by(2) {
            let name = format!("layer-{worker}-{n}");
            fixture.mounted(&name, |path| {
                assert_eq!(read(path.join("own")), name);
                assert_eq!(read(path.join("d39/f")), "39");
            });
        }
    }
    assert!(!fixture.lists() || fixture.list().len() == 1 + 4 * EACH / 2);
    assert!(fixture.temporary().is_empty());
}

pub(super) fn stale_areas_are_recovered(fixture: &DriverFixture) {
    for root in fixture.driver.temp_roots() {
        // The leftovers of a process that died while it staged a layer.
        let tree = root.join("temp-dir-1234/0-addition/usr/bin");
        fs::create_dir_all(&tree).unwrap();
        fs::File::create(tree.join("sh")).unwrap();
        fs::File::create(root.join("lock-1234")).unwrap();
        let recovery = TempRoot::new(&root).recover_stale().unwrap();
        assert_eq!((recovery.removed.len(), recovery.failed.len()), (1, 0));
    }
    assert!(fixture.temporary().is_empty());
}

pub(super) fn live_areas_survive_recovery(fixture: &DriverFixture) {
    let staged = fixture.stage(None);
    fill(&*staged, &file("f", "x"));
    fixture.layer("doomed", None, &file("f", "y"));
    let mut trash = Trash::new();
    fixture.driver.remove(&id("doomed"), &mut trash).unwrap();
    for root in fixture.driver.temp_roots() {
        let recovery = TempRoot::new(root).recover_stale().unwrap();
        assert!(
            recovery.removed.is_empty() && recovery.failed.is_empty(),
            "{recovery:?}"
        );
    }
    staged.commit(&id("kept")).unwrap();
    trash.erase().unwrap();
    assert_eq!(fixture.mounted("kept", |path| read(path.join("f"))), "x");
    assert!(fixture.temporary().is_empty());
}

pub(super) fn root_full_disk_leaves_nothing_and_can_be_emptied(fixture: &DriverFixture) {
    let Some(small) = require_filesystem(FilesystemKind::Ext4, 16) else {
        return;
    };
    let Some(fixture) = fixture.at(&small.path().join("graph")) else {
        return;
    };
    let big = |name: &str, mib: usize| {
        TarBuilder::new()
            .file(name, 0o644, vec![7; mib << 20])
            .finish()
    };
    fixture.layer("half", None, &big("f", 5));
    let before = fixture.everything();

    // Unpacking runs out of space.
    let staged = fixture.stage(None);
    fallback::unpack(&*staged, Default::default(), &mut big("g", 20).as_slice()).unwrap_err();
    drop(staged);
    assert_eq!(fixture.everything(), before);

    // Copying the parent does, for drivers that copy; the others run out while the child is filled.
    let half = id("half");
    let child = fixture
        .driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&half)));
    if let Ok(child) = child {
        fallback::unpack(&*child, Default::default(), &mut big("g", 12).as_slice()).unwrap_err();
    }
    assert_eq!(fixture.everything(), before);

    // With no block left a layer can still be removed.
    fill_up(small.path());
    fixture.remove("half");
    assert!(!fixture.driver.exists(&half).unwrap());
    fixture.layer("again", None, &big("f", 4));
}

/// Writes a file until nothing more fits.
fn fill_up(place: &Path) {
    use std::io::Write;
    for (name, chunk) in [("large", 1 << 16), ("small", 512)] {
        let mut filler = fs::File::create(place.join(name)).unwrap();
        while filler.write_all(&vec![1; chunk]).is_ok() {}
    }
}
