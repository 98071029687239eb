//! Archives that try to reach outside, or to break the reader.

use std::collections::BTreeMap;

use layerhold_archive::layerhold_tar_format::Reader;
use layerhold_archive::{ImportError, OverlayNamespace, UnpackOptions, UserNamespace, Whiteouts};
use layerhold_testkit::{TarBuilder, TarEntry, Tree, hostile, require_root};

use crate::support::{UnpackDir, open_descriptors, unpack_error};

/// Everything outside the root, without access and change times.
fn outside(place: &UnpackDir) -> Tree {
    hostile_free(Tree::of(place.base.path()))
}

fn hostile_free(tree: Tree) -> Tree {
    tree.retain(|path, _| !path.starts_with("root"))
        .map(|path, node| {
            if path.as_os_str().is_empty() {
                node.mtime = (0, 0);
            }
        })
}

#[test]
fn root_nothing_outside_changes() {
    let Some(()) = require_root() else { return };
    let kinds = [
        Whiteouts::Apply,
        Whiteouts::Overlay(OverlayNamespace::Trusted),
        Whiteouts::Keep,
    ];
    let mut results = BTreeMap::new();
    for whiteouts in kinds {
        for user_namespace in [UserNamespace::Initial, UserNamespace::Child] {
            let sample = UnpackDir::new();
            for index in 0..hostile::escapes(sample.base.path()).len() {
                let place = UnpackDir::new();
                hostile::sentinel(place.base.path());
                let case = hostile::escapes(place.base.path()).swap_remove(index);
                let before = outside(&place);
                let options = UnpackOptions::new()
                    .with_whiteouts(whiteouts)
                    .with_user_namespace(user_namespace);
                let result = place.unpack_with(&case.bytes, options);
                before.assert_same(&outside(&place));
                results.insert(
                    format!("{} {whiteouts:?} {index}", case.name),
                    result.is_ok(),
                );
            }
        }
    }
    // Check the cases themselves: some unpack, some are refused.
    assert!(results.values().any(|ok| *ok) && results.values().any(|ok| !*ok));
}

#[test]
fn root_malformed_archives_leak_no_descriptors() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let round = || {
        for case in hostile::malformed() {
            layerhold_sys::best_effort(place.unpack(&case.bytes));
            layerhold_sys::best_effort(place.unpack_by_entry_quietly(&case.bytes));
        }
        for codec in [
            &b"\x1f\x8b\x08garbage"[..],
            b"\xfd7zXZ\0garbage",
            b"BZhgarbage",
            b"\x28\xb5\x2f\xfdgarbage",
        ] {
            let error = place.unpack(codec).unwrap_err();
            assert!(matches!(error, ImportError::Decompress { .. }), "{error:?}");
        }
    };
    round();
    let before = open_descriptors();
    for _ in 0..20 {
        round();
    }
    // Other tests of this process open and close descriptors at the same time.
    assert!(open_descriptors() < before + 40);
}

#[test]
fn root_large_holes_cost_nothing() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    // Old GNU tar would call this a sparse file of 1 TiB without any data.
    let sparse = TarEntry::file("holes", "")
        .pax("GNU.sparse.major", "0")
        .pax("GNU.sparse.minor", "1")
        .pax("GNU.sparse.name", "holes")
        .pax("GNU.sparse.size", (1u64 << 40).to_string())
        .pax("GNU.sparse.numblocks", "1")
        .pax("GNU.sparse.map", format!("{},0", 1u64 << 40));
    let tar = TarBuilder::new().entry(sparse).finish();
    match place.unpack(&tar) {
        Ok(imported) => {
            assert_eq!(imported.unpacked.bytes, 1 << 40);
            let metadata = std::fs::metadata(place.root.join("holes")).unwrap();
            assert_eq!(metadata.len(), 1 << 40);
            assert_eq!(std::os::unix::fs::MetadataExt::blocks(&metadata), 0);
        }
        Err(ImportError::Unpack(error)) => {
            // The filesystem may not have files of that size.
            let error = format!("{error:?}");
            assert!(error.contains("FileTooLarge"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn root_hard_link_targets_are_looked_up_inside() {
    let Some(()) = require_root() else { return };
    let place = UnpackDir::new();
    let tar = TarBuilder::new()
        .dir("etc", 0o755)
        .file("etc/passwd", 0o644, "inside")
        .hard_link("h", "../../../../etc/passwd")
        .finish();
    place.unpack(&tar).unwrap();
    assert_eq!(std::fs::read(place.root.join("h")).unwrap(), b"inside");
    let tar = TarBuilder::new()
        .hard_link("i", "/etc/hostname-that-is-not-here")
        .finish();
    let error = unpack_error(place.unpack(&tar));
    assert!(matches!(
        error,
        layerhold_archive::UnpackError::MissingLinkTarget { .. }
    ));
}

impl UnpackDir {
    fn unpack_by_entry_quietly(&self, tar: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        use layerhold_archive::Unpacker;
        let mut reader = Reader::new(tar);
        let mut unpacker = Unpacker::new(&self.dir, UnpackOptions::new())?;
        while let Some(mut entry) = reader.next_entry()? {
            let header = entry.header().clone();
            unpacker.entry(&header, &mut entry)?;
        }
        unpacker.finish()?;
        Ok(())
    }
}
