//! Properties of all archives and tar-split files.

use crate::archives::{check_round_trip, rebuilt, record};
use layerhold_tar_format::{EntryKind, Header, WriteFormat, Writer};
use layerhold_tar_split::{Headers, Skeleton};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// An archive of files and directories with unique names, and bytes after it.
fn archive() -> impl Strategy<Value = Vec<u8>> {
    let member = (any::<bool>(), vec(any::<u8>(), 0..1500), 0..5_000_000i64);
    let names = prop_oneof![
        "[a-z<&ü\u{2028}]{1,10}".prop_map(String::into_bytes),
        "[a-z]{101,150}".prop_map(String::into_bytes),
        vec(0x80u8.., 1..9),
    ];
    let ending = prop_oneof![
        Just(None),
        vec(any::<u8>(), 0..700).prop_map(Some),
        vec(Just(0u8), 0..12_000).prop_map(Some),
    ];
    (btree_map(names, member, 0..8), ending).prop_map(|(members, ending)| {
        let mut writer = Writer::new(Vec::new());
        for (name, (is_file, content, uid)) in members {
            let kind = if is_file {
                EntryKind::Regular
            } else {
                EntryKind::Directory
            };
            let mut header = Header::new(kind, name);
            header.uid = uid;
            header.size = content.len() as i64 * i64::from(is_file);
            writer.write_header_as(&header, WriteFormat::Pax).unwrap();
            if is_file {
                writer.write_content(&content).unwrap();
            }
        }
        let mut archive = writer.finish().unwrap();
        match ending {
            Some(ending) => archive.extend(ending),
            None => archive.truncate(archive.len() - 1024),
        }
        archive
    })
}

proptest! {
    #[test]
    fn rebuilding_gives_the_archive(archive in archive()) {
        check_round_trip(&archive);
    }

    #[test]
    fn lines_are_json_with_ascending_positions(archive in archive()) {
        let (lines, _) = record(&archive);
        for (position, line) in lines.lines().enumerate() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(value["position"].as_u64(), Some(position as u64));
        }
    }

    #[test]
    fn damaged_files_are_errors_or_other_archives_but_never_panics(
        archive in archive(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (lines, contents) = record(&archive);
        prop_assume!(!lines.is_empty());
        let mut bytes = lines.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut headers = Headers::new(Skeleton::from_lines(bytes.as_slice()));
        while let Ok(Some(_)) = headers.next_header() {}
        if let Ok(lines) = String::from_utf8(bytes) {
            drop(rebuilt(&lines, &contents));
        }
    }
}
