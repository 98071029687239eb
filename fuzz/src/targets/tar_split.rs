//! tar-split files and archives:
//!
//! - Reading a tar-split file, plain or gzip, never panics, whatever the bytes, and respects its
//!   line limit.
//! - Rebuilding from any such file never panics, and never writes more than its segments and
//!   contents.
//! - An archive that can be read to its end is rebuilt byte for byte from its tar-split file and
//!   its contents.
//! - Recording it in pieces of any size gives the same tar-split file.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use layerhold_tar_format::{Limits, Reader};
use layerhold_tar_split::{Entry, Recorder, Skeleton, rebuild};

/// Larger contents are not kept for rebuilding; an archive with one is only read.
const LARGEST: u64 = 1 << 20;

/// Checks one input; its first byte selects the kind of input.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((b'g', rest)) => {
            walk(Skeleton::from_gzip(rest));
            build(Skeleton::from_gzip(rest));
        }
        Some((b'l', rest)) => {
            walk(Skeleton::from_lines(rest));
            build(Skeleton::from_lines(rest));
        }
        Some((kind, rest)) => archive(rest, usize::from(*kind) + 1),
        None => {}
    }
}

fn walk<R: std::io::BufRead>(skeleton: Skeleton<R>) {
    let limit = 1 << 16;
    let mut skeleton = skeleton.with_line_limit(limit);
    for _ in 0..100_000 {
        match skeleton.next_entry() {
            Ok(Some(Entry::Segment(bytes))) => assert!(bytes.len() <= limit),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
}

fn build<R: std::io::BufRead>(skeleton: Skeleton<R>) {
    // Endless content: code that trusts a size instead of limiting the read would never return.
    let mut source = |_: &[u8]| -> std::io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(std::io::repeat(b'x').take(LARGEST)))
    };
    drop(rebuild(
        skeleton.with_line_limit(1 << 20),
        &mut source,
        &mut std::io::sink(),
    ));
}

/// A reader that returns at most so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads an archive to its end; returns its tar-split file and its contents, or `None` if that
/// fails.
fn record(source: impl Read) -> Option<(Vec<u8>, Contents)> {
    let mut reader = Reader::with_sink(
        source,
        Limits::default(),
        Recorder::uncompressed(Vec::new()),
    );
    let mut contents = Contents::new();
    while let Some(mut entry) = reader.next_entry().ok()? {
        if entry.header().content_size() > LARGEST {
            return None;
        }
        let name = entry.header().name.clone();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        contents.insert(name, content);
    }
    reader.drain().ok()?;
    let (_, recorder) = reader.into_parts();
    Some((
        recorder.finish().expect("a vector can be written to"),
        contents,
    ))
}

fn archive(data: &[u8], piece: usize) {
    let Some((lines, contents)) = record(data) else {
        return;
    };
    let pieces = record(Pieces(data, piece)).expect("reading in pieces is reading");
    assert_eq!(pieces.0, lines, "recording depends on the size of pieces");
    let mut source = |name: &[u8]| -> std::io::Result<Box<dyn Read + Send>> {
        let content = contents.get(name).cloned().unwrap_or_default();
        Ok(Box::new(Cursor::new(content)))
    };
    let mut rebuilt = Vec::new();
    rebuild(
        Skeleton::from_lines(lines.as_slice()),
        &mut source,
        &mut rebuilt,
    )
    .expect("what was recorded can be rebuilt");
    assert!(
        rebuilt == data,
        "rebuilt {} bytes differ from the {} of the archive",
        rebuilt.len(),
        data.len()
    );
}
