//! Owners of user namespaces: shifted by the mount, or rewritten.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use layerhold_driver::layerhold_idmap::{ContainerOwner, IdMap, IdMappings, IdRange};
use layerhold_driver::{
    Driver, LayerAccess, LayerRef, MountOptions, RemapRequest, Shifting, StageRequest,
};
use layerhold_driver_overlay::OverlayDriver;
use layerhold_testkit::{TarBuilder, TarEntry, Tree};

use crate::support::{Place, id, names, read, write};

fn maps(host: u32) -> IdMappings {
    let map = || IdMap::new(vec![IdRange::new(0, host, 65536)]);
    IdMappings::new(map(), map())
}

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.uid(), stat.gid())
}

fn tar() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("d").owner(1, 2))
        .entry(TarEntry::file("d/f", "x").owner(3, 4))
        .finish()
}

/// The layers `base` and `rw`.
fn place() -> Option<Place> {
    let place = Place::new()?;
    place.layer("base", None, &tar());
    place.writable("rw", Some("base"));
    Some(place)
}

#[test]
fn root_mounts_show_owners_shifted() {
    let Some(place) = place() else { return };
    if !place.driver.supports_shifting(&maps(100_000)) {
        return;
    }
    let mapped = MountOptions::new().with_id_maps(maps(100_000));
    place.mounted_with("rw", &mapped, |path| {
        assert_eq!(owner(path), (100_000, 100_000));
        assert_eq!(owner(path.join("d")), (100_001, 100_002));
        assert_eq!(owner(path.join("d/f")), (100_003, 100_004));
        write(path.join("d/f"), "changed");
        write(path.join("new"), "by the host's root");
        // Needed only while mounting.
        assert!(!names(place.home("rw")).contains(&"mapped".to_owned()));
    });
    // Below nothing was copied or changed.
    assert_eq!(owner(place.home("base/diff/d/f")), (3, 4));
    assert_eq!(owner(place.home("base/diff")), (0, 0));
    assert_eq!(names(place.home("rw/diff")), ["d", "new"]);
    assert_eq!(owner(place.home("rw/diff/d/f")), (100_003, 100_004));

    // The image itself can be mounted shifted too, without a trace.
    let read_only = MountOptions::read_only().with_id_maps(maps(200_000));
    place.mounted_with("base", &read_only, |path| {
        assert_eq!(owner(path), (200_000, 200_000));
        assert_eq!(owner(path.join("d/f")), (200_003, 200_004));
    });
    assert_eq!(owner(place.home("base/diff")), (0, 0));

    // And not shifted, if the caller wants that.
    let plain = MountOptions::read_only()
        .with_id_maps(maps(200_000))
        .with_shifting(Shifting::Disabled);
    place.mounted_with("base", &plain, |path| {
        assert_eq!(owner(path.join("d/f")), (3, 4))
    });
}

#[test]
fn root_maps_of_several_ranges_are_shifted() {
    let Some(place) = place() else { return };
    if !place.driver.supports_shifting(&maps(100_000)) {
        return;
    }
    let map = || IdMap::new(vec![IdRange::new(0, 5000, 1), IdRange::new(1, 70_000, 10)]);
    let mapped = MountOptions::new().with_id_maps(IdMappings::new(map(), map()));
    place.mounted_with("rw", &mapped, |path| {
        assert_eq!(owner(path), (5000, 5000));
        assert_eq!(owner(path.join("d/f")), (70_002, 70_003));
    });
}

#[test]
fn root_shifting_can_be_switched_off() {
    let Some(place) = place() else { return };
    let config = place.config.clone().with_shifting(Shifting::Disabled);
    let driver = OverlayDriver::open(&config).unwrap();
    assert!(!driver.supports_shifting(&maps(100_000)));
    assert_eq!(driver.status()[4].1, "false");
    let mapped = MountOptions::new().with_id_maps(maps(100_000));
    let path = driver.mount(&id("rw"), &mapped).unwrap();
    assert_eq!(owner(path.join("d/f")), (3, 4));
    driver.unmount(&id("rw")).unwrap();
}

#[test]
fn root_rewritten_owners_are_kept_below_what_the_layer_changes() {
    let Some(place) = place() else { return };
    let base = id("base");
    let request = StageRequest::new().with_parent(LayerRef::Committed(&base));
    let mut staged = place.driver.stage(&request).unwrap();
    let target = maps(100_000);
    staged
        .remap(&RemapRequest::new(&IdMappings::IDENTITY, &target))
        .unwrap();
    // The layer can be filled afterwards.
    write(staged.root().path().join("own"), "x");
    staged.commit(&id("mapped")).unwrap();
    assert_eq!(
        names(place.home("mapped")),
        ["diff", "diff1", "link", "lower", "merged", "work"]
    );
    assert_eq!(names(place.home("mapped/diff")), ["own"]);
    assert_eq!(owner(place.home("mapped/diff")), (100_000, 100_000));
    assert_eq!(owner(place.home("mapped/diff1/d/f")), (100_003, 100_004));

    // Once more, on the committed layer.
    let other = maps(300_000);
    fs::remove_file(place.home("mapped/diff/own")).unwrap();
    place
        .driver
        .update_id_map(&id("mapped"), &RemapRequest::new(&target, &other))
        .unwrap();
    assert!(names(place.home("mapped")).contains(&"diff2".to_owned()));
    place.mounted("mapped", |path| {
        assert_eq!(owner(path), (300_000, 300_000));
        assert_eq!(owner(path.join("d/f")), (300_003, 300_004));
        assert_eq!(read(path.join("d/f")), "x");
    });
    // Layers on top see it the same way.
    place.writable("top", Some("mapped"));
    place.mounted("top", |path| {
        assert_eq!(owner(path.join("d/f")), (300_003, 300_004))
    });
}

