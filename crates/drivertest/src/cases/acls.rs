//! Access control lists: a layer has those of its image, not those of directories above the store.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use layerhold_driver::{ApplyRequest, LayerAccess, LayerRef, RemapRequest, StageRequest};
use layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_sys::{Dir, xattr};
use layerhold_testkit::{
    DEFAULT_ACL, SkipReason, TarBuilder, TarEntry, Tree, generous_acl, scratch, skip,
};

use crate::fixture::{fill, id};
use crate::{DriverFixture, MountFidelity};

/// Makes a directory pass a list on; `None` (reported) where the filesystem cannot.
fn pass_on(path: &Path) -> Option<()> {
    let dir = Dir::open_ambient(path).unwrap();
    match xattr::set(&dir, DEFAULT_ACL, &generous_acl()) {
        Err(error) if error.is_unsupported() => {
            return skip("no access control lists here", SkipReason::Kernel);
        }
        other => other.unwrap(),
    }
    Some(())
}

fn tar() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("./").mode(0o755).owner(0, 0))
        .entry(TarEntry::dir("d").mode(0o750).owner(0, 0))
        .entry(TarEntry::file("d/f", "x").mode(0o640).owner(0, 0))
        .entry(TarEntry::file("implied/f", "x").mode(0o4755).owner(0, 0))
        .entry(TarEntry::fifo("d/pipe").mode(0o600).owner(0, 0))
        .entry(TarEntry::symlink("link", "d").owner(0, 0))
        .finish()
}

/// Makes the same layers in every way, and returns their lists.
fn furnish(fixture: &DriverFixture) -> Vec<Tree> {
    fixture.layer("base", None, &tar());
    let base = id("base");
    let map = || IdMap::new(vec![IdRange::new(0, 5000, 1000)]);
    let request = StageRequest::new()
        .with_template(LayerRef::Committed(&base))
        .with_access(LayerAccess::ReadOnly);
    let mut staged = fixture.driver.stage(&request).unwrap();
    let maps = IdMappings::new(map(), map());
    let same = IdMappings::IDENTITY;
    staged.remap(&RemapRequest::new(&same, &maps)).unwrap();
    staged.commit(&id("mapped")).unwrap();
    fixture.changed("rw", "base", |path| {
        fs::create_dir(path.join("new")).unwrap();
        fs::write(path.join("new/f"), "x").unwrap();
        fs::write(path.join("d/g"), "x").unwrap();
    });
    let trees = ["base", "mapped", "rw"].map(|name| fixture.tree(name).without_directory_times());
    let forget_times = |tree: Tree| {
        tree.map(|path, node| {
            if path.ends_with("new/f") || path.ends_with("d/g") {
                node.mtime = (0, 0);
            }
        })
    };
    trees.map(forget_times).into()
}

pub(super) fn root_lists_above_the_store_are_not_inherited(fixture: &DriverFixture) {
    let above = scratch();
    let Some(()) = pass_on(above.path()) else {
        return;
    };
    let Some(other) = fixture.at(&above.path().join("graph")) else {
        return;
    };
    for (tree, expected) in furnish(&other).iter().zip(furnish(fixture)) {
        tree.assert_same(&expected);
    }
    let made = |path: &Path| {
        let names = ["base", "mapped", "rw"];
        path.components()
            .any(|part| names.iter().any(|name| part.as_os_str() == *name))
    };
    for path in other.everything().iter().filter(|path| made(path)) {
        let (above, name) = (path.parent().unwrap(), path.file_name().unwrap());
        let set = xattr::list_at(&Dir::open_ambient(above).unwrap(), name).unwrap();
        let mut lists = set.iter().filter_map(|name| name.to_str());
        assert!(!lists.any(|name| name.starts_with("system.")), "{path:?}");
    }
}

pub(super) fn root_lists_of_the_image_are_not_passed_on(fixture: &DriverFixture) {
    let Some(()) = pass_on(scratch().path()) else {
        return;
    };
    if fixture.mount_fidelity() == MountFidelity::LikeFuse {
        // It shows no lists.
        return;
    }
    let base = TarBuilder::new()
        .entry(
            TarEntry::dir("d")
                .mode(0o755)
                .xattr(DEFAULT_ACL, generous_acl()),
        )
        .finish();
    let staged = fixture.stage(None);
    fill(&*staged, &base);
    staged.commit(&id("base")).unwrap();
    let more = TarBuilder::new()
        .entry(TarEntry::file("d/f", "x").mode(0o640))
        .entry(TarEntry::dir("d/sub").mode(0o750))
        .entry(TarEntry::file("d/implied/f", "x").mode(0o600))
        .entry(TarEntry::fifo("d/pipe").mode(0o600))
        .finish();
    fixture
        .driver
        .apply_diff(&ApplyRequest::new(&id("base")), &mut &*more)
        .unwrap();
    let tree = fixture.tree("base");
    // XFS lists it a second time, under a name of its own.
    let own = tree.at("d").xattrs.get(OsStr::new(DEFAULT_ACL));
    assert_eq!(own, Some(&generous_acl()));
    for (name, mode) in [
        ("d/f", 0o640),
        ("d/sub", 0o750),
        ("d/implied", 0o755),
        ("d/implied/f", 0o600),
        ("d/pipe", 0o600),
    ] {
        let node = tree.at(name);
        assert_eq!((node.mode, node.xattrs.len()), (mode, 0), "{name}");
    }
}
