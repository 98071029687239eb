//! Builds archives block by block, including malformed ones.

use layerhold_tar_format::{Event, Header, ParseError, Parser, Reader};
use std::io::Read;

/// A header block under construction; [`Block::bytes`] adds the checksum.
#[derive(Clone)]
pub(crate) struct Block([u8; 512]);

impl Block {
    /// A ustar block.
    pub(crate) fn ustar(flag: u8, name: &str, size: u64) -> Self {
        Self::v7(flag, name, size).put(257, b"ustar\x0000")
    }

    /// A GNU block.
    pub(crate) fn gnu(flag: u8, name: &str, size: u64) -> Self {
        Self::v7(flag, name, size).put(257, b"ustar  \0")
    }

    /// A block without magic.
    pub(crate) fn v7(flag: u8, name: &str, size: u64) -> Self {
        Self([0; 512])
            .put(0, name.as_bytes())
            .put(100, b"0000644\0")
            .put(108, b"0000000\0")
            .put(116, b"0000000\0")
            .put(124, format!("{size:011o}\0").as_bytes())
            .put(136, b"00000000000\0")
            .put(156, &[flag])
    }

    pub(crate) fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The block with POSIX's checksum.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let sum = self.sum(u32::from);
        self.put(148, format!("{sum:06o}\0 ").as_bytes()).0.to_vec()
    }

    /// The block with the checksum of signed bytes, as Sun's tar wrote it.
    pub(crate) fn bytes_signed(self) -> Vec<u8> {
        let sum = self.sum(|byte| i32::from(byte.cast_signed()).cast_unsigned());
        self.put(148, format!("{sum:06o}\0 ").as_bytes()).0.to_vec()
    }

    fn sum(&self, value: impl Fn(u8) -> u32) -> u32 {
        let spaced = self.clone().put(148, b"        ");
        spaced
            .0
            .iter()
            .fold(0, |sum, &byte| sum.wrapping_add(value(byte)))
    }
}

/// Content with its padding.
pub(crate) fn body(content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(512), 0);
    padded
}

/// A PAX extension with the records given.
pub(crate) fn pax(flag: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let text: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| record(key, value))
        .collect();
    [
        Block::ustar(flag, "pax", text.len() as u64).bytes(),
        body(&text),
    ]
    .concat()
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let content = key.len() + value.len() + 3;
    let length = (content..).find(|length| length.to_string().len() + content == *length);
    format!("{} {key}={value}\n", length.unwrap()).into_bytes()
}

/// A GNU long name (`L`) or long link (`K`).
pub(crate) fn gnu_long(flag: u8, text: &str) -> Vec<u8> {
    let text = [text.as_bytes(), b"\0"].concat();
    [
        Block::gnu(flag, "././@LongLink", text.len() as u64).bytes(),
        body(&text),
    ]
    .concat()
}

/// A small regular file.
pub(crate) fn file(name: &str, content: &[u8]) -> Vec<u8> {
    [
        Block::ustar(b'0', name, content.len() as u64).bytes(),
        body(content),
    ]
    .concat()
}

/// Two zero blocks.
pub(crate) fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// Reads all entries with their content.
#[track_caller]
pub(crate) fn read(archive: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let mut reader = Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let header = entry.header().clone();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        entries.push((header, content));
    }
    entries
}

/// The only entry of an archive.
#[track_caller]
pub(crate) fn read_one(archive: &[u8]) -> (Header, Vec<u8>) {
    let mut entries = read(archive);
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

/// The bytes of all events, for an archive cut into chunks of `size`.
pub(crate) fn echo(archive: &[u8], size: usize) -> Result<Vec<u8>, ParseError> {
    let mut parser = Parser::new();
    let mut copy = Vec::new();
    let mut keep = |event: Event<'_, '_>| match event {
        Event::Entry { raw, .. } | Event::End { raw } => copy.extend_from_slice(raw),
        Event::Payload { data, .. } | Event::Trailing { data } => copy.extend_from_slice(data),
        _ => {}
    };
    for mut rest in archive.chunks(size.max(1)) {
        while let Some(event) = parser.advance(&mut rest)? {
            keep(event);
        }
        assert!(rest.is_empty());
    }
    if let Some(event) = parser.finish()? {
        keep(event);
    }
    Ok(copy)
}
