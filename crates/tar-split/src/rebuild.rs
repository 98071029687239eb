use std::io::{self, BufRead, Read, Write};

use layerhold_tar_format::{BLOCK_SIZE, Event, Parser, Region};

use crate::blocks::{Check, Checks, Expected};
use crate::skeleton::{Line, Skeleton};
use crate::{Checksum, Crc64, RebuildError};

const BUFFER_SIZE: usize = 256 << 10;

/// With less room than this, a read begins only if nothing was read before.
const LEAST_ROOM: usize = 4 << 10;

/// Opens the content of files for rebuilding an archive.
///
/// Names are those in the archive: an implementation must clean them and must not leave its tree.
pub trait ContentSource {
    /// Opens a file's content.
    ///
    /// # Errors
    ///
    /// If the content cannot be opened.
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>>;
}

impl<F: FnMut(&[u8]) -> io::Result<Box<dyn Read + Send>>> ContentSource for F {
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        self(name)
    }
}

impl ContentSource for Box<dyn ContentSource + Send + '_> {
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        (**self).open(name)
    }
}

impl ContentSource for &mut dyn ContentSource {
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        (**self).open(name)
    }
}

/// Rebuilds an archive from its tar-split file and its files' content, and returns its size.
///
/// The size and checksum of every file are verified.
///
/// # Errors
///
/// If the tar-split file is damaged, a file is missing or has changed, or the destination fails.
/// What was written until then is a valid beginning of the archive, except for the content of the
/// changed file.
pub fn rebuild<R: BufRead>(
    skeleton: Skeleton<R>,
    source: &mut dyn ContentSource,
    destination: &mut dyn Write,
) -> Result<u64, RebuildError> {
    let mut archive = Rebuild::new(skeleton, source);
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut total = 0;
    loop {
        let length = archive.fill(&mut buffer, None)?;
        if length == 0 {
            return Ok(total);
        }
        let data = buffer.get(..length).unwrap_or_default();
        destination.write_all(data).map_err(RebuildError::Output)?;
        total += length as u64;
    }
}

/// The rebuilt archive as a reader; see [`rebuild`].
///
/// Errors are [`RebuildError`]s inside [`io::Error`]s. After an error, reads return nothing.
#[derive(Debug)]
pub struct Rebuild<R, S> {
    skeleton: Skeleton<R>,
    source: S,
    state: State,
    /// An error after some bytes were already returned.
    error: Option<RebuildError>,
    /// How the payload after the last segment is stored.
    stored: StoredForm,
}

enum State {
    /// Between two lines.
    Line,
    /// In a segment, of which this many bytes were returned.
    Segment(usize),
    File(OpenFile),
    Done,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Line => "Line",
            Self::Segment(_) => "Segment",
            Self::File(_) => "File",
            Self::Done => "Done",
        })
    }
}

/// Collects the checks that another thread makes.
struct Later<'a> {
    checks: &'a mut Checks,
    /// Offset in the block of the bytes being read.
    offset: usize,
}

struct OpenFile {
    name: Vec<u8>,
    content: Box<dyn Read + Send>,
    size: u64,
    position: u64,
    expected: Checksum,
    crc: Crc64,
    /// If given, the archive contains only these parts of the content.
    regions: Option<Vec<Region>>,
}

/// How the archive stores the content of the current file.
#[derive(Debug)]
enum StoredForm {
    Whole,
    Regions(Vec<Region>),
    /// As regions, but the map is missing.
    UnknownRegions,
    Nothing,
}

impl<R: BufRead, S: ContentSource> Rebuild<R, S> {
    /// The archive from its start.
    pub fn new(skeleton: Skeleton<R>, source: S) -> Self {
        Self {
            skeleton,
            source,
            state: State::Line,
            error: None,
            stored: StoredForm::Whole,
        }
    }

