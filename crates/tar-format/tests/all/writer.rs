//! The bytes that Go's writer emits, and the headers that it refuses.

use crate::build::read_one;
use layerhold_tar_format::{EntryKind, Header, TarTime, WriteError, WriteFormat, Writer};

fn write(header: &Header, format: WriteFormat) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.write_header_as(header, format).unwrap();
    writer.finish().unwrap()
}

/// Blocks before the two zero blocks: 1 for ustar, 3 for a short PAX extension.
#[track_caller]
fn check_blocks(header: &Header, format: WriteFormat, expected: usize) {
    assert_eq!(
        write(header, format).len() / 512 - 2,
        expected,
        "{header:?}"
    );
}

#[test]
fn pax_is_used_only_where_ustar_is_too_narrow() {
    let plain = Header::new(EntryKind::Symlink, "name");
    check_blocks(&plain, WriteFormat::Auto, 1);
    check_blocks(&plain, WriteFormat::Pax, 1);
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = plain.clone();
        change(&mut header);
        header
    };
    let half = TarTime {
        seconds: 5,
        nanoseconds: 500_000_000,
    };
    check_blocks(&with(&|h| h.mtime = half), WriteFormat::Auto, 1);
    check_blocks(&with(&|h| h.mtime = half), WriteFormat::Pax, 3);
    check_blocks(&with(&|h| h.atime = Some(half)), WriteFormat::Auto, 1);
    check_blocks(&with(&|h| h.atime = Some(half)), WriteFormat::Pax, 3);
    check_blocks(
        &with(&|h| h.mtime = TarTime::from_seconds(-1)),
        WriteFormat::Auto,
        3,
    );
    check_blocks(
        &with(&|h| h.mtime = TarTime::from_seconds(1 << 33)),
        WriteFormat::Auto,
        3,
    );
    check_blocks(&with(&|h| h.uid = 2_097_151), WriteFormat::Auto, 1);
    check_blocks(&with(&|h| h.uid = 2_097_152), WriteFormat::Auto, 3);
    check_blocks(&with(&|h| h.name = vec![b'n'; 100]), WriteFormat::Auto, 1);
    check_blocks(&with(&|h| h.name = vec![b'n'; 101]), WriteFormat::Auto, 3);
    check_blocks(
        &with(&|h| h.name = [[b'p'; 155], [b'n'; 155]].join(&b'/')),
        WriteFormat::Auto,
        3,
    );
    let fitting = [vec![b'p'; 155], vec![b'n'; 100]].join(&b'/');
    check_blocks(&with(&|h| h.name = fitting.clone()), WriteFormat::Auto, 1);
    check_blocks(
        &with(&|h| h.link_name = vec![b'l'; 101]),
        WriteFormat::Auto,
        3,
    );
    check_blocks(
        &with(&|h| h.user_name = vec![b'u'; 33]),
        WriteFormat::Auto,
        3,
    );
    check_blocks(&with(&|h| h.name = "é".into()), WriteFormat::Auto, 3);
    check_blocks(
        &with(&|h| h.set_xattr(b"user.a", b"1")),
        WriteFormat::Auto,
        3,
    );
}

#[test]
fn a_pax_entry_byte_for_byte() {
    let mut header = Header::new(EntryKind::Directory, "dir/ü/");
    (header.mode, header.uid, header.gid) = (0o755, 3_000_000, 1);
    header.mtime = TarTime {
        seconds: 7,
        nanoseconds: 600_000_000,
    };
    header.set_xattr(b"user.b", b"\xff\0");
    header.set_xattr(b"user.a", b"1");
    let archive = write(&header, WriteFormat::Auto);
    let text = |range: std::ops::Range<usize>| archive[range].escape_ascii().to_string();
    assert_eq!(text(0..20), r"dir//PaxHeaders.0\x00\x00\x00");
    assert_eq!(text(100..124), r"0000000\x000000000\x000000000\x00");
    assert_eq!(text(124..148), r"00000000122\x0000000000000\x00");
    assert_eq!(text(156..157), "x");
    assert_eq!(text(257..265), r"ustar\x0000");
    assert_eq!(
        text(512..596),
        "25 SCHILY.xattr.user.a=1\\n26 SCHILY.xattr.user.b=\\xff\\x00\\n16 path=dir/\\xc3\\xbc/\\n15 uid=3000000\\n\\x00\\x00"
    );
    assert_eq!(text(1024..1032), r"dir//\x00\x00\x00");
    assert_eq!(text(1124..1148), r"0000755\x000000000\x000000001\x00");
    assert_eq!(text(1148..1172), r"00000000000\x0000000000010\x00");
    assert_eq!(text(1180..1181), "5");
    let (read, _) = read_one(&archive);
    assert_eq!(read.name, header.name);
    assert_eq!(read.mtime, TarTime::from_seconds(8));
}

#[test]
fn global_headers_have_records_only() {
    let mut header = Header::new(EntryKind::GlobalHeader, "");
    header.records.insert(b"comment", b"c");
    let archive = write(&header, WriteFormat::Auto);
    assert_eq!(archive.len(), 4 * 512);
    let (read, _) = read_one(&archive);
    assert_eq!(read.name, b"GlobalHead.0.0");
    assert_eq!(read.records, header.records);
}

#[test]
fn content_must_have_the_size_stated() {
    let mut header = Header::new(EntryKind::Regular, "f");
    header.size = 5;
    let mut writer = Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    let error = writer.write_content(b"123456").unwrap_err();
    assert!(matches!(error, WriteError::TooMuchContent { size: 5 }));
    writer.write_content(b"1234").unwrap();
    let error = writer.write_header(&header).unwrap_err();
    assert!(matches!(error, WriteError::MissingContent { missing: 1 }));
    writer.write_content(b"5").unwrap();
    writer
        .write_header(&Header::new(EntryKind::Fifo, "p"))
        .unwrap();
    assert_eq!(writer.finish().unwrap().len(), 512 * 5);
}

#[track_caller]
fn check_refused(header: &Header, field: &str) {
    let error = Writer::new(Vec::new()).write_header(header).unwrap_err();
    assert!(
        matches!(error, WriteError::NotEncodable { field: f } if f == field),
        "{error}"
    );
}

#[test]
fn what_no_format_holds_is_refused() {
    check_refused(&Header::new(EntryKind::Regular, "f/"), "name");
    check_refused(&Header::new(EntryKind::Regular, "f\0"), "PAX record");
    check_refused(&Header::new(EntryKind::Other(b'x'), "f"), "kind");
    let mut header = Header::new(EntryKind::CharDevice, "f");
    header.device_minor = 1 << 21;
    check_refused(&header, "devminor");
    header = Header::new(EntryKind::Regular, "f");
    header.size = -1;
    check_refused(&header, "size");
    header = Header::new(EntryKind::Regular, "f");
    header.mode = -1;
    check_refused(&header, "mode");
    header = Header::new(EntryKind::Regular, "f");
    header.set_xattr(b"user.big", &vec![1; 1 << 20]);
    let error = Writer::new(Vec::new()).write_header(&header).unwrap_err();
    assert!(matches!(
        error,
        WriteError::RecordsTooLong {
            limit: 1_048_576,
            ..
        }
    ));
}
