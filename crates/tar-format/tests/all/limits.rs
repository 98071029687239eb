//! Hostile sizes are refused before memory is allocated.

use crate::build::{Block, body, file, pax};
use layerhold_tar_format::{Limits, ParseError, Parser};

fn parse(archive: &[u8], limits: Limits) -> Result<(), ParseError> {
    let mut parser = Parser::with_limits(limits);
    let mut rest = archive;
    while parser.advance(&mut rest)?.is_some() {}
    parser.finish().map(|_| ())
}

#[test]
fn long_extensions() {
    let at_limit = 1 << 20;
    let name = "n".repeat(at_limit - 1);
    let long = |size: u64| Block::gnu(b'L', "long", size).bytes();
    let archive = [
        long(at_limit as u64),
        body(format!("{name}\0").as_bytes()),
        file("f", b""),
    ]
    .concat();
    assert_eq!(parse(&archive, Limits::default()), Ok(()));
    let expected = ParseError::TooLong {
        offset: 512,
        size: (1 << 20) + 1,
        limit: 1 << 20,
    };
    assert_eq!(
        parse(&long((1 << 20) + 1), Limits::default()),
        Err(expected.clone())
    );
    let pax = Block::ustar(b'x', "pax", (1 << 20) + 1).bytes();
    assert_eq!(parse(&pax, Limits::default()), Err(expected));
    let huge = Block::gnu(b'K', "long", 0)
        .put(124, &[0x80, 0, 0, 0, 0x7f])
        .bytes();
    assert!(matches!(
        parse(&huge, Limits::default()),
        Err(ParseError::TooLong { .. })
    ));
}

#[test]
fn many_extensions() {
    let archive = pax(b'x', &[("k", "v")]).repeat(10);
    let mut limits = Limits::default();
    limits.raw_header = 8192;
    assert_eq!(
        parse(&archive, limits),
        Err(ParseError::TooLong {
            offset: 8192,
            size: 8704,
            limit: 8192
        })
    );
    limits.raw_header = 10 * 1024 + 512;
    assert_eq!(parse(&archive, limits), Ok(()));
}

#[test]
fn endless_sparse_maps() {
    let numbers = "1\n".repeat(1 << 20);
    let archive = [
        pax(
            b'x',
            &[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")],
        ),
        Block::ustar(b'0', "f", 4 << 20).bytes(),
        b"9999999\n".to_vec(),
        numbers.into_bytes(),
    ]
    .concat();
    let expected = ParseError::TooLong {
        offset: 1024,
        size: (1 << 20) + 512,
        limit: 1 << 20,
    };
    assert_eq!(parse(&archive, Limits::default()), Err(expected));
}

#[test]
fn many_records_are_read_in_good_time() {
    // With quadratic work, 170,000 records of one key would exceed the test's time.
    let text = b"6 k=1\n".repeat((1 << 20) / 6);
    let archive = [
        Block::ustar(b'x', "pax", text.len() as u64).bytes(),
        body(&text),
        file("f", b""),
    ]
    .concat();
    assert_eq!(parse(&archive, Limits::default()), Ok(()));
}
