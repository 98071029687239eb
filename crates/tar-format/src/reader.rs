use std::io::{self, Read};

use crate::{Event, EventSink, Header, Limits, Parser, ReadError};

const BUFFER_SIZE: usize = 256 << 10;

/// Content reads of at least this length bypass the buffer.
const DIRECT_READ: usize = 32 << 10;

/// Reads an archive entry by entry, and passes all of it to a sink.
///
/// ```
/// use layerhold_tar_format::{EntryKind, Header, Reader, Writer};
/// use std::io::Read;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut archive = Writer::new(Vec::new());
/// let mut header = Header::new(EntryKind::Regular, "hello");
/// header.size = 5;
/// archive.write_header(&header)?;
/// archive.write_content(b"world")?;
/// let archive = archive.finish()?;
///
/// let mut reader = Reader::new(archive.as_slice());
/// while let Some(mut entry) = reader.next_entry()? {
///     assert_eq!(entry.header().name, b"hello");
///     let mut content = String::new();
///     entry.read_to_string(&mut content)?;
///     assert_eq!(content, "world");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader<R, S = ()> {
    source: R,
    sink: S,
    parser: Parser,
    buffer: Box<[u8]>,
    /// Start of the part of the buffer that is not yet parsed.
    start: usize,
    end: usize,
    /// The current entry's `EndOfEntry` was seen, or there is no entry.
    entry_is_done: bool,
    archive_is_done: bool,
}

/// One entry of a [`Reader`]: its header and, through [`Read`], its content with holes expanded.
///
/// Unread content is skipped when the next entry is read.
#[derive(Debug)]
pub struct Entry<'r, R, S = ()> {
    reader: &'r mut Reader<R, S>,
    /// Bytes of content returned so far.
    position: u64,
}

/// A stored part of an entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'r> {
    /// Its offset in the content; gaps are holes.
    pub offset: u64,
    /// The bytes, never empty.
    pub data: &'r [u8],
}

/// The reader's next task after an event, without borrowing from the parser.
enum ReaderStep {
    Entry,
    /// Stored content: its offset in the file, and its place in the buffer.
    Payload {
        offset: u64,
        start: usize,
        length: usize,
    },
    EndOfEntry,
    End,
    Trailing(u64),
    EndOfInput,
}

impl<R: Read> Reader<R> {
    /// A reader with default limits.
    pub fn new(source: R) -> Self {
        Self::with_sink(source, Limits::default(), ())
    }
}

impl<R: Read, S: EventSink> Reader<R, S> {
    /// A reader that passes every event to `sink` first.
    pub fn with_sink(source: R, limits: Limits, sink: S) -> Self {
        Self {
            source,
            sink,
            parser: Parser::with_limits(limits),
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
            entry_is_done: true,
            archive_is_done: false,
        }
    }

    /// Advances to the next entry; `None` at the end of the archive.
    ///
    /// # Errors
    ///
    /// If the source cannot be read, is not a tar archive, or the sink fails.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_, R, S>>, ReadError> {
        while !self.archive_is_done {
            match self.step(BUFFER_SIZE)? {
                ReaderStep::Entry => {
                    return Ok(Some(Entry {
                        reader: self,
                        position: 0,
                    }));
                }
                ReaderStep::End | ReaderStep::EndOfInput => self.archive_is_done = true,
                ReaderStep::Payload { .. } | ReaderStep::EndOfEntry | ReaderStep::Trailing(_) => {}
            }
        }
        Ok(None)
    }

    /// Reads the source to its end, and returns the number of bytes after the end of the archive.
    ///
    /// # Errors
    ///
    /// See [`next_entry`](Self::next_entry).
    pub fn drain(&mut self) -> Result<u64, ReadError> {
        let mut trailing = 0;
        loop {
            match self.step(BUFFER_SIZE)? {
                ReaderStep::Trailing(length) => trailing += length,
                ReaderStep::EndOfInput => return Ok(trailing),
                _ => {}
            }
        }
    }

    /// The source and the sink; buffered input is lost.
    pub fn into_parts(self) -> (R, S) {
        (self.source, self.sink)
    }

    /// The sink.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Bytes of the archive parsed so far.
    pub fn offset(&self) -> u64 {
        self.parser.offset()
    }

    /// Parses up to the next event; fills the buffer if it is empty.
    fn step(&mut self, most: usize) -> Result<ReaderStep, ReadError> {
        loop {
            let end = self.end.min(self.start.saturating_add(most));
            let mut input = self.buffer.get(self.start..end).unwrap_or_default();
            let offered = input.len();
            let event = self.parser.advance(&mut input)?;
            let start = self.start;
            self.start += offered - input.len();
            if let Some(event) = event {
                self.sink.event(&event).map_err(ReadError::Sink)?;
                let step = ReaderStep::from_event(&event, self.start);
                self.entry_is_done = matches!(step, ReaderStep::EndOfEntry | ReaderStep::End);
                return Ok(step);
            }
            if self.start > start && self.start < self.end {
                continue;
            }
            self.start = 0;
            self.end = read_some(&mut self.source, &mut self.buffer)?;
            if self.end == 0 {
                return self.end_of_input();
            }
        }
    }

    fn end_of_input(&mut self) -> Result<ReaderStep, ReadError> {
        if let Some(event) = self.parser.finish()? {
            self.sink.event(&event).map_err(ReadError::Sink)?;
        }
        self.entry_is_done = true;
        Ok(ReaderStep::EndOfInput)
    }

    /// Reads stored content directly into `target`.
    fn read_direct(&mut self, target: &mut [u8]) -> Result<usize, ReadError> {
        let most = usize::try_from(self.parser.contiguous_payload()).unwrap_or(usize::MAX);
        let most = most.min(target.len());
        let target = target.get_mut(..most).unwrap_or_default();
        let length = read_some(&mut self.source, target)?;
        let mut input = target.get(..length).unwrap_or_default();
        match self.parser.advance(&mut input)? {
            Some(event @ Event::Payload { data, .. }) => {
                let length = data.len();
                self.sink.event(&event).map_err(ReadError::Sink)?;
                Ok(length)
            }
            _ => {
                // The source is at its end, which is an error for the parser.
                self.end_of_input()?;
                Ok(0)
            }
        }
    }
}

