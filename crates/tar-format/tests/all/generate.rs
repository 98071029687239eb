//! Arbitrary archives for property tests.

use layerhold_tar_format::{EntryKind, Header, TarTime, WriteFormat, Writer};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// An entry and its content.
pub(crate) type Member = (Header, Vec<u8>);

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z]{1,8}(/[a-z.]{1,8}){0,3}".prop_map(String::into_bytes),
        "[a-z/]{90,300}[a-z]".prop_map(String::into_bytes),
        "[a-zäöü\u{2028}<&>\"\\\\]{1,20}x".prop_map(String::into_bytes),
        vec(1u8.., 1..120).prop_map(|name| [name, b"x".to_vec()].concat()),
    ]
}

fn kind() -> impl Strategy<Value = EntryKind> {
    use EntryKind::*;
    prop_oneof![
        6 => Just(Regular),
        1 => prop::sample::select(vec![HardLink, Symlink, CharDevice, BlockDevice, Directory, Fifo]),
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![0..2_097_152i64, 0..i64::from(u32::MAX)]
}

fn time() -> impl Strategy<Value = TarTime> {
    (
        -10_000_000_000i64..10_000_000_000,
        prop_oneof![Just(0), 0..1_000_000_000u32],
    )
        .prop_map(|(seconds, nanoseconds)| TarTime {
            seconds,
            nanoseconds,
        })
}

/// An entry that [`WriteFormat::Pax`] represents without loss.
pub(crate) fn member() -> impl Strategy<Value = Member> {
    let owner = (number(), number(), 0..0o10_000i64);
    let names = (name(), name(), "[a-zü]{0,40}");
    let xattrs = btree_map("user\\.[a-z]{1,8}", vec(any::<u8>(), 1..40), 0..3);
    let content = prop_oneof![vec(any::<u8>(), 0..1500), vec(any::<u8>(), 512..513)];
    (
        kind(),
        names,
        owner,
        time(),
        proptest::option::of(time()),
        xattrs,
        content,
    )
        .prop_map(
            |(kind, (name, link, user), (uid, gid, mode), mtime, atime, xattrs, mut content)| {
                let mut header = Header::new(kind, name);
                if matches!(kind, EntryKind::HardLink | EntryKind::Symlink) {
                    header.link_name = link;
                }
                (header.uid, header.gid, header.mode) = (uid, gid, mode);
                (header.mtime, header.atime) = (mtime, atime);
                header.user_name = user.into_bytes();
                if kind == EntryKind::Directory {
                    header.name.push(b'/');
                }
                if kind == EntryKind::Regular {
                    header.size = content.len() as i64;
                } else {
                    content.clear();
                }
                for (name, value) in xattrs {
                    header.set_xattr(name.as_bytes(), &value);
                }
                (header, content)
            },
        )
}

/// The archive of some members.
pub(crate) fn write(members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (header, content) in members {
        writer.write_header_as(header, WriteFormat::Pax).unwrap();
        writer.write_content(content).unwrap();
    }
    writer.finish().unwrap()
}
