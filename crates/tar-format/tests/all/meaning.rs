//! The meaning of archives, as defined by Go's reader.

use crate::build::{Block, body, end, file, gnu_long, pax, read, read_one};
use layerhold_tar_format::{EntryKind, TarTime};

fn names(archive: &[u8]) -> Vec<String> {
    read(archive)
        .into_iter()
        .map(|(header, _)| String::from_utf8(header.name).unwrap())
        .collect()
}

#[test]
fn v7_directories_are_told_by_their_slash() {
    let archive = [
        Block::v7(0, "d/", 0).bytes(),
        Block::v7(0, "f", 3).bytes(),
        body(b"abc"),
    ]
    .concat();
    let entries = read(&archive);
    assert_eq!(entries[0].0.kind, EntryKind::Directory);
    assert_eq!(entries[1].0.kind, EntryKind::Regular);
    assert_eq!(entries[1].1, b"abc");
    // Only the old flag becomes a directory.
    let (header, _) = read_one(&Block::ustar(b'0', "d/", 0).bytes());
    assert_eq!(header.kind, EntryKind::Regular);
}

#[test]
fn ustar_prefixes_come_first() {
    let block = Block::ustar(b'0', "name", 0).put(345, b"some/prefix");
    assert_eq!(names(&block.bytes()), ["some/prefix/name"]);
    let v7 = Block::v7(b'0', "name", 0).put(345, b"some/prefix");
    assert_eq!(names(&v7.bytes()), ["name"]);
}

#[test]
fn ustar_fields() {
    let block = Block::ustar(b'3', "null", 0)
        .put(100, b"0004755\0")
        .put(108, b"0001750\0")
        .put(116, b"0000144\0")
        .put(136, b"14500000000\0")
        .put(157, b"target")
        .put(265, b"user")
        .put(297, b"group")
        .put(329, b"0000001\0")
        .put(337, b"0000003\0");
    let (header, _) = read_one(&block.bytes());
    assert_eq!(header.kind, EntryKind::CharDevice);
    assert_eq!((header.mode, header.uid, header.gid), (0o4755, 1000, 100));
    assert_eq!(header.mtime, TarTime::from_seconds(0o14_500_000_000));
    assert_eq!((header.device_major, header.device_minor), (1, 3));
    assert_eq!(header.link_name, b"target");
    assert_eq!(
        (header.user_name.as_slice(), header.group_name.as_slice()),
        (&b"user"[..], &b"group"[..])
    );
    assert_eq!((header.atime, header.ctime), (None, None));
}

#[test]
fn gnu_numbers_may_be_binary() {
    let block = Block::gnu(b'0', "f", 0)
        .put(108, &[0x80, 0, 0, 0, 0, 0x4c, 0x4b, 0x40])
        .put(
            136,
            &[
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb,
            ],
        )
        .put(345, b"00000000017\0")
        .put(357, b"00000000022\0");
    let (header, _) = read_one(&block.bytes());
    assert_eq!(header.uid, 5_000_000);
    assert_eq!(header.mtime, TarTime::from_seconds(-5));
    assert_eq!(header.atime, Some(TarTime::from_seconds(15)));
    assert_eq!(header.ctime, Some(TarTime::from_seconds(18)));
}

#[test]
fn a_prefix_in_a_gnu_header_is_taken_for_what_old_go_meant() {
    let block = Block::gnu(b'0', "name", 0).put(345, b"some/prefix");
    let (header, _) = read_one(&block.clone().bytes());
    assert_eq!(header.name, b"some/prefix/name");
    assert_eq!(header.atime, None);
    let (header, _) = read_one(&block.put(346, b"\xff").bytes());
    assert_eq!(header.name, b"name");
}

#[test]
fn star_headers_have_times() {
    let block = Block::ustar(b'0', "name", 0)
        .put(345, b"prefix")
        .put(476, b"00000000017\0")
        .put(488, b"00000000022\0")
        .put(508, b"tar\0");
    let (header, _) = read_one(&block.bytes());
    assert_eq!(header.name, b"prefix/name");
    assert_eq!(header.atime, Some(TarTime::from_seconds(15)));
    assert_eq!(header.ctime, Some(TarTime::from_seconds(18)));
}

#[test]
fn checksums_may_be_of_signed_bytes() {
    let block = Block::ustar(b'0', "caf\u{e9}", 0);
    assert_eq!(names(&block.clone().bytes_signed()), ["caf\u{e9}"]);
    assert_eq!(names(&block.bytes()), ["caf\u{e9}"]);
}

#[test]
fn gnu_long_names_win_over_pax_paths() {
    let archive = [
        pax(b'x', &[("path", "from pax"), ("linkpath", "link from pax")]),
        gnu_long(b'L', "from gnu"),
        gnu_long(b'K', "link from gnu"),
        Block::gnu(b'2', "short", 0).bytes(),
        file("next", b""),
    ]
    .concat();
    let entries = read(&archive);
    assert_eq!(entries[0].0.name, b"from gnu");
    assert_eq!(entries[0].0.link_name, b"link from gnu");
    assert_eq!(entries[1].0.name, b"next");
    assert_eq!(entries[1].0.link_name, b"");
}