    /// Fills `target` as far as possible; 0 means the end. Checks contents, or notes the checks if
    /// another thread makes them.
    pub(crate) fn fill(
        &mut self,
        target: &mut [u8],
        mut later: Option<&mut Checks>,
    ) -> Result<usize, RebuildError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut filled = 0;
        while let Some(room) = target.get_mut(filled..) {
            if room.is_empty() || (filled > 0 && room.len() < LEAST_ROOM) {
                break;
            }
            let later = later.as_mut().map(|checks| Later {
                checks,
                offset: filled,
            });
            match self.piece(room, later) {
                Ok(Some(length)) => filled += length,
                Ok(None) => break,
                Err(error) => {
                    self.state = State::Done;
                    if filled == 0 {
                        return Err(error);
                    }
                    self.error = Some(error);
                    break;
                }
            }
        }
        Ok(filled)
    }

    /// Returns a piece, which may be empty; `None` at the end.
    fn piece(
        &mut self,
        target: &mut [u8],
        mut later: Option<Later<'_>>,
    ) -> Result<Option<usize>, RebuildError> {
        match &mut self.state {
            State::Done => return Ok(None),
            State::Line => self.next_line()?,
            State::Segment(done) => {
                let rest = self.skeleton.bytes.get(*done..).unwrap_or_default();
                let length = copy_to(target, rest);
                *done += length;
                if length == rest.len() {
                    self.state = State::Line;
                }
                return Ok(Some(length));
            }
            State::File(file) => {
                let length = file.read(target, later.as_mut())?;
                if file.is_complete(later)? {
                    self.state = State::Line;
                }
                return Ok(Some(length));
            }
        }
        Ok(Some(0))
    }

    fn next_line(&mut self) -> Result<(), RebuildError> {
        self.state = match self.skeleton.advance()? {
            None => State::Done,
            Some(Line::Segment) => {
                self.stored = stored_form(&self.skeleton.bytes);
                State::Segment(0)
            }
            Some(Line::File { size: 0, .. }) => State::Line,
            Some(Line::File { size, checksum }) => self.open(size, checksum)?,
        };
        Ok(())
    }

    fn open(&mut self, size: i64, checksum: Option<Checksum>) -> Result<State, RebuildError> {
        let name = self.skeleton.bytes.clone();
        let regions = match std::mem::replace(&mut self.stored, StoredForm::Whole) {
            StoredForm::Nothing => return Ok(State::Line),
            StoredForm::UnknownRegions => return Err(RebuildError::SparseMapMissing { name }),
            StoredForm::Regions(regions) => Some(regions),
            StoredForm::Whole => None,
        };
        let expected = checksum.unwrap_or(Checksum::EMPTY);
        let Ok(size) = u64::try_from(size) else {
            return Err(RebuildError::Size {
                name,
                expected: 0,
                actual: 0,
            });
        };
        let content = self
            .source
            .open(&name)
            .map_err(|source| RebuildError::Open {
                name: name.clone(),
                source,
            })?;
        let crc = Crc64::new();
        Ok(State::File(OpenFile {
            name,
            content,
            size,
            position: 0,
            expected,
            crc,
            regions,
        }))
    }
}

impl<R: BufRead, S: ContentSource> Read for Rebuild<R, S> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.fill(target, None).map_err(io::Error::from)
    }
}

impl OpenFile {
    /// Reads content into `target` and moves the stored parts to its front.
    fn read(
        &mut self,
        target: &mut [u8],
        later: Option<&mut Later<'_>>,
    ) -> Result<usize, RebuildError> {
        // The whole room is used, not only the expected part, so that a file that has grown is
        // noticed in the same read.
        let room = target.len() as u64;
        let length = self.read_content(target)?;
        let position = self.position;
        self.position += length as u64;
        if self.position > self.size || (length == 0 && self.position < self.size) {
            return Err(self.wrong_size());
        }
        if self.position == self.size && length as u64 == room {
            // There was no room to notice more.
            let more = self.read_content(&mut [0])?;
            if more > 0 {
                self.position += 1;
                return Err(self.wrong_size());
            }
        }
        match later.filter(|_| self.regions.is_none()) {
            Some(Later { checks, offset }) => checks.push(Check {
                range: *offset..*offset + length,
                end: None,
            }),
            None => self.crc.update(target.get(..length).unwrap_or_default()),
        }
        Ok(match &self.regions {
            None => length,
            Some(regions) => keep_regions(target, length, position, regions),
        })
    }