#[test]
fn root_copies_do_not_depend_on_what_they_are_copies_of() {
    let Some(place) = place() else { return };
    let own = TarBuilder::new()
        .whiteout("d")
        .file("own", 0o644, "y")
        .finish();
    place.layer("template", Some("base"), &own);
    let (base, template) = (id("base"), id("template"));
    let request = StageRequest::new()
        .with_parent(LayerRef::Committed(&base))
        .with_template(LayerRef::Committed(&template))
        .with_access(LayerAccess::ReadOnly);
    let mut staged = place.driver.stage(&request).unwrap();
    let target = maps(100_000);
    staged
        .remap(&RemapRequest::new(&IdMappings::IDENTITY, &target))
        .unwrap();
    staged.commit(&id("copy")).unwrap();
    // Go's copy has the template in its list.
    assert_eq!(
        read(place.home("copy/lower")),
        format!("l/{}", read(place.home("base/link")))
    );
    place.remove("template");
    place.mounted("copy", |path| {
        assert_eq!(names(path), ["own"]);
        assert_eq!(owner(path.join("own")), (100_000, 100_000));
    });
    assert_eq!(place.changes("copy", Some("base")).len(), 2);
}

/// Two ranges: the root by itself, and all others from `host`.
fn two_ranges(host: u32) -> IdMappings {
    let map = || {
        IdMap::new(vec![
            IdRange::new(0, host + 500, 1),
            IdRange::new(1, host, 400),
        ])
    };
    IdMappings::new(map(), map())
}

/// The owner in a container with `maps`, as it is on the disk.
fn mapped(maps: &IdMappings, uid: u32) -> u32 {
    let found = maps.to_host(ContainerOwner::new(uid, uid)).unwrap();
    found.uid.get()
}

/// A mount program shows owners shifted for one range only, and loses track of hard links when
/// files change their owners through it.
#[test]
fn root_peer_owners_are_rewritten_without_the_program() {
    if layerhold_testkit::require_peer("fuse-overlayfs").is_none()
        || layerhold_testkit::require_feature(layerhold_testkit::Feature::Fuse).is_none()
    {
        return;
    }
    let options = ["overlay.mount_program=/usr/bin/fuse-overlayfs"];
    let Some(place) = Place::with(&options) else {
        return;
    };
    assert!(!place.driver.supports_shifting(&two_ranges(5000)));
    let base = TarBuilder::new()
        .entry(TarEntry::dir("d").owner(1, 1).mtime(1000))
        .entry(
            TarEntry::file("d/f", "x")
                .owner(3, 3)
                .mode(0o6755)
                .mtime(1000),
        )
        .entry(TarEntry::hard_link("again", "d/f").owner(3, 3).mode(0o6755))
        .entry(TarEntry::hard_link("d/e", "d/f").owner(3, 3).mode(0o6755))
        .file("gone", 0o644, "x")
        .dir("opaque", 0o755)
        .file("opaque/hidden", 0o644, "x")
        .entry(TarEntry::symlink("link", "d").owner(7, 7).mtime(1000))
        .finish();
    let middle = TarBuilder::new()
        .whiteout("gone")
        .opaque("opaque")
        .entry(TarEntry::file("opaque/new", "y").owner(9, 9).mtime(1000))
        .entry(TarEntry::dir("d/sub").owner(2, 2).mtime(1000))
        .finish();
    place.layer("base", None, &base);
    place.layer("middle", Some("base"), &middle);
    let expected = place.mounted("middle", Tree::of);
    assert_eq!(expected.paths().len(), 8);
    let mut from = IdMappings::IDENTITY;
    let mut below = "middle";
    for (name, to) in [
        ("first", two_ranges(5000)),
        ("second", two_ranges(9000)),
        ("third", IdMappings::IDENTITY),
    ] {
        let parent = id(below);
        let request = StageRequest::new().with_parent(LayerRef::Committed(&parent));
        let mut staged = place.driver.stage(&request).unwrap();
        staged.remap(&RemapRequest::new(&from, &to)).unwrap();
        staged.commit(&id(name)).unwrap();
        let expected = expected.clone().map(|path, node| {
            let is_root = path.as_os_str().is_empty();
            if !is_root && !to.is_identity() {
                (node.uid, node.gid) = (mapped(&to, node.uid), mapped(&to, node.gid));
            }
        });
        place.mounted(name, |path| {
            let actual = Tree::of(path).map(|path, node| {
                if path.as_os_str().is_empty() {
                    (node.uid, node.gid) = (0, 0);
                }
            });
            actual
                .without_directory_times()
                .assert_same(&expected.without_directory_times());
        });
        // In the layer they are one inode.
        let names = ["again", "d/f", "d/e"].map(|file| {
            let stat = fs::metadata(place.home(name).join("diff1").join(file)).unwrap();
            (stat.ino(), stat.nlink(), stat.uid())
        });
        assert_eq!(names, [(names[0].0, 3, mapped(&to, 3)); 3]);
        assert!(
            place
                .changes(name, Some("middle"))
                .iter()
                .all(|it| it.starts_with('C'))
        );
        (from, below) = (to, name);
    }
}
