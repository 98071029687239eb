use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

use crate::base64_engine::BASE64;
use crate::{Base64Error, Checksum, JsonError, SkeletonError};

const BUFFER_SIZE: usize = 64 << 10;

/// The default limit for the length of a line.
const DEFAULT_LINE_LIMIT: usize = 64 << 20;

/// A buffer for a line above this size is released after use.
const KEPT_CAPACITY: usize = 1 << 20;

const FILE_TYPE: i64 = 1;
const SEGMENT_TYPE: i64 = 2;

/// One line of a tar-split file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry<'s> {
    /// Raw bytes of the archive: headers, padding, end.
    Segment(&'s [u8]),
    /// The place of a file's content.
    File(FileEntry<'s>),
}

/// The record of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileEntry<'s> {
    /// The name in the archive, not cleaned.
    pub name: &'s [u8],
    /// Length of the content; usually 0 for everything except regular files.
    ///
    /// Files of Go record the size in the header also for links and directories that have one, even
    /// a negative one; their checksum is [`Checksum::EMPTY`].
    pub size: i64,
    /// Checksum of the content, if there is any.
    pub checksum: Option<Checksum>,
}

/// Reads a tar-split file of any writer line by line, in bounded memory.
#[derive(Debug)]
pub struct Skeleton<R> {
    input: R,
    line_limit: usize,
    line_number: u64,
    line: Vec<u8>,
    /// The decoded segment, or the current file's name.
    pub(crate) bytes: Vec<u8>,
}

/// The result of [`Skeleton::advance`]; its bytes are in the skeleton.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    Segment,
    File {
        size: i64,
        checksum: Option<Checksum>,
    },
}

/// The JSON form. Everything except the type may be missing, and unknown fields are ignored.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: i64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    name_raw: Option<String>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default)]
    payload: Option<String>,
}

/// The lines in a gzip stream; see [`Skeleton::from_gzip`].
#[derive(Debug)]
pub struct GzipLines<R>(BufReader<MultiGzDecoder<BufReader<R>>>);

impl<R: Read> Read for GzipLines<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.0.read(target)
    }
}

impl<R: Read> BufRead for GzipLines<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

impl<R: Read> Skeleton<GzipLines<R>> {
    /// Reads a gzip stream, the form of `<id>.tar-split.gz` in stores.
    pub fn from_gzip(input: R) -> Self {
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_SIZE, input));
        let lines = BufReader::with_capacity(BUFFER_SIZE, decoder);
        Self::from_lines(GzipLines(lines))
    }
}

impl<R: BufRead> Skeleton<R> {
    /// Reads uncompressed lines.
    pub fn from_lines(input: R) -> Self {
        Self {
            input,
            line_limit: DEFAULT_LINE_LIMIT,
            line_number: 0,
            line: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Sets the limit for the length of a line in bytes; the default is 64 MiB.
    #[must_use]
    pub fn with_line_limit(mut self, limit: usize) -> Self {
        self.line_limit = limit;
        self
    }

    /// Reads the next line; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or a line is malformed.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, SkeletonError> {
        Ok(self.advance()?.map(|line| match line {
            Line::Segment => Entry::Segment(&self.bytes),
            Line::File { size, checksum } => Entry::File(FileEntry {
                name: &self.bytes,
                size,
                checksum,
            }),
        }))
    }

    /// Lines read so far.
    pub fn line_number(&self) -> u64 {
        self.line_number
    }

    pub(crate) fn advance(&mut self) -> Result<Option<Line>, SkeletonError> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        if let Some(payload) = plain_segment(&self.line)
            && decode(payload, &mut self.bytes).is_ok()
        {
            return Ok(Some(Line::Segment));
        }
        self.parse_line().map(Some)
    }

    /// Reads a line without its end; returns false at the end of the file.
    fn read_line(&mut self) -> Result<bool, SkeletonError> {
        self.line.clear();
        if self.line.capacity() > KEPT_CAPACITY {
            self.line.shrink_to(KEPT_CAPACITY);
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
        }
        self.line_number += 1;
        let limit = self.line_limit as u64 + 1;
        let mut limited = (&mut self.input).take(limit);
        let read = limited
            .read_until(b'\n', &mut self.line)
            .map_err(SkeletonError::Input)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        if self.line.len() > self.line_limit {
            let (line, limit) = (self.line_number, self.line_limit);
            return Err(SkeletonError::LineTooLong { line, limit });
        }
        Ok(read > 0)
    }

    fn parse_line(&mut self) -> Result<Line, SkeletonError> {
        let line = self.line_number;
        let record: Record = serde_json::from_slice(&self.line)
            .map_err(JsonError::new)
            .map_err(|source| SkeletonError::Json { line, source })?;
        let bad_base64 = |source| SkeletonError::Base64 {
            line,
            source: Base64Error::new(source),
        };
        let payload = record.payload.unwrap_or_default();
        match record.kind {
            SEGMENT_TYPE => {
                decode(payload.as_bytes(), &mut self.bytes).map_err(bad_base64)?;
                Ok(Line::Segment)
            }
            FILE_TYPE => {
                let checksum = checksum(&payload, line)?;
                match record.name_raw {
                    Some(raw) if !raw.is_empty() => {
                        decode(raw.as_bytes(), &mut self.bytes).map_err(bad_base64)?;
                    }
                    _ => {
                        self.bytes.clear();
                        self.bytes
                            .extend_from_slice(record.name.unwrap_or_default().as_bytes());
                    }
                }
                Ok(Line::File {
                    size: record.size.unwrap_or(0),
                    checksum,
                })
            }
            kind => Err(SkeletonError::Type { line, kind }),
        }
    }
}

fn checksum(payload: &str, line: u64) -> Result<Option<Checksum>, SkeletonError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let bytes = BASE64
        .decode(payload)
        .map_err(Base64Error::new)
        .map_err(|source| SkeletonError::Base64 { line, source })?;
    let length = bytes.len();
    match bytes.try_into() {
        Ok(bytes) => Ok(Some(Checksum(bytes))),
        Err(_) => Err(SkeletonError::ChecksumLength { line, length }),
    }
}

/// The base64 in a segment's line of the exact form that all writers use: a shortcut past the JSON
/// parser for nearly all bytes of the file.
fn plain_segment(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"type\":2,\"payload\":\"")?;
    let end = memchr::memchr(b'"', rest)?;
    let (payload, rest) = rest.split_at_checked(end)?;
    let position = rest.strip_prefix(b"\",\"position\":")?.strip_suffix(b"}")?;
    let is_number = !position.is_empty() && position.iter().all(u8::is_ascii_digit);
    is_number.then_some(payload)
}

fn decode(base64: &[u8], out: &mut Vec<u8>) -> Result<(), base64::DecodeError> {
    out.clear();
    BASE64.decode_vec(base64, out)
}
