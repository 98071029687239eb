//! Layers before they are layers.

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

use crate::Rig;
use crate::rig::{fill, id, read};

fn file(name: &str, content: &str) -> Vec<u8> {
    TarBuilder::new().file(name, 0o644, content).finish()
}

pub(super) fn staged_layers_are_invisible(rig: &Rig) {
    let staged = rig.stage(None);
    fill(&*staged, &file("f", "x"));
    assert!(!rig.lists() || rig.list().is_empty());
    staged.commit(&id("seen")).unwrap();
    assert!(!rig.lists() || rig.list() == ["seen"]);
}

pub(super) fn dropped_stage_leaves_nothing(rig: &Rig) {
    rig.layer("base", None, &file("f", "x"));
    let before = rig.everything();
    let staged = rig.stage(Some(&id("base")));
    fill(&*staged, &file("g", "y"));
    assert_ne!(rig.everything(), before);
    drop(staged);
    assert_eq!(rig.everything(), before);
}

pub(super) fn failed_stage_leaves_nothing(rig: &Rig) {
    rig.layer("base", None, &file("f", "x"));
    let before = rig.everything();
    let unknown = id("nosuch");
    rig.driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&unknown)))
        .unwrap_err();
    let staged = rig.stage(Some(&id("base")));
    let spoiled = TarBuilder::new()
        .file("g", 0o644, "y")
        .hard_link("h", "not/there")
        .finish();
    fallback::unpack(&*staged, Default::default(), &mut spoiled.as_slice()).unwrap_err();
    drop(staged);
    assert_eq!(rig.everything(), before);
}

pub(super) fn staged_on_staged(rig: &Rig) {
    let base = rig.stage(None);
    fill(
        &*base,
        &TarBuilder::new()
            .file("a", 0o644, "base")
            .file("b", 0o644, "base")
            .finish(),
    );
    let middle = rig
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
    let top = rig.driver.stage(&request).unwrap();
    fill(
        &*top,
        &TarBuilder::new()
            .whiteout("a")
            .file("c", 0o644, "top")
            .finish(),
    );
    assert!(!rig.lists() || rig.list().is_empty());

    base.commit(&id("base")).unwrap();
    middle.commit(&id("middle")).unwrap();
    top.commit(&id("top")).unwrap();
    rig.mounted("base", |path| {
        assert_eq!(read(path.join("a")) + &read(path.join("b")), "basebase")
    });
    rig.mounted("middle", |path| {
        assert_eq!(
            ["a", "b", "c"].map(|name| read(path.join(name))),
            ["base", "middle", "middle"]
        );
    });
    rig.mounted("top", |path| {
        assert!(!path.join("a").exists());
        assert_eq!(
            ["b", "c"].map(|name| read(path.join(name))),
            ["middle", "top"]
        );
    });
    assert_eq!(rig.changes("top", Some("middle")), ["D /a", "C /c"]);
    assert!(rig.temporary().is_empty());
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

pub(super) fn staged_on_foreign_is_refused(rig: &Rig) {
    let foreign = Foreign(Dir::open_ambient(rig.root()).unwrap());
    let outcome = rig
        .driver
        .stage(&StageRequest::new().with_parent(LayerRef::Staged(&foreign)));
    assert!(
        matches!(outcome, Err(LayerError::ForeignStaged { .. })),
        "{outcome:?}"
    );
    assert!(rig.temporary().is_empty());
}

pub(super) fn template_gives_contents(rig: &Rig) {
    let (base, snap) = (id("base"), id("snap"));
    rig.layer("base", None, &file("f", "base"));
    rig.layer(
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
        rig.driver
            .stage(&request)
            .unwrap()
            .commit(&id(name))
            .unwrap();
        // An ordinary user's writable layer may have a root directory its owner can write to.
        let below = |name| rig.tree(name).retain(|path, _| path != Path::new(""));
        below(name).assert_same(&below("snap"));
        assert_eq!(rig.changes(name, Some("snap")), [""; 0]);
        assert_eq!(rig.changes(name, Some("base")), ["D /f", "A /g"]);
    }
}

pub(super) fn concurrent_staging(rig: &Rig) {
    const EACH: usize = 4;
    let content: TarBuilder = (0..40).fold(TarBuilder::new(), |tar, n| {
        tar.dir(format!("d{n}"), 0o755)
            .file(format!("d{n}/f"), 0o644, n.to_string())
    });
    rig.layer("base", None, &content.finish());
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for n in 0..EACH {
                    let name = format!("layer-{worker}-{n}");
                    rig.layer(&name, Some("base"), &file("own", &name));
                    if n % 2 == 1 {
                        rig.remove(&name);
                    }
                }
            });
        }
    });
    for worker in 0..4 {
        for n in (0..EACH).step_by(2) {
            let name = format!("layer-{worker}-{n}");
            rig.mounted(&name, |path| {
                assert_eq!(read(path.join("own")), name);
                assert_eq!(read(path.join("d39/f")), "39");
            });
        }
    }
    assert!(!rig.lists() || rig.list().len() == 1 + 4 * EACH / 2);
    assert!(rig.temporary().is_empty());
}

