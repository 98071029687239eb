//! Sparse files in all four formats.

use crate::build::{Block, body, echo, file, pax, read};
use layerhold_tar_format::{Chunk, ParseError, Reader, Region};

const STORED: &[u8] = b"abcdefgh";

/// 25 bytes of which 2..7 and 18..21 are stored: the example in Go's documentation.
fn expanded() -> Vec<u8> {
    [&[0; 2][..], b"abcde", &[0; 11], b"fgh", &[0; 4]].concat()
}

fn old_gnu() -> Vec<u8> {
    let block = Block::gnu(b'S', "f", 8)
        .put(386, b"00000000002\x0000000000005\x00")
        .put(410, b"00000000022\x0000000000003\x00")
        .put(483, b"00000000031\0");
    [block.bytes(), body(STORED)].concat()
}

fn pax_0_0() -> Vec<u8> {
    let records = [
        ("GNU.sparse.size", "25"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "2"),
        ("GNU.sparse.numbytes", "5"),
        ("GNU.sparse.offset", "18"),
        ("GNU.sparse.numbytes", "3"),
    ];
    [pax(b'x', &records), file("f", STORED)].concat()
}

fn pax_0_1() -> Vec<u8> {
    let records = [
        ("GNU.sparse.size", "25"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.map", "2,5,18,3"),
        ("GNU.sparse.name", "f"),
    ];
    [pax(b'x', &records), file("GNUSparseFile.0/f", STORED)].concat()
}

fn pax_1_0() -> Vec<u8> {
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "25"),
        ("GNU.sparse.name", "f"),
    ];
    let content = [body(b"2\n2\n5\n18\n3\n"), STORED.to_vec()].concat();
    [pax(b'x', &records), file("GNUSparseFile.0/f", &content)].concat()
}

#[test]
fn all_formats_expand_to_the_same_file() {
    for archive in [old_gnu(), pax_0_0(), pax_0_1(), pax_1_0()] {
        let archive = [archive, file("next", b"abc")].concat();
        let entries = read(&archive);
        let (header, content) = &entries[0];
        assert_eq!(header.name, b"f");
        assert_eq!(
            (header.size, header.stored_size(), header.padding()),
            (25, 8, 504)
        );
        let regions = [
            Region {
                offset: 2,
                length: 5,
            },
            Region {
                offset: 18,
                length: 3,
            },
        ];
        assert_eq!(header.sparse().unwrap().regions(), regions);
        assert_eq!(*content, expanded());
        assert_eq!(entries[1].1, b"abc");
        for size in [1, 7, 512, 4096] {
            assert_eq!(echo(&archive, size).as_ref(), Ok(&archive));
        }
    }
}

#[test]
fn chunks_skip_the_holes() {
    let archive = pax_1_0();
    let mut reader = Reader::new(archive.as_slice());
    let mut entry = reader.next_entry().unwrap().unwrap();
    assert_eq!(
        entry.next_chunk().unwrap(),
        Some(Chunk {
            offset: 2,
            data: b"abcde"
        })
    );
    assert_eq!(
        entry.next_chunk().unwrap(),
        Some(Chunk {
            offset: 18,
            data: b"fgh"
        })
    );
    assert_eq!(entry.next_chunk().unwrap(), None);
    assert_eq!(entry.next_chunk().unwrap(), None);
}

#[test]
fn old_gnu_maps_go_on_in_further_blocks() {
    let entry = |at: u64| format!("{at:011o}\0{:011o}\0", 1).into_bytes();
    let mut block = Block::gnu(b'S', "f", 6)
        .put(482, &[1])
        .put(483, b"00000000144\0");
    for index in 0..4u64 {
        block = block.put(386 + 24 * index as usize, &entry(10 * index));
    }
    let mut more = [entry(40), entry(50)].concat();
    more.resize(512, 0);
    let archive = [block.bytes(), more, body(b"abcdef"), file("next", b"")].concat();
    let entries = read(&archive);
    let content = &entries[0].1;
    assert_eq!(content.len(), 100);
    let stored: Vec<_> = content
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte != 0)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(stored, [0, 10, 20, 30, 40, 50]);
    assert_eq!(entries[1].0.name, b"next");
    assert_eq!(echo(&archive, 100), Ok(archive));
}

#[test]
fn a_file_may_be_one_hole() {
    let block = Block::gnu(b'S', "f", 0)
        .put(386, b"00000000031\x0000000000000\x00")
        .put(483, b"00000000031\0");
    let entries = read(&block.bytes());
    assert_eq!(entries[0].1, [0; 25]);
    assert!(entries[0].0.sparse().unwrap().regions().is_empty());
}

#[track_caller]
fn check(archive: &[u8], expected: &ParseError) {
    assert_eq!(echo(archive, 512).as_ref(), Err(expected));
}

#[test]
fn bad_maps() {
    let sparse =
        |records: &[(&str, &str)], stored: &[u8]| [pax(b'x', records), file("f", stored)].concat();
    let bad = ParseError::SparseMap { offset: 1024 };
    let map = |map, stored| {
        sparse(
            &[
                ("GNU.sparse.size", "25"),
                ("GNU.sparse.numblocks", "1"),
                ("GNU.sparse.map", map),
            ],
            stored,
        )
    };
    check(&map("2,5", b"abcd"), &bad);
    check(&map("2,5", b"abcdef"), &bad);
    check(&map("24,5", b"abcde"), &bad);
    check(&map("-2,5", b"abcde"), &bad);
    check(&map("2", b"abcde"), &bad);
    let version = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    check(&sparse(&version, b""), &bad);
    check(&sparse(&version, &body(b"x\n")), &bad);
    check(&sparse(&version, &body(b"-1\n")), &bad);
    check(&sparse(&version, &body(b"9223372036854775807\n")), &bad);
    check(&sparse(&version, &body(b"1\n2\n")), &bad);
    // star has the same flag with another layout.
    check(
        &Block::ustar(b'S', "f", 0).bytes(),
        &ParseError::SparseMap { offset: 0 },
    );
    let link = [pax(b'x', &version), Block::ustar(b'2', "l", 0).bytes()].concat();
    check(&link, &bad);
}

#[test]
fn unknown_versions_are_plain_files() {
    let records = [("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")];
    let archive = [pax(b'x', &records), file("f", b"abc")].concat();
    assert_eq!(read(&archive)[0].1, b"abc");
}
