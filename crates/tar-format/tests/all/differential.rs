//! Comparison with another reader: of our archives, and of its own.

use crate::build::read;
use crate::generate::{member, write};
use layerhold_tar_format::{Header, clean_path};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Read;

fn has_newline(header: &Header) -> bool {
    let mut texts = header.xattrs().map(|(_, value)| value);
    texts.any(|text| text.contains(&b'\n'))
        || header.name.contains(&b'\n')
        || header.link_name.contains(&b'\n')
}

proptest! {
    #[test]
    fn the_tar_crate_reads_what_we_write(members in vec(member(), 0..6)) {
        // The crate ends records at newlines, whatever their length field says.
        prop_assume!(members.iter().all(|(header, _)| !has_newline(header)));
        let archive = write(&members);
        let mut theirs = tar::Archive::new(archive.as_slice());
        let mut count = 0;
        for (entry, (header, content)) in theirs.entries().unwrap().zip(&members) {
            let mut entry = entry.unwrap();
            prop_assert_eq!(&*entry.path_bytes(), header.name.as_slice());
            prop_assert_eq!(entry.header().entry_type().as_byte(), header.kind.flag());
            let mut read = Vec::new();
            entry.read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read, content);
            count += 1;
        }
        prop_assert_eq!(count, members.len());
    }

    #[test]
    fn we_read_what_the_tar_crate_writes(
        files in vec(("[a-z/]{1,200}[a-z]", vec(any::<u8>(), 0..1200), 0..u64::from(u32::MAX)), 0..6),
    ) {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content, uid) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_uid(*uid);
            builder.append_data(&mut header, name.trim_start_matches('/'), content.as_slice()).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        let entries = read(&archive);
        prop_assert_eq!(entries.len(), files.len());
        for ((header, read), (name, content, uid)) in entries.iter().zip(&files) {
            // The crate drops empty components from short names.
            prop_assert_eq!(clean_path(&header.name), clean_path(name.trim_start_matches('/').as_bytes()));
            prop_assert_eq!(header.uid, *uid as i64);
            prop_assert_eq!(read, content);
        }
    }
}