#[test]
fn pax_records_override_fields() {
    let archive = [
        pax(
            b'x',
            &[
                ("path", "long name"),
                ("size", "3"),
                ("uid", "-1"),
                ("gid", "4294967295"),
                ("uname", "\u{fc}"),
                ("gname", ""),
                ("mtime", "-1.5"),
                ("atime", "1.25"),
                ("ctime", "2"),
                ("SCHILY.xattr.user.b", "2"),
                ("SCHILY.xattr.user.a", "1"),
                ("SCHILY.xattr.user.empty", ""),
                ("SCHILY.xattr.security.capability", ""),
                ("LIBARCHIVE.xattr.user.c", "Mw=="),
                ("comment", "none"),
            ],
        ),
        Block::ustar(b'0', "short", 700).put(297, b"kept").bytes(),
        body(b"abc"),
        file("next", b""),
    ]
    .concat();
    let entries = read(&archive);
    let (header, content) = &entries[0];
    assert_eq!(header.name, b"long name");
    assert_eq!(content, b"abc");
    assert_eq!((header.uid, header.gid), (-1, 4_294_967_295));
    assert_eq!(header.user_name, "\u{fc}".as_bytes());
    assert_eq!(header.group_name, b"kept");
    assert_eq!(
        header.mtime,
        TarTime {
            seconds: -2,
            nanoseconds: 500_000_000
        }
    );
    assert_eq!(
        header.atime,
        Some(TarTime {
            seconds: 1,
            nanoseconds: 250_000_000
        })
    );
    assert_eq!(header.ctime, Some(TarTime::from_seconds(2)));
    let xattrs: Vec<_> = header.xattrs().collect();
    let expected: [(&[u8], &[u8]); 3] =
        [(b"user.a", b"1"), (b"user.b", b"2"), (b"user.empty", b"")];
    assert_eq!(xattrs, expected);
    assert_eq!(header.records.get(b"comment"), Some(&b"none"[..]));
    assert_eq!(entries[1].0.name, b"next");
    assert!(entries[1].0.records.is_empty());
}

/// GHSA-3cv2-h65g-fgmm: a size meant for the file must not resize the long name before it.
#[test]
fn pax_records_do_not_apply_to_extensions() {
    let hidden = file("hidden", b"");
    let archive = [
        pax(b'x', &[("size", "1024")]),
        gnu_long(b'L', "visible"),
        Block::ustar(b'0', "short", 0).bytes(),
        hidden.clone(),
        hidden,
        file("after", b""),
    ]
    .concat();
    assert_eq!(names(&archive), ["visible", "after"]);
}

/// RUSTSEC-2026-0068: the size in the record counts, not the one in the block.
#[test]
fn pax_sizes_move_the_next_header() {
    let archive = [
        pax(b'x', &[("size", "512")]),
        Block::ustar(b'0', "f", 0).bytes(),
        file("inside", b""),
        file("after", b""),
    ]
    .concat();
    assert_eq!(names(&archive), ["f", "after"]);
}

#[test]
fn the_last_extension_of_a_kind_wins() {
    let archive = [
        pax(b'x', &[("path", "first"), ("uid", "7")]),
        pax(b'x', &[("path", "second")]),
        file("short", b""),
    ]
    .concat();
    let (header, _) = read_one(&archive);
    assert_eq!(header.name, b"second");
    assert_eq!(header.uid, 0);
}

#[test]
fn global_headers_are_entries_and_apply_to_nothing() {
    let archive = [
        pax(b'x', &[("path", "dropped")]),
        pax(
            b'g',
            &[("uid", "7"), ("comment", "c"), ("path", "global name")],
        ),
        file("f", b"abc"),
    ]
    .concat();
    let entries = read(&archive);
    assert_eq!(entries[0].0.kind, EntryKind::GlobalHeader);
    assert_eq!(entries[0].0.name, b"global name");
    assert_eq!(entries[0].0.records.get(b"comment"), Some(&b"c"[..]));
    assert_eq!((entries[0].0.size, entries[0].0.uid), (0, 0));
    assert_eq!(entries[0].1, b"");
    assert_eq!(entries[1].0.name, b"f");
    assert_eq!(entries[1].0.uid, 0);
    assert_eq!(entries[1].1, b"abc");
}

#[test]
fn links_and_directories_have_no_payload_whatever_they_say() {
    for flag in b'1'..=b'6' {
        let archive = [Block::ustar(flag, "n", 700).bytes(), file("next", b"abc")].concat();
        let entries = read(&archive);
        assert_eq!((entries[0].0.size, entries[0].0.content_size()), (700, 0));
        assert_eq!(entries[1].0.name, b"next");
    }
    let negative = Block::ustar(b'5', "n", 0).put(124, &[0xff; 12]);
    assert_eq!(read_one(&negative.bytes()).0.size, -1);
}

#[test]
fn unknown_kinds_have_a_payload() {
    let archive = [
        Block::ustar(b'A', "n", 3).bytes(),
        body(b"abc"),
        file("f", b""),
    ]
    .concat();
    let entries = read(&archive);
    assert_eq!(entries[0].0.kind, EntryKind::Other(b'A'));
    assert_eq!(entries[0].1, b"abc");
    assert_eq!(entries[1].0.name, b"f");
}

#[test]
fn archives_may_end_without_ceremony() {
    let archive = file("f", b"abc");
    for (ending, cut) in [
        (vec![], 0),
        (vec![], 100),
        (vec![], 509),
        (vec![0; 512], 0),
        (end(), 0),
    ] {
        let mut archive = archive.clone();
        archive.truncate(archive.len() - cut);
        archive.extend(ending);
        assert_eq!(read_one(&archive).1, b"abc");
    }
    assert_eq!(read(b"").len(), 0);
    assert_eq!(read(&end()).len(), 0);
    // An extension without an entry.
    assert_eq!(read(&pax(b'x', &[("path", "p")])).len(), 0);
}

#[test]
fn nothing_after_the_end_counts() {
    let archive = [file("f", b""), end(), file("g", b""), b"junk".to_vec()].concat();
    assert_eq!(names(&archive), ["f"]);
    let mut reader = layerhold_tar_format::Reader::new(archive.as_slice());
    assert_eq!(reader.drain().unwrap(), 512 + 4);
}
