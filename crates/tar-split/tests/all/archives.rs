//! Archives to record, and their files' contents.

use layerhold_tar_format::{EntryKind, Header, Limits, Reader, WriteFormat, Writer, clean_path};
use layerhold_tar_split::{
    Block, ContentCheck, ContentSource, Rebuild, RebuildError, Recorder, Skeleton, rebuild,
};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

/// Files by cleaned name, as unpacking the archive gives them.
#[derive(Clone, Default)]
pub(crate) struct Contents(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl ContentSource for Contents {
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        let content = self.0.get(&clean_path(name)).cloned();
        Ok(Box::new(Cursor::new(
            content.ok_or(io::ErrorKind::NotFound)?,
        )))
    }
}

/// The tar-split file of an archive, without compression, and the archive's contents.
pub(crate) fn record(archive: &[u8]) -> (String, Contents) {
    let recorder = Recorder::uncompressed(Vec::new());
    let mut reader = Reader::with_sink(archive, Limits::default(), recorder);
    let mut contents = Contents::default();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let name = clean_path(&entry.header().name);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if !content.is_empty() {
            contents.0.insert(name, content);
        }
    }
    reader.drain().unwrap();
    let lines = reader.into_parts().1.finish().unwrap();
    (String::from_utf8(lines).unwrap(), contents)
}

/// The archive rebuilt from lines and contents, with both ways of checking.
pub(crate) fn rebuilt(lines: &str, contents: &Contents) -> Result<Vec<u8>, RebuildError> {
    let (at_once, later) = (
        checked_at_once(lines, contents),
        checked_later(lines, contents),
    );
    match (&at_once, &later) {
        (Ok(archive), Ok(other)) => assert!(archive == other, "in blocks"),
        (Err(error), Err(other)) => assert_eq!(error.to_string(), other.to_string()),
        _ => panic!("{at_once:?} at once, {later:?} in blocks"),
    }
    at_once
}

fn checked_later(lines: &str, contents: &Contents) -> Result<Vec<u8>, RebuildError> {
    let mut archive = Rebuild::new(Skeleton::from_lines(lines.as_bytes()), contents.clone());
    let (mut block, mut check) = (Block::default(), ContentCheck::default());
    let mut bytes = Vec::new();
    while archive.next_block(&mut block)? {
        bytes.extend_from_slice(check.check(&mut block)?);
        assert!(bytes.ends_with(block.checked()));
    }
    Ok(bytes)
}

fn checked_at_once(lines: &str, contents: &Contents) -> Result<Vec<u8>, RebuildError> {
    let mut archive = Vec::new();
    let mut contents = contents.clone();
    let size = rebuild(
        Skeleton::from_lines(lines.as_bytes()),
        &mut contents,
        &mut archive,
    )?;
    assert_eq!(size, archive.len() as u64);
    Ok(archive)
}

/// Checks that recording loses nothing, and returns the lines.
#[track_caller]
pub(crate) fn check_round_trip(archive: &[u8]) -> String {
    let (lines, contents) = record(archive);
    let again = rebuilt(&lines, &contents).unwrap();
    assert!(again == archive, "{lines}");
    lines
}

/// An archive of regular files.
pub(crate) fn files(files: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, content) in files {
        let mut header = Header::new(EntryKind::Regular, *name);
        header.size = content.len() as i64;
        writer.write_header_as(&header, WriteFormat::Pax).unwrap();
        writer.write_content(content).unwrap();
    }
    writer.finish().unwrap()
}

/// Changes the size field of the header block at `at`, and its checksum.
pub(crate) fn set_size(archive: &mut [u8], at: usize, size: u64) {
    let block = &mut archive[at..at + 512];
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A sparse file of 25 bytes, eight of them stored, in PAX format 1.0.
pub(crate) fn sparse() -> Vec<u8> {
    let mut map = b"2\n2\n5\n18\n3\n".to_vec();
    map.resize(512, 0);
    let mut header = Header::new(EntryKind::Regular, "sparse");
    header.size = 520;
    header.records.insert(b"comment", b"none");
    let mut writer = Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    writer.write_content(&map).unwrap();
    writer.write_content(b"abcdefgh").unwrap();
    let mut archive = writer.finish().unwrap();
    // The writer does not write sparse records, so they are inserted afterwards.
    let records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.realsize=25\n";
    archive[512..1024].fill(0);
    archive[512..512 + records.len()].copy_from_slice(records);
    set_size(&mut archive, 0, records.len() as u64);
    archive
}
