//! Packs trees and reads the archives with another implementation.

use std::collections::BTreeMap;

use layerhold_archive::layerhold_idmap::{IdMap, IdMappings, IdRange};
use layerhold_archive::layerhold_tar_format::{EntryKind, Reader, TarTime};
use layerhold_archive::{
    CompareOptions, OverlayForm, OverlayLayers, OverlayNamespace, PackError, PackOptions,
    UnmappedOwners, UnpackOptions, Whiteouts, compare, pack, pack_changes,
};
use layerhold_testkit::{TarBuilder, TarEntry, require_root};

use crate::support::{UnpackDir, write};

fn names(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    let name =
        |entry: tar::Entry<'_, &[u8]>| String::from_utf8(entry.path_bytes().into_owned()).unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn depth_first_and_sorted() {
    let place = UnpackDir::new();
    for directory in ["b", "a", "a/z", "a.d"] {
        std::fs::create_dir(place.root.join(directory)).unwrap();
    }
    for file in ["a/z/f", "a/y", "b/f", "c"] {
        write(place.root.join(file), b"content");
    }
    std::fs::hard_link(place.root.join("a/y"), place.root.join("b/again")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.root.join("socket")).unwrap();
    let tar = pack(&place.dir, &PackOptions::default(), Vec::new()).unwrap();
    assert_eq!(
        names(&tar),
        [
            "a/", "a/y", "a/z/", "a/z/f", "a.d/", "b/", "b/again", "b/f", "c"
        ]
    );
    let mut reader = Reader::new(&tar[..]);
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        if header.name == b"b/again" {
            assert_eq!(
                (header.kind, &header.link_name[..]),
                (EntryKind::HardLink, &b"a/y"[..])
            );
        }
    }
}

#[test]
fn what_is_unpacked_packs_the_same() {
    let place = UnpackDir::new();
    use std::os::unix::fs::MetadataExt;
    let me = std::fs::metadata("/proc/self").unwrap();
    let own = |entry: TarEntry| {
        entry
            .owner(me.uid().into(), me.gid().into())
            .mtime(1_700_000_000)
    };
    let tar = TarBuilder::new()
        .entry(own(TarEntry::dir("d/")).mode(0o755))
        .entry(
            own(TarEntry::file("d/f", "content"))
                .mode(0o644)
                .xattr("user.a", "1"),
        )
        .entry(own(TarEntry::symlink("d/l", "f")).mode(0o777))
        .entry(own(TarEntry::fifo("p")).mode(0o600))
        .finish();
    place.unpack(&tar).unwrap();
    let once = pack(&place.dir, &PackOptions::default(), Vec::new()).unwrap();
    let again = UnpackDir::new();
    again.unpack(&once).unwrap();
    let twice = pack(&again.dir, &PackOptions::default(), Vec::new()).unwrap();
    assert!(once == twice);
    let root_time = |place: &UnpackDir| place.tree().retain(|path, _| path.as_os_str() != "");
    root_time(&place).assert_same(&root_time(&again));
}

#[test]
fn changes_become_whiteouts() {
    let (new, old) = (UnpackDir::new(), UnpackDir::new());
    write(old.root.join("gone"), b"");
    std::fs::create_dir(new.root.join("d")).unwrap();
    std::fs::create_dir(old.root.join("d")).unwrap();
    write(old.root.join("d/deleted"), b"");
    write(new.root.join("d/added"), b"added");
    let changes = compare(&new.dir, Some(&old.dir), &CompareOptions::new()).unwrap();
    let options = PackOptions::new().with_timestamp(TarTime::from_seconds(99));
    let tar = pack_changes(&new.dir, &changes, &options, Vec::new()).unwrap();
    assert_eq!(names(&tar), ["d/", "d/added", "d/.wh.deleted", ".wh.gone"]);
    let mut reader = Reader::new(&tar[..]);
    while let Some(entry) = reader.next_entry().unwrap() {
        assert_eq!(entry.header().mtime, TarTime::from_seconds(99));
    }
    // Applied to the old tree, the changes give the new one.
    old.unpack(&tar).unwrap();
    assert_eq!(old.tree().paths(), new.tree().paths());
}

