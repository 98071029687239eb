//! Properties of all archives.

use crate::build::{echo, read};
use crate::generate::{member, write};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read_back(members in vec(member(), 0..6)) {
        let archive = write(&members);
        let entries = read(&archive);
        prop_assert_eq!(entries.len(), members.len());
        for ((read, read_content), (written, content)) in entries.iter().zip(&members) {
            prop_assert_eq!(&read.name, &written.name);
            prop_assert_eq!(&read.link_name, &written.link_name);
            prop_assert_eq!(&read.user_name, &written.user_name);
            prop_assert_eq!(
                (read.kind, read.uid, read.gid, read.mode, read.size, read.mtime, read.atime),
                (written.kind, written.uid, written.gid, written.mode, written.size,
                    written.mtime, written.atime)
            );
            prop_assert!(read.xattrs().eq(written.xattrs()));
            prop_assert_eq!(read_content, content);
        }
    }

    #[test]
    fn events_hold_every_byte(
        members in vec(member(), 0..4),
        chunk in 1usize..3000,
        trailing in vec(any::<u8>(), 0..2000),
    ) {
        let archive = [write(&members), trailing].concat();
        prop_assert_eq!(echo(&archive, chunk), Ok(archive));
    }

    #[test]
    fn damage_is_seen_alike_however_the_archive_is_cut(
        members in vec(member(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        chunk in 1usize..2000,
    ) {
        let mut archive = write(&members);
        for (at, byte) in damage {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        archive.truncate(cut.index(archive.len() + 1));
        let whole = echo(&archive, archive.len());
        prop_assert_eq!(&echo(&archive, chunk), &whole);
        if let Ok(copy) = whole {
            prop_assert_eq!(copy, archive);
        }
    }
}
