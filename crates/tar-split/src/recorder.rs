use std::collections::HashSet;
use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use layerhold_tar_format::{Event, EventSink, Header, clean_path};

use crate::json::{self, OpenSegment};
use crate::{Crc64, RecordError};

/// Lines are compressed in pieces of about this size.
const FLUSH_SIZE: usize = 64 << 10;

/// A buffer for lines above this size is released after use.
const KEPT_CAPACITY: usize = 1 << 20;

/// The longest segment of bytes after the archive.
///
/// Go: tar-split/tar/asm/disassemble.go, `paddingChunkSize`.
const TRAILING_SIZE: usize = 1 << 20;

/// The longest segment with the payload of a sparse file; longer payloads take several.
const SPARSE_SEGMENT: u64 = 16 << 20;

/// Go's zero time as gzip's 32-bit modification time, the only one that pgzip sets.
const GZIP_MTIME: u32 = 0x886e_0900;

/// "Unknown" in gzip's list of operating systems.
const GZIP_OS: u8 = 255;

/// Writes the tar-split file of an archive while it is read.
///
/// Pass it every event of a [`Parser`](layerhold_tar_format::Parser), in order, through
/// [`record`](Self::record), through the method for each kind of event, or as the [`EventSink`] of
/// a [`Reader`](layerhold_tar_format::Reader). Then call [`finish`](Self::finish).
///
/// The lines are those of Go's tar-split, except where the archive could not be rebuilt from those:
/// see the crate's documentation.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    output: Output<W>,
    position: u64,
    names: HashSet<Vec<u8>>,
    name: Vec<u8>,
    crc: Crc64,
    /// Length of the current entry's payload so far, unless it goes into a segment.
    size: u64,
    /// The segment for a payload that an unpacked tree does not contain in this form: that of a
    /// sparse file or of a whiteout.
    open: Option<OpenSegment>,
    trailing: Vec<u8>,
}

/// The lines and their destination.
#[derive(Debug)]
struct Output<W: Write> {
    lines: Vec<u8>,
    stream: Stream<W>,
}

#[derive(Debug)]
enum Stream<W: Write> {
    Gzip(Box<GzEncoder<W>>),
    Plain(W),
}

impl<W: Write> Output<W> {
    fn flush_lines(&mut self) -> Result<(), RecordError> {
        let written = match &mut self.stream {
            Stream::Gzip(encoder) => encoder.write_all(&self.lines),
            Stream::Plain(writer) => writer.write_all(&self.lines),
        };
        self.lines.clear();
        if self.lines.capacity() > KEPT_CAPACITY {
            self.lines.shrink_to(KEPT_CAPACITY);
        }
        written.map_err(RecordError::Output)
    }
}

impl<W: Write> Recorder<W> {
    /// Records into a gzip stream, the form of `<id>.tar-split.gz` in stores.
    pub fn new(destination: W) -> Self {
        let encoder = GzBuilder::new()
            .mtime(GZIP_MTIME)
            .operating_system(GZIP_OS)
            .write(destination, Compression::fast());
        Self::with_stream(Stream::Gzip(Box::new(encoder)))
    }

    /// Records lines without compression.
    pub fn uncompressed(destination: W) -> Self {
        Self::with_stream(Stream::Plain(destination))
    }

    fn with_stream(stream: Stream<W>) -> Self {
        Self {
            output: Output {
                lines: Vec::new(),
                stream,
            },
            position: 0,
            names: HashSet::new(),
            name: Vec::new(),
            crc: Crc64::new(),
            size: 0,
            open: None,
            trailing: Vec::new(),
        }
    }

    /// Records one event of the parser.
    ///
    /// # Errors
    ///
    /// [`RecordError::DuplicateName`] if two entries have the same cleaned path, and
    /// [`RecordError::Output`] if the destination fails.
    pub fn record(&mut self, event: &Event<'_, '_>) -> Result<(), RecordError> {
        match event {
            Event::Entry { header, raw } => self.entry(header, raw),
            Event::Payload { data, .. } => self.payload(data),
            Event::EndOfEntry => self.end_of_entry(),
            Event::End { raw } => self.end(raw),
            Event::Trailing { data } => self.trailing(data),
            // Event is non-exhaustive; all present variants are above.
            _ => Ok(()),
        }
    }

