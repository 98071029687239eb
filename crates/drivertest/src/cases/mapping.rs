//! Owners of user namespaces.

use std::fs::File;

use layerhold_archive::layerhold_tar_format::Reader;
use layerhold_driver::{DiffRequest, LayerError, LayerRef, RemapRequest, StageRequest};
use layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_sys::{Dir, xattr};
use layerhold_testkit::{TarBuilder, TarEntry};

use crate::DriverFixture;
use crate::fixture::{attributes, fill_mapped, id};

/// Containers' IDs from 0 are the host's from `uid` and `gid`.
fn maps(uid: u32, gid: u32, size: u32) -> IdMappings {
    let map = |host| IdMap::new(vec![IdRange::new(0, host, size.into())]);
    IdMappings::new(map(uid), map(gid))
}

/// `cap_net_bind_service+ep`, revision 2 (linux/capability.h).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn tar() -> Vec<u8> {
    TarBuilder::new()
        .entry(TarEntry::dir("d").owner(1, 2))
        .entry(TarEntry::file("d/setuid", "#!").owner(3, 4).mode(0o6755))
        .entry(TarEntry::file("d/capable", "#!").owner(5, 6))
        .entry(
            TarEntry::hard_link("linked", "d/setuid")
                .owner(3, 4)
                .mode(0o6755),
        )
        .entry(TarEntry::symlink("link", "d").owner(7, 8))
        .file("roots", 0o600, "x")
        .finish()
}

/// Makes the layer of [`tar`], with a file capability.
fn furnish(fixture: &DriverFixture, name: &str) {
    fixture.layer(name, None, &tar());
    fixture.mounted(name, |path| {
        let file = File::open(path.join("d/capable")).unwrap();
        xattr::set(&file, "security.capability", &CAPABILITY).unwrap();
    });
}

/// Checks that every owner in `name` is that of `unmapped` shifted, and all else is the same.
#[track_caller]
fn check_shifted(fixture: &DriverFixture, name: &str, unmapped: &str, by: (u32, u32)) {
    let expected = fixture.tree(unmapped).map(|_, node| {
        node.uid += by.0;
        node.gid += by.1;
    });
    fixture
        .tree(name)
        .without_directory_times()
        .assert_same(&expected.without_directory_times());
}

pub(super) fn root_mapped_root_owner(fixture: &DriverFixture) {
    let staged = fixture
        .driver
        .stage(&StageRequest::new().with_id_maps(maps(1000, 2000, 10)))
        .unwrap();
    fill_mapped(&*staged, maps(1000, 2000, 10), &tar());
    staged.commit(&id("mapped")).unwrap();
    fixture.mounted("mapped", |path| {
        assert_eq!(attributes(path), (0o555, 1000, 2000));
        assert_eq!(attributes(path.join("d/setuid")), (0o6755, 1003, 2004));
        assert_eq!(attributes(path.join("link")), (0o777, 1007, 2008));
        assert_eq!(attributes(path.join("roots")), (0o600, 1000, 2000));
    });
}

pub(super) fn root_remap_staged(fixture: &DriverFixture) {
    furnish(fixture, "plain");
    let plain = id("plain");
    let request = StageRequest::new().with_template(LayerRef::Committed(&plain));
    let mut staged = fixture.driver.stage(&request).unwrap();
    let target = maps(100_000, 200_000, 1000);
    staged
        .remap(&RemapRequest::new(&IdMappings::IDENTITY, &target))
        .unwrap();
    staged.commit(&id("mapped")).unwrap();
    check_shifted(fixture, "mapped", "plain", (100_000, 200_000));
    assert_eq!(fixture.tree("mapped").at("d/capable").xattrs.len(), 1);
    assert_eq!(fixture.tree("mapped").at("d/setuid").mode, 0o6755);
    assert!(fixture.tree("mapped").at("linked").same_as.is_some());
}

