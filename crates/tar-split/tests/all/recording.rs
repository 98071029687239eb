//! The lines, and the gzip stream around them.

use crate::archives::{check_round_trip, files, record, set_size, sparse};
use flate2::read::GzDecoder;
use layerhold_tar_format::{EntryKind, Event, Header, Parser, Writer};
use layerhold_tar_split::{Crc64, RecordError, Recorder};
use std::io::Read;

/// Lines with the segments' payload replaced by its length.
fn outline(lines: &str) -> Vec<String> {
    let mut outline = Vec::new();
    for line in lines.lines() {
        outline.push(match line.strip_prefix("{\"type\":2,\"payload\":\"") {
            None => line.to_owned(),
            Some(rest) => {
                let (payload, position) = rest.split_once('"').unwrap();
                let length = payload.len() / 4 * 3 - payload.matches('=').count();
                format!("{length}{position}")
            }
        });
    }
    outline
}

#[test]
fn segments_lie_between_files() {
    let mut writer = Writer::new(Vec::new());
    writer
        .write_header(&Header::new(EntryKind::Directory, "d/"))
        .unwrap();
    let mut header = Header::new(EntryKind::Regular, "d/f");
    header.size = 9;
    writer.write_header(&header).unwrap();
    writer.write_content(b"123456789").unwrap();
    let mut archive = writer.finish().unwrap();
    archive.extend_from_slice(b"more");
    let lines = check_round_trip(&archive);
    assert_eq!(
        outline(&lines),
        [
            r#"512,"position":0}"#,
            r#"{"type":1,"name":"d/","payload":null,"position":1}"#,
            r#"512,"position":2}"#,
            // b90956c775a41001 in base64.
            r#"{"type":1,"name":"d/f","size":9,"payload":"uQlWx3WkEAE=","position":3}"#,
            r#"1527,"position":4}"#,
            r#"4,"position":5}"#,
        ]
    );
}

#[test]
fn what_comes_after_the_end_is_cut_into_mebibytes() {
    let archive = [files(&[]), vec![7; (2 << 20) + 5]].concat();
    let lines = check_round_trip(&archive);
    assert_eq!(
        outline(&lines),
        [
            r#"1024,"position":0}"#,
            r#"1048576,"position":1}"#,
            r#"1048576,"position":2}"#,
            r#"5,"position":3}"#
        ]
    );
}

#[test]
fn nothing_makes_no_lines() {
    assert_eq!(check_round_trip(b""), "");
}

