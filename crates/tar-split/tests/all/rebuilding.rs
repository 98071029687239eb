//! Rebuilds archives from lines, including Go's where ours differ.

use crate::archives::{Contents, files, rebuilt, record, set_size, sparse};
use layerhold_tar_format::{EntryKind, Header, Writer};
use layerhold_tar_split::{Checksum, Crc64, Rebuild, RebuildError, Skeleton};
use std::io::{ErrorKind, Read};

fn two_files() -> (String, Contents, Vec<u8>) {
    let archive = files(&[(b"a", &[1; 600]), (b"d/b", &[2; 70_000])]);
    let (lines, contents) = record(&archive);
    (lines, contents, archive)
}

#[test]
fn reading_in_pieces_gives_the_same() {
    let (lines, contents, archive) = two_files();
    for size in [1, 100, 511, 4096, 1 << 20] {
        let mut reader = Rebuild::new(Skeleton::from_lines(lines.as_bytes()), contents.clone());
        let (mut read, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            let length = reader.read(&mut buffer).unwrap();
            if length == 0 {
                break;
            }
            read.extend_from_slice(&buffer[..length]);
        }
        assert!(read == archive, "in pieces of {size}");
    }
}

#[test]
fn changed_content_is_found() {
    let (lines, contents, _) = two_files();
    let mut changed = contents.clone();
    changed.0.get_mut(&b"a"[..]).unwrap()[500] = 7;
    let error = rebuilt(&lines, &changed).unwrap_err();
    let RebuildError::Checksum {
        name,
        expected,
        actual,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(name, b"a");
    assert_eq!(
        (expected, actual),
        (Crc64::of(&[1; 600]), Crc64::of(&changed.0[&b"a"[..]]))
    );
}

#[test]
fn changed_sizes_are_found() {
    let (lines, contents, _) = two_files();
    for (name, recorded) in [(&b"a"[..], 600), (b"d/b", 70_000)] {
        for size in [0, recorded - 1, recorded + 1, recorded * 2] {
            let mut changed = contents.clone();
            changed.0.get_mut(name).unwrap().resize(size, 9);
            let error = rebuilt(&lines, &changed).unwrap_err();
            let RebuildError::Size {
                name: of, expected, ..
            } = error
            else {
                panic!("{error}")
            };
            assert_eq!((of.as_slice(), expected), (name, recorded as u64));
        }
    }
}

#[test]
fn a_file_that_has_grown_is_found_at_the_edge_of_the_buffer() {
    let (lines, mut contents, archive) = two_files();
    contents.0.get_mut(&b"a"[..]).unwrap().push(1);
    let mut reader = Rebuild::new(Skeleton::from_lines(lines.as_bytes()), contents);
    let mut header = [0; 512];
    reader.read_exact(&mut header).unwrap();
    assert!(archive.starts_with(&header));
    let error = reader.read(&mut [0; 600]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.get_ref().unwrap().is::<RebuildError>());
    // After an error, reads return nothing.
    assert_eq!(reader.read(&mut [0; 600]).unwrap(), 0);
}

#[test]
fn missing_files_are_named() {
    let (lines, mut contents, _) = two_files();
    contents.0.remove(&b"d/b"[..]);
    let error = rebuilt(&lines, &contents).unwrap_err();
    let RebuildError::Open { name, source } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (name.as_slice(), source.kind()),
        (&b"d/b"[..], ErrorKind::NotFound)
    );
}

/// Rewrites the lines of one file as Go writes them.
fn as_go(lines: &str, name: &str, size: usize, checksum: Checksum, segment: &[u8]) -> String {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines[0] = format!(
        r#"{{"type":2,"payload":"{}","position":0}}"#,
        base64(segment)
    );
    lines[1] = format!(
        r#"{{"type":1,"name":"{name}","size":{size},"payload":"{}","position":1}}"#,
        base64(&checksum.0)
    );
    lines.join("\n")
}

#[test]
fn sparse_files_of_go_are_packed_again_when_their_map_is_known() {
    // The same file in format 0.1, whose map is in the header segment.
    let records = "27 GNU.sparse.map=2,5,18,3\n26 GNU.sparse.numblocks=2\n22 GNU.sparse.size=25\n";
    let mut header = Header::new(EntryKind::Regular, "sparse");
    header.size = 8;
    header.records.insert(b"comment", b"none");
    let mut writer = Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    writer.write_content(b"abcdefgh").unwrap();
    let mut archive = writer.finish().unwrap();
    archive[512..1024].fill(0);
    archive[512..512 + records.len()].copy_from_slice(records.as_bytes());
    set_size(&mut archive, 0, records.len() as u64);
    let (lines, contents) = record(&archive);
    let expanded = &contents.0[&b"sparse"[..]];
    assert_eq!(expanded.len(), 25);
    let go = as_go(&lines, "sparse", 25, Crc64::of(expanded), &archive[..1536]);
    assert!(rebuilt(&go, &contents).unwrap() == archive);
    assert!(rebuilt(&lines, &contents).unwrap() == archive);
}

#[test]
fn sparse_files_of_go_without_map_are_refused() {
    let archive = sparse();
    let (lines, contents) = record(&archive);
    let expanded = &contents.0[&b"sparse"[..]];
    let go = as_go(&lines, "sparse", 25, Crc64::of(expanded), &archive[..1536]);
    let error = rebuilt(&go, &contents).unwrap_err();
    assert!(matches!(error, RebuildError::SparseMapMissing { name } if name == b"sparse"));
}

#[test]
fn links_of_go_that_state_a_size_take_no_content() {
    let mut writer = Writer::new(Vec::new());
    writer
        .write_header(&Header::new(EntryKind::Directory, "d/"))
        .unwrap();
    let mut archive = writer.finish().unwrap();
    set_size(&mut archive, 0, 4096);
    let (lines, contents) = record(&archive);
    let go = as_go(&lines, "d/", 4096, Checksum::EMPTY, &archive[..512]);
    assert!(rebuilt(&go, &contents).unwrap() == archive);
    let negative = as_go(&lines, "d/", 4096, Checksum::EMPTY, &archive[..512])
        .replace(r#""size":4096"#, r#""size":-1"#);
    assert!(rebuilt(&negative, &contents).unwrap() == archive);
}
