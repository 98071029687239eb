//! Invalid archives, and the offsets of the errors.

use crate::build::{Block, body, echo, end, file, gnu_long, pax};
use layerhold_tar_format::ParseError;

#[track_caller]
fn check(archive: &[u8], expected: &ParseError) {
    for size in [archive.len(), 512, 100, 1] {
        assert_eq!(
            echo(archive, size).as_ref(),
            Err(expected),
            "in chunks of {size}"
        );
    }
}

#[test]
fn bad_headers() {
    let good = file("f", b"abc");
    let mut wrong = Block::ustar(b'0', "g", 0).bytes();
    wrong[0] ^= 1;
    check(
        &[good.clone(), wrong].concat(),
        &ParseError::Checksum { offset: 1024 },
    );
    let text = b"plain text, of course".repeat(40);
    check(&text, &ParseError::Checksum { offset: 0 });
    let uid = Block::ustar(b'0', "f", 0).put(108, b"12x");
    check(
        &uid.bytes(),
        &ParseError::Number {
            offset: 0,
            field: "uid",
        },
    );
    let size = Block::ustar(b'0', "f", 0).put(124, &[0xff; 12]);
    check(
        &size.bytes(),
        &ParseError::NegativeSize {
            offset: 0,
            size: -1,
        },
    );
    let huge = Block::ustar(b'0', "f", 0).put(124, &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    check(
        &huge.bytes(),
        &ParseError::Number {
            offset: 0,
            field: "size",
        },
    );
}

#[test]
fn bad_extensions() {
    let archive = |body_text: &[u8]| {
        [
            Block::ustar(b'x', "pax", body_text.len() as u64).bytes(),
            body(body_text),
        ]
        .concat()
    };
    check(
        &archive(b"6 k=1\n9 x"),
        &ParseError::PaxRecord { offset: 518 },
    );
    check(
        &[pax(b'x', &[("uid", "1x")]), file("f", b"")].concat(),
        &ParseError::PaxValue {
            offset: 1024,
            key: "uid",
        },
    );
    check(
        &[pax(b'x', &[("mtime", "1.x")]), file("f", b"")].concat(),
        &ParseError::PaxValue {
            offset: 1024,
            key: "mtime",
        },
    );
    check(
        &pax(b'g', &[("size", "x")]),
        &ParseError::PaxValue {
            offset: 0,
            key: "size",
        },
    );
    check(
        &[pax(b'x', &[("size", "-3")]), file("f", b"")].concat(),
        &ParseError::NegativeSize {
            offset: 1024,
            size: -3,
        },
    );
}

#[test]
fn truncation() {
    let archive = file("f", b"abc");
    check(
        &archive[..100],
        &ParseError::Truncated {
            offset: 100,
            part: "header",
        },
    );
    check(
        &archive[..514],
        &ParseError::Truncated {
            offset: 514,
            part: "payload",
        },
    );
    let pax = pax(b'x', &[("path", "p")]);
    check(
        &pax[..515],
        &ParseError::Truncated {
            offset: 515,
            part: "extension header",
        },
    );
    let long = gnu_long(b'L', "name");
    check(
        &long[..512],
        &ParseError::Truncated {
            offset: 512,
            part: "extension header",
        },
    );
    let zeros = [archive, vec![0; 600]].concat();
    check(
        &zeros,
        &ParseError::Truncated {
            offset: 1624,
            part: "zero block",
        },
    );
}

#[test]
fn a_lone_zero_block() {
    let archive = [file("f", b""), vec![0; 512], file("g", b""), end()].concat();
    check(&archive, &ParseError::LoneZeroBlock { offset: 1024 });
}

#[test]
fn a_failed_parser_stays_failed() {
    let mut parser = layerhold_tar_format::Parser::new();
    let mut input = &[1u8; 512][..];
    assert_eq!(
        parser.advance(&mut input),
        Err(ParseError::Checksum { offset: 0 })
    );
    let good = end();
    assert_eq!(
        parser.advance(&mut good.as_slice()),
        Err(ParseError::AlreadyFailed)
    );
    assert_eq!(parser.finish(), Err(ParseError::AlreadyFailed));
}