#[test]
fn names_that_are_not_utf_8_are_raw() {
    let lines = check_round_trip(&files(&[(b"a\xff", b"1")]));
    assert!(
        lines.contains(r#"{"type":1,"name_raw":"Yf8=","size":1,"#),
        "{lines}"
    );
}

#[test]
fn payload_of_sparse_files_goes_into_the_segment() {
    let lines = check_round_trip(&sparse());
    assert_eq!(
        outline(&lines),
        [
            // Extension, header, map, stored bytes.
            r#"2056,"position":0}"#,
            r#"{"type":1,"name":"sparse","payload":null,"position":1}"#,
            r#"1528,"position":2}"#,
        ]
    );
}

#[test]
fn links_that_state_a_size_have_none() {
    let mut writer = Writer::new(Vec::new());
    let mut link = Header::new(EntryKind::HardLink, "link");
    link.link_name = b"target".to_vec();
    writer.write_header(&link).unwrap();
    let mut archive = writer.finish().unwrap();
    set_size(&mut archive, 0, 700);
    let lines = check_round_trip(&archive);
    assert!(
        lines.contains(r#"{"type":1,"name":"link","payload":null,"position":1}"#),
        "{lines}"
    );
}

#[test]
fn archives_that_end_in_padding() {
    let mut archive = files(&[(b"f", b"abc")]);
    archive.truncate(600);
    let lines = check_round_trip(&archive);
    assert_eq!(outline(&lines)[2], r#"85,"position":2}"#);
}

#[test]
fn duplicate_names_are_refused() {
    for second in ["a", "./a", "x/../a", "a//"] {
        let mut writer = Writer::new(Vec::new());
        writer
            .write_header(&Header::new(EntryKind::Regular, "a"))
            .unwrap();
        writer
            .write_header(&Header::new(EntryKind::Directory, second))
            .unwrap();
        let archive = writer.finish().unwrap();
        let mut recorder = Recorder::new(Vec::new());
        let mut parser = Parser::new();
        let mut rest = archive.as_slice();
        let error = loop {
            let event = parser.advance(&mut rest).unwrap().unwrap();
            if let Err(error) = recorder.record(&event) {
                break error;
            }
        };
        let RecordError::DuplicateName { name } = &error else {
            panic!("{error}")
        };
        assert_eq!(name, second.as_bytes());
        assert_eq!(
            error.to_string(),
            format!("cannot record the archive: it has two entries named {second}")
        );
    }
}

#[test]
fn a_reader_passes_the_typed_error_on() {
    let archive = files(&[(b"a", b""), (b"./a", b"")]);
    let recorder = Recorder::new(Vec::new());
    let limits = layerhold_tar_format::Limits::default();
    let mut reader = layerhold_tar_format::Reader::with_sink(archive.as_slice(), limits, recorder);
    assert!(reader.next_entry().unwrap().is_some());
    let error = reader.next_entry().map(|_| ()).unwrap_err();
    let layerhold_tar_format::ReadError::Sink(error) = error else {
        panic!("{error}")
    };
    let error = error
        .get_ref()
        .unwrap()
        .downcast_ref::<RecordError>()
        .unwrap();
    assert!(matches!(error, RecordError::DuplicateName { .. }));
}

#[test]
fn the_gzip_header_is_that_of_go() {
    let archive = files(&[(b"f", &vec![1; 100_000])]);
    let mut recorder = Recorder::new(Vec::new());
    let mut parser = Parser::new();
    let mut rest = archive.as_slice();
    while let Some(event) = parser.advance(&mut rest).unwrap() {
        recorder.record(&event).unwrap();
    }
    assert_eq!(parser.finish(), Ok(None::<Event<'_, '_>>));
    assert_eq!(recorder.position(), 3);
    let gzip = recorder.finish().unwrap();
    assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 4, 0xff]);
    let mut lines = String::new();
    GzDecoder::new(gzip.as_slice())
        .read_to_string(&mut lines)
        .unwrap();
    assert_eq!(lines, record(&archive).0);
}

#[test]
fn checksums_of_whole_stripes() {
    assert_eq!(
        Crc64::of(&[0; 4096]).to_string(),
        Crc64::of(&vec![0; 4096]).to_string()
    );
    let mut pieces = Crc64::new();
    for piece in [0xa5; 4096].chunks(7) {
        pieces.update(piece);
    }
    assert_eq!(pieces.checksum(), Crc64::of(&[0xa5; 4096]));
}

#[test]
fn long_payload_of_a_sparse_file_takes_several_segments() {
    let size = (16 << 20) + 1000;
    let map = format!("GNU.sparse.map=0,{size}");
    let records = format!("{} {map}\n26 GNU.sparse.numblocks=1\n", map.len() + 4);
    let mut header = Header::new(EntryKind::Regular, "sparse");
    header.size = size;
    header.records.insert(b"comment", b"none");
    let mut writer = Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    writer.write_content(&vec![b'x'; size as usize]).unwrap();
    let mut archive = writer.finish().unwrap();
    archive[512..1024].fill(0);
    archive[512..512 + records.len()].copy_from_slice(records.as_bytes());
    set_size(&mut archive, 0, records.len() as u64);
    let lines = check_round_trip(&archive);
    let outline = outline(&lines);
    // Segment, segment, file, end.
    assert_eq!(outline.len(), 4);
    assert_eq!(
        outline[2],
        r#"{"type":1,"name":"sparse","payload":null,"position":2}"#
    );
    let mut headers = layerhold_tar_split::Headers::new(layerhold_tar_split::Skeleton::from_lines(
        lines.as_bytes(),
    ));
    assert_eq!(headers.next_header().unwrap().unwrap().0.size, size);
    assert!(headers.next_header().unwrap().is_none());
}