pub(super) fn stale_areas_are_recovered(rig: &Rig) {
    for root in rig.driver.temp_roots() {
        // What a process leaves that died while it staged a layer.
        let tree = root.join("temp-dir-1234/0-addition/usr/bin");
        fs::create_dir_all(&tree).unwrap();
        fs::File::create(tree.join("sh")).unwrap();
        fs::File::create(root.join("lock-1234")).unwrap();
        let recovery = TempRoot::new(&root).recover_stale().unwrap();
        assert_eq!((recovery.removed.len(), recovery.failed.len()), (1, 0));
    }
    assert!(rig.temporary().is_empty());
}

pub(super) fn live_areas_survive_recovery(rig: &Rig) {
    let staged = rig.stage(None);
    fill(&*staged, &file("f", "x"));
    rig.layer("doomed", None, &file("f", "y"));
    let mut trash = Trash::new();
    rig.driver.remove(&id("doomed"), &mut trash).unwrap();
    for root in rig.driver.temp_roots() {
        let recovery = TempRoot::new(root).recover_stale().unwrap();
        assert!(
            recovery.removed.is_empty() && recovery.failed.is_empty(),
            "{recovery:?}"
        );
    }
    staged.commit(&id("kept")).unwrap();
    trash.erase().unwrap();
    assert_eq!(rig.mounted("kept", |path| read(path.join("f"))), "x");
    assert!(rig.temporary().is_empty());
}

pub(super) fn root_full_disk_leaves_nothing_and_can_be_emptied(rig: &Rig) {
    let Some(small) = require_filesystem(FilesystemKind::Ext4, 16) else {
        return;
    };
    let Some(rig) = rig.at(&small.path().join("graph")) else {
        return;
    };
    let big = |name: &str, mib: usize| {
        TarBuilder::new()
            .file(name, 0o644, vec![7; mib << 20])
            .finish()
    };
    rig.layer("half", None, &big("f", 5));
    let before = rig.everything();

    // Unpacking runs out of space.
    let staged = rig.stage(None);
    fallback::unpack(&*staged, Default::default(), &mut big("g", 20).as_slice()).unwrap_err();
    drop(staged);
    assert_eq!(rig.everything(), before);

    // Copying the parent does, for drivers that copy; the others run out while the child is filled.
    let half = id("half");
    let child = rig
        .driver
        .stage(&StageRequest::new().with_parent(LayerRef::Committed(&half)));
    if let Ok(child) = child {
        fallback::unpack(&*child, Default::default(), &mut big("g", 12).as_slice()).unwrap_err();
    }
    assert_eq!(rig.everything(), before);

    // With no block left a layer can still be removed.
    fill_up(small.path());
    rig.remove("half");
    assert!(!rig.driver.exists(&half).unwrap());
    rig.layer("again", None, &big("f", 4));
}

/// Writes a file until nothing more fits.
fn fill_up(place: &Path) {
    use std::io::Write;
    for (name, chunk) in [("large", 1 << 16), ("small", 512)] {
        let mut filler = fs::File::create(place.join(name)).unwrap();
        while filler.write_all(&vec![1; chunk]).is_ok() {}
    }
}