pub(super) fn root_remap_committed(fixture: &DriverFixture) {
    furnish(fixture, "plain");
    for (name, from, to) in [
        ("first", IdMappings::IDENTITY, maps(100_000, 200_000, 1000)),
        (
            "second",
            maps(100_000, 200_000, 1000),
            maps(5000, 6000, 1000),
        ),
        ("back", maps(5000, 6000, 1000), IdMappings::IDENTITY),
    ] {
        let below = match name {
            "first" => "plain",
            "second" => "first",
            _ => "second",
        };
        fixture.stage(Some(&id(below))).commit(&id(name)).unwrap();
        fixture
            .driver
            .update_id_map(&id(name), &RemapRequest::new(&from, &to))
            .unwrap();
    }
    check_shifted(fixture, "first", "plain", (100_000, 200_000));
    check_shifted(fixture, "second", "plain", (5000, 6000));
    check_shifted(fixture, "back", "plain", (0, 0));
}

pub(super) fn root_remap_refuses_unmapped_owners(fixture: &DriverFixture) {
    furnish(fixture, "plain");
    let mut staged = fixture.stage(Some(&id("plain")));
    // Owner 1:2 of the directory is outside of what the layer is said to be mapped by; root passes.
    let (from, to) = (maps(100_000, 100_000, 10), IdMappings::IDENTITY);
    let error = staged.remap(&RemapRequest::new(&from, &to)).unwrap_err();
    match error {
        LayerError::Map { uid, gid, .. } => {
            assert!([(1, 2), (3, 4), (5, 6), (7, 8)].contains(&(uid, gid)))
        }
        other => panic!("{other:?}"),
    }
    drop(staged);

    // What the new maps lack gets the overflow ID.
    let mut staged = fixture.stage(Some(&id("plain")));
    staged
        .remap(&RemapRequest::new(
            &IdMappings::IDENTITY,
            &maps(1000, 1000, 4),
        ))
        .unwrap();
    staged.commit(&id("overflow")).unwrap();
    fixture.mounted("overflow", |path| {
        let root = Dir::open_ambient(path).unwrap().stat_self().unwrap();
        assert_eq!((root.uid, root.gid), (1000, 1000));
        assert_eq!(attributes(path.join("d/setuid")), (0o6755, 1003, 65534));
        assert_eq!(attributes(path.join("d/capable")), (0o644, 65534, 65534));
    });
}

pub(super) fn root_mapped_diff_has_container_owners(fixture: &DriverFixture) {
    let target = maps(100_000, 200_000, 1000);
    let staged = fixture
        .driver
        .stage(&StageRequest::new().with_id_maps(target.clone()))
        .unwrap();
    fill_mapped(&*staged, target.clone(), &tar());
    staged.commit(&id("mapped")).unwrap();
    let layer = id("mapped");
    let mut out = Vec::new();
    fixture
        .driver
        .diff(&DiffRequest::new(&layer).with_id_maps(target), &mut out)
        .unwrap();
    let mut reader = Reader::new(out.as_slice());
    let mut owners = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        owners.push((
            String::from_utf8(header.name.clone()).unwrap(),
            header.uid,
            header.gid,
        ));
    }
    let find = |name: &str| {
        let found = owners
            .iter()
            .find(|(known, ..)| known.trim_start_matches("./") == name);
        found.map(|(_, uid, gid)| (*uid, *gid))
    };
    assert_eq!(find("d/"), Some((1, 2)));
    assert_eq!(find("d/setuid"), Some((3, 4)));
    assert_eq!(find("link"), Some((7, 8)));
    assert_eq!(find("roots"), Some((0, 0)));
}

pub(super) fn root_mapped_copy_has_no_changes(fixture: &DriverFixture) {
    furnish(fixture, "plain");
    let target = maps(100_000, 200_000, 1000);
    let mut staged = fixture.stage(Some(&id("plain")));
    staged
        .remap(&RemapRequest::new(&IdMappings::IDENTITY, &target))
        .unwrap();
    staged.commit(&id("mapped")).unwrap();
    let (mapped, plain) = (id("mapped"), id("plain"));
    let request = DiffRequest::new(&mapped)
        .with_parent(&plain)
        .with_id_maps(target);
    assert_eq!(fixture.driver.changes(&request).unwrap(), []);
    // Without the maps, every owner is another one.
    let request = DiffRequest::new(&mapped).with_parent(&plain);
    assert_eq!(fixture.driver.changes(&request).unwrap().len(), 6);
}