    fn read_content(&mut self, target: &mut [u8]) -> Result<usize, RebuildError> {
        loop {
            match self.content.read(target) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(RebuildError::Read {
                        name: self.name.clone(),
                        source,
                    });
                }
                Ok(length) => return Ok(length),
            }
        }
    }

    /// Whether all content has been read; its checksum is verified then, or noted.
    fn is_complete(&mut self, later: Option<Later<'_>>) -> Result<bool, RebuildError> {
        if self.position < self.size {
            return Ok(false);
        }
        if let Some(later) = later.filter(|_| self.regions.is_none()) {
            if let Some(last) = later.checks.last_mut() {
                last.end = Some(Expected {
                    name: std::mem::take(&mut self.name),
                    checksum: self.expected,
                });
            }
            return Ok(true);
        }
        let (expected, actual) = (self.expected, self.crc.checksum());
        if actual != expected {
            return Err(RebuildError::Checksum {
                name: self.name.clone(),
                expected,
                actual,
            });
        }
        Ok(true)
    }

    fn wrong_size(&self) -> RebuildError {
        let (name, expected, actual) = (self.name.clone(), self.size, self.position);
        RebuildError::Size {
            name,
            expected,
            actual,
        }
    }
}

/// Moves the parts of `data[..length]` in regions to its front; `position` is the data's offset in
/// the file.
fn keep_regions(data: &mut [u8], length: usize, position: u64, regions: &[Region]) -> usize {
    let end = position + length as u64;
    let mut kept = 0;
    let first = regions.partition_point(|region| region.offset + region.length <= position);
    for region in regions.get(first..).unwrap_or_default() {
        let (from, to) = (
            region.offset.max(position),
            (region.offset + region.length).min(end),
        );
        if from >= to {
            break;
        }
        // Both are within `length`, so the conversions and the move cannot fail.
        let (from, to) = ((from - position) as usize, (to - position) as usize);
        data.copy_within(from..to, kept);
        kept += to - from;
    }
    kept
}

/// Determines how the payload after a segment is stored.
///
/// Nearly all files are stored whole, which is visible without parsing: no block contains "sparse",
/// and the last one is that of a regular file.
fn stored_form(segment: &[u8]) -> StoredForm {
    // Everything except the padding of the previous file fills whole blocks.
    let headers = segment
        .get(segment.len() % BLOCK_SIZE..)
        .unwrap_or_default();
    let (blocks, _) = headers.as_chunks::<BLOCK_SIZE>();
    let flag = |block: &[u8; BLOCK_SIZE]| block.get(156).copied();
    let is_plain = matches!(blocks.last().and_then(flag), Some(b'0' | b'7' | 0))
        && blocks.iter().all(|block| flag(block) != Some(b'S'))
        && (blocks.len() == 1 || memchr::memmem::find(headers, b"GNU.sparse.").is_none());
    if is_plain {
        StoredForm::Whole
    } else {
        parsed_form(headers)
    }
}

fn parsed_form(headers: &[u8]) -> StoredForm {
    let mut parser = Parser::new();
    let mut rest = headers;
    if let Ok(Some(Event::Entry { header, .. })) = parser.advance(&mut rest) {
        return match header.sparse() {
            Some(map) => StoredForm::Regions(map.regions().to_vec()),
            None if header.stored_size() == 0 => StoredForm::Nothing,
            None => StoredForm::Whole,
        };
    }
    match parser.unfinished_header() {
        Some(_) => StoredForm::UnknownRegions,
        None => StoredForm::Whole,
    }
}

fn copy_to(target: &mut [u8], data: &[u8]) -> usize {
    let length = data.len().min(target.len());
    if let (Some(to), Some(from)) = (target.get_mut(..length), data.get(..length)) {
        to.copy_from_slice(from);
    }
    length
}