#[test]
fn root_owners_are_mapped_back() {
    let Some(()) = require_root() else { return };
    let map = |host| IdMap::new(vec![IdRange::new(0, host, 100)]);
    let options = PackOptions::new().with_id_maps(IdMappings::new(map(1000), map(2000)));
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .entry(TarEntry::file("f", "").owner(1005, 2006))
        .finish();
    place.unpack(&tar).unwrap();
    let packed = pack(&place.dir, &options, Vec::new()).unwrap();
    let mut reader = Reader::new(&packed[..]);
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!((entry.header().uid, entry.header().gid), (5, 6));

    write(place.root.join("unmapped"), b"");
    let error = pack(&place.dir, &options, Vec::new()).unwrap_err();
    assert!(matches!(
        error,
        PackError::UnmappedOwner { uid: 0, gid: 0, .. }
    ));
    let options = options.with_unmapped(UnmappedOwners::Overflow);
    let packed = pack(&place.dir, &options, Vec::new()).unwrap();
    let mut reader = Reader::new(&packed[..]);
    let mut owners = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        owners.push((entry.header().uid, entry.header().gid));
    }
    assert_eq!(owners, [(5, 6), (65534, 65534)]);
}

#[test]
fn root_overlay_whiteouts_become_those_of_archives() {
    let Some(()) = require_root() else { return };
    let (lower, upper) = (UnpackDir::new(), UnpackDir::new());
    lower
        .unpack(&TarBuilder::new().dir("d", 0o755).dir("e", 0o755).finish())
        .unwrap();
    let layer = TarBuilder::new()
        .dir("d", 0o711)
        .opaque("d")
        .dir("new", 0o755)
        .opaque("new")
        .whiteout("d/gone")
        .finish();
    let options =
        UnpackOptions::new().with_whiteouts(Whiteouts::Overlay(OverlayNamespace::Trusted));
    upper.unpack_with(&layer, options).unwrap();
    let options = PackOptions::new().with_overlay(OverlayLayers::new(
        OverlayForm::Kernel(OverlayNamespace::Trusted),
        vec![lower.dir.clone()],
    ));
    let tar = pack(&upper.dir, &options, Vec::new()).unwrap();
    // "new" hides nothing, so it needs no marker.
    assert_eq!(names(&tar), ["d/", "d/.wh..wh..opq", "d/.wh.gone", "new/"]);
    let mut modes = BTreeMap::new();
    let mut reader = Reader::new(&tar[..]);
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        modes.insert(header.name.clone(), (header.kind, header.mode));
    }
    assert_eq!(
        modes[&b"d/.wh..wh..opq".to_vec()],
        (EntryKind::Regular, 0o711)
    );
    assert_eq!(modes[&b"d/.wh.gone".to_vec()], (EntryKind::Regular, 0));
}

#[test]
fn a_tree_is_put_below_a_directory_with_another_owner_and_time() {
    let place = UnpackDir::new();
    std::fs::create_dir(place.root.join("bin")).unwrap();
    write(place.root.join("bin/a"), b"content");
    std::fs::hard_link(place.root.join("bin/a"), place.root.join("bin/b")).unwrap();
    let time = TarTime {
        seconds: 86_400,
        nanoseconds: 0,
    };
    let options = PackOptions::new()
        .with_directory("/opt/../srv//app/")
        .with_owner(7, 8)
        .with_timestamp(time);
    let tar = pack(&place.dir, &options, Vec::new()).unwrap();
    let wanted = ["srv/app/", "srv/app/bin/", "srv/app/bin/a", "srv/app/bin/b"];
    assert_eq!(names(&tar), wanted);
    let mut reader = Reader::new(&tar[..]);
    let mut links = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let header = entry.header();
        assert_eq!((header.uid, header.gid, header.mtime), (7, 8, time));
        if header.kind == EntryKind::HardLink {
            links.push(header.link_name.clone());
        }
    }
    assert_eq!(links, [b"srv/app/bin/a".to_vec()]);
}