    /// Records an entry's header and the raw bytes before its payload.
    ///
    /// # Errors
    ///
    /// See [`record`](Self::record).
    pub fn entry(&mut self, header: &Header, raw: &[u8]) -> Result<(), RecordError> {
        let path = clean_path(&header.name);
        let is_in_no_tree =
            header.sparse().is_some() || (header.stored_size() > 0 && is_whiteout(&path));
        if !self.names.insert(path) {
            return Err(RecordError::DuplicateName {
                name: header.name.clone(),
            });
        }
        self.name.clear();
        self.name.extend_from_slice(&header.name);
        self.crc = Crc64::new();
        self.size = 0;
        if is_in_no_tree {
            let lines = &mut self.output.lines;
            let mut open = OpenSegment::start(lines);
            open.push(lines, raw);
            self.open = Some(open);
            return self.flush_if_full();
        }
        self.segment(raw)
    }

    /// Records stored bytes of the current entry.
    ///
    /// # Errors
    ///
    /// See [`record`](Self::record).
    pub fn payload(&mut self, data: &[u8]) -> Result<(), RecordError> {
        let Some(open) = &mut self.open else {
            self.crc.update(data);
            self.size += data.len() as u64;
            return Ok(());
        };
        open.push(&mut self.output.lines, data);
        if open.length >= SPARSE_SEGMENT {
            self.close_segment();
            self.open = Some(OpenSegment::start(&mut self.output.lines));
        }
        self.flush_if_full()
    }

    /// Records that the current entry's payload is complete.
    ///
    /// # Errors
    ///
    /// See [`record`](Self::record).
    pub fn end_of_entry(&mut self) -> Result<(), RecordError> {
        self.close_segment();
        let content = (self.size > 0).then(|| (self.size, self.crc.checksum()));
        json::push_file(&mut self.output.lines, &self.name, content, self.position);
        self.position += 1;
        self.flush_if_full()
    }

    /// Records the raw bytes at the end of the archive.
    ///
    /// # Errors
    ///
    /// See [`record`](Self::record).
    pub fn end(&mut self, raw: &[u8]) -> Result<(), RecordError> {
        if raw.is_empty() {
            Ok(())
        } else {
            self.segment(raw)
        }
    }

    /// Records bytes after the end of the archive.
    ///
    /// # Errors
    ///
    /// See [`record`](Self::record).
    pub fn trailing(&mut self, mut data: &[u8]) -> Result<(), RecordError> {
        while !data.is_empty() {
            let room = TRAILING_SIZE - self.trailing.len();
            let (taken, rest) = data.split_at_checked(room).unwrap_or((data, &[]));
            self.trailing.extend_from_slice(taken);
            data = rest;
            if self.trailing.len() == TRAILING_SIZE {
                self.flush_trailing()?;
            }
        }
        Ok(())
    }

    /// Completes the file and returns the destination without flushing it.
    ///
    /// # Errors
    ///
    /// [`RecordError::Output`] if the destination fails.
    pub fn finish(mut self) -> Result<W, RecordError> {
        self.flush_trailing()?;
        self.output.flush_lines()?;
        match self.output.stream {
            Stream::Gzip(encoder) => encoder.finish().map_err(RecordError::Output),
            Stream::Plain(writer) => Ok(writer),
        }
    }

    /// Lines recorded so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn segment(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        json::push_segment(&mut self.output.lines, bytes, self.position);
        self.position += 1;
        self.flush_if_full()
    }

    fn close_segment(&mut self) {
        if let Some(open) = self.open.take() {
            open.end(&mut self.output.lines, self.position);
            self.position += 1;
        }
    }

    fn flush_trailing(&mut self) -> Result<(), RecordError> {
        if self.trailing.is_empty() {
            return Ok(());
        }
        let trailing = std::mem::take(&mut self.trailing);
        self.segment(&trailing)?;
        self.trailing = trailing;
        self.trailing.clear();
        Ok(())
    }

    fn flush_if_full(&mut self) -> Result<(), RecordError> {
        if self.output.lines.len() < FLUSH_SIZE {
            return Ok(());
        }
        self.output.flush_lines()
    }
}

/// Whether an entry is a whiteout, which is not unpacked. Whiteouts are usually empty.
fn is_whiteout(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next();
    name.is_some_and(|name| name.starts_with(b".wh."))
}

/// Records every event; the error contains a [`RecordError`].
impl<W: Write> EventSink for Recorder<W> {
    fn event(&mut self, event: &Event<'_, '_>) -> io::Result<()> {
        self.record(event).map_err(io::Error::from)
    }
}