impl ReaderStep {
    /// `end` is the end of the event's bytes in the buffer.
    fn from_event(event: &Event<'_, '_>, end: usize) -> Self {
        match *event {
            Event::Entry { .. } => Self::Entry,
            Event::Payload { data, offset } => Self::Payload {
                offset,
                start: end - data.len(),
                length: data.len(),
            },
            Event::EndOfEntry => Self::EndOfEntry,
            Event::End { .. } => Self::End,
            Event::Trailing { data } => Self::Trailing(data.len() as u64),
        }
    }
}

impl<R: Read, S: EventSink> Entry<'_, R, S> {
    /// The entry's metadata.
    pub fn header(&self) -> &Header {
        self.reader.parser.header()
    }

    /// The next stored part of the content, without copying it; holes are skipped.
    ///
    /// Do not combine it with [`Read`] on the same entry.
    ///
    /// # Errors
    ///
    /// See [`Reader::next_entry`].
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, ReadError> {
        if self.reader.entry_is_done {
            return Ok(None);
        }
        match self.reader.step(BUFFER_SIZE)? {
            ReaderStep::Payload {
                offset,
                start,
                length,
            } => {
                self.position = offset + length as u64;
                let data = self
                    .reader
                    .buffer
                    .get(start..start + length)
                    .unwrap_or_default();
                Ok(Some(Chunk { offset, data }))
            }
            _ => Ok(None),
        }
    }

    /// The offset of the next stored bytes; the size of the content if there are none.
    fn next_stored(&self) -> u64 {
        self.header().sparse().map_or(self.position, |map| {
            let next = map
                .regions()
                .iter()
                .find(|r| r.offset + r.length > self.position);
            next.map_or(self.header().content_size(), |region| {
                region.offset.max(self.position)
            })
        })
    }

    /// Reads stored bytes at the current position.
    fn read_stored(&mut self, target: &mut [u8]) -> Result<usize, ReadError> {
        let reader = &mut *self.reader;
        if reader.entry_is_done {
            return Ok(0);
        }
        let is_direct = reader.start == reader.end && target.len() >= DIRECT_READ;
        if is_direct && reader.parser.contiguous_payload() > 0 {
            return reader.read_direct(target);
        }
        match reader.step(target.len())? {
            ReaderStep::Payload { start, length, .. } => {
                let data = reader.buffer.get(start..start + length).unwrap_or_default();
                Ok(copy_to(target, data))
            }
            _ => Ok(0),
        }
    }
}

impl<R: Read, S: EventSink> Read for Entry<'_, R, S> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = self.header().content_size().saturating_sub(self.position);
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(target.len());
        let target = target.get_mut(..most).unwrap_or_default();
        if target.is_empty() {
            return Ok(0);
        }
        let hole = self.next_stored() - self.position;
        let length = if hole > 0 {
            let most = usize::try_from(hole)
                .unwrap_or(usize::MAX)
                .min(target.len());
            target.get_mut(..most).unwrap_or_default().fill(0);
            most
        } else {
            self.read_stored(target)?
        };
        self.position += length as u64;
        Ok(length)
    }
}

fn copy_to(target: &mut [u8], data: &[u8]) -> usize {
    let length = data.len().min(target.len());
    if let (Some(to), Some(from)) = (target.get_mut(..length), data.get(..length)) {
        to.copy_from_slice(from);
    }
    length
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ReadError> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(ReadError::Source),
        }
    }
}
