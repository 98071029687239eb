use crate::block::{self, BLOCK_SIZE, Block, Layout, ZERO_BLOCK, padding};
use crate::sparse_map::{MapText, PaxSparse};
use crate::{EntryKind, Event, Header, Limits, ParseError, PaxRecords, SparseMap};

/// A buffer for raw bytes above this size is released after use.
const KEPT_CAPACITY: usize = 1 << 20;

/// A tar parser that does no input of its own: it takes bytes and returns events.
///
/// It accepts and refuses the same archives as Go's `archive/tar`. Payload is passed on without
/// being copied; headers are collected in reused buffers.
///
/// ```
/// use layerhold_tar_format::{EntryKind, Event, Header, Parser, Writer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut archive = Writer::new(Vec::new());
/// let mut header = Header::new(EntryKind::Regular, "hello");
/// header.size = 5;
/// archive.write_header(&header)?;
/// archive.write_content(b"world")?;
/// let archive = archive.finish()?;
///
/// let mut parser = Parser::new();
/// let (mut names, mut content, mut copy) = (Vec::new(), Vec::new(), Vec::new());
/// for chunk in archive.chunks(100) {
///     let mut rest = chunk;
///     while let Some(event) = parser.advance(&mut rest)? {
///         match event {
///             Event::Entry { header, raw } => {
///                 names.push(header.name.clone());
///                 copy.extend_from_slice(raw);
///             }
///             Event::Payload { data, .. } => {
///                 content.extend_from_slice(data);
///                 copy.extend_from_slice(data);
///             }
///             Event::End { raw } => copy.extend_from_slice(raw),
///             _ => {}
///         }
///     }
/// }
/// assert!(parser.finish()?.is_none());
/// assert_eq!(names, [b"hello"]);
/// assert_eq!(content, b"world");
/// assert_eq!(copy, archive);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    step: Step,
    /// Bytes still missing for the current step.
    want: usize,
    /// Bytes of the archive consumed so far.
    offset: u64,
    /// Bytes since the last payload.
    raw: Vec<u8>,
    /// The raw bytes belong to an event that was already returned.
    raw_is_done: bool,
    header: Header,
    /// Start of the main header's block.
    header_offset: u64,
    /// Records of a PAX extension header, for the header after it.
    pending_records: PaxRecords,
    has_pending_records: bool,
    long_name: Vec<u8>,
    long_link: Vec<u8>,
    sparse_pairs: Vec<(i64, i64)>,
    /// Payload not yet returned.
    remaining: u64,
    /// Index of the current sparse region, and how much of it was returned.
    region: (usize, u64),
}

#[derive(Debug)]
enum Step {
    /// The bytes between a payload and the next block.
    Padding,
    Header,
    SecondZeroBlock,
    Extension(Extension),
    GnuSparseBlock,
    PaxSparseMap(MapText),
    Payload,
    Trailing,
    Failed,
}

#[derive(Debug, Clone, Copy)]
enum Extension {
    Pax,
    PaxGlobal,
    LongName,
    LongLink,
}

enum StepOutcome {
    Nothing,
    Entry,
    End,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser at the start of an archive, with default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A parser with the given limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            step: Step::Header,
            want: BLOCK_SIZE,
            offset: 0,
            raw: Vec::with_capacity(4 * BLOCK_SIZE),
            raw_is_done: false,
            header: Header::default(),
            header_offset: 0,
            pending_records: PaxRecords::new(),
            has_pending_records: false,
            long_name: Vec::new(),
            long_link: Vec::new(),
            sparse_pairs: Vec::new(),
            remaining: 0,
            region: (0, 0),
        }
    }

    /// Bytes of the archive consumed so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The header of the last [`Event::Entry`], until the next one is read.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the current entry that come next in one piece, without a hole between them.
    #[must_use]
    pub fn contiguous_payload(&self) -> u64 {
        match (&self.step, &self.header.sparse) {
            (Step::Payload, Some(map)) => {
                let (index, done) = self.region;
                map.regions()
                    .get(index)
                    .map_or(0, |region| region.length - done)
            }
            (Step::Payload, None) => self.remaining,
            _ => 0,
        }
    }

    /// The header of a sparse file whose map is incomplete.
    ///
    /// tar-split files of Go lack the maps of PAX 1.0 sparse files, so their header segments end
    /// here.
    #[must_use]
    pub fn unfinished_header(&self) -> Option<&Header> {
        matches!(self.step, Step::GnuSparseBlock | Step::PaxSparseMap(_)).then_some(&self.header)
    }

    /// Skips the rest of the current entry's payload, including its sparse map, so that its padding
    /// comes next.
    ///
    /// For input that lacks the payload, such as the segments of a tar-split file.
    pub fn skip_payload(&mut self) {
        match self.step {
            Step::Payload => {}
            Step::PaxSparseMap(_) => {
                self.remaining = self.header.stored + self.want as u64;
                self.header.stored = self.remaining;
                self.raw_is_done = true;
                self.step = Step::Payload;
            }
            _ => return,
        }
        self.offset += self.remaining;
        self.remaining = 0;
    }

    /// Consumes bytes from the front of `input` up to the next event.
    ///
    /// `None` means that all of `input` was consumed and more is needed. Until then, call it again
    /// with the same slice, which has become shorter.
    ///
    /// # Errors
    ///
    /// If the bytes are not a tar archive. The parser cannot be used afterwards.
    pub fn advance<'p, 'i>(
        &'p mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'p, 'i>>, ParseError> {
        self.forget_raw();
        loop {
            match self.step {
                Step::Payload if self.remaining == 0 => {
                    self.expect(Step::Padding, self.header.padding)?;
                    return Ok(Some(Event::EndOfEntry));
                }
                Step::Payload => return Ok(self.payload(input)),
                Step::Trailing => {
                    let data = take(input, input.len());
                    self.offset += data.len() as u64;
                    return Ok((!data.is_empty()).then_some(Event::Trailing { data }));
                }
                Step::Failed => return Err(ParseError::AlreadyFailed),
                _ => {}
            }
            let wanted = take(input, self.want);
            self.raw.extend_from_slice(wanted);
            self.offset += wanted.len() as u64;
            self.want -= wanted.len();
            if self.want > 0 {
                return Ok(None);
            }
            let found = self
                .complete_step()
                .inspect_err(|_| self.step = Step::Failed)?;
            match found {
                StepOutcome::Nothing => {}
                StepOutcome::Entry => {
                    self.raw_is_done = true;
                    return Ok(Some(Event::Entry {
                        header: &self.header,
                        raw: &self.raw,
                    }));
                }
                StepOutcome::End => {
                    self.raw_is_done = true;
                    self.step = Step::Trailing;
                    return Ok(Some(Event::End { raw: &self.raw }));
                }
            }
        }
    }

    /// Declares the end of the input.
    ///
    /// Returns [`Event::End`] if the archive does not end with two zero blocks: like Go, this
    /// accepts an archive that ends after a complete payload, in the padding after it, or after one
    /// zero block.
    ///
    /// # Errors
    ///
    /// [`ParseError::Truncated`] if the archive ends anywhere else.
    pub fn finish(&mut self) -> Result<Option<Event<'_, 'static>>, ParseError> {
        self.forget_raw();
        let is_block_start = self.want == BLOCK_SIZE;
        let part = match &self.step {
            Step::Trailing => return Ok(None),
            Step::Failed => return Err(ParseError::AlreadyFailed),
            Step::Padding => None,
            Step::Header | Step::SecondZeroBlock if is_block_start => None,
            Step::Payload if self.remaining == 0 => None,
            Step::Header => Some("header"),
            Step::SecondZeroBlock => Some("zero block"),
            Step::Extension(_) => Some("extension header"),
            Step::GnuSparseBlock | Step::PaxSparseMap(_) => Some("sparse map"),
            Step::Payload => Some("payload"),
        };
        if let Some(part) = part {
            self.step = Step::Failed;
            return Err(ParseError::Truncated {
                offset: self.offset,
                part,
            });
        }
        self.step = Step::Trailing;
        self.raw_is_done = true;
        Ok(Some(Event::End { raw: &self.raw }))
    }

    fn forget_raw(&mut self) {
        if self.raw_is_done {
            self.raw.clear();
            if self.raw.capacity() > KEPT_CAPACITY {
                self.raw.shrink_to(KEPT_CAPACITY);
            }
            self.raw_is_done = false;
        }
    }

    /// Sets the next step and its number of bytes.
    fn expect(&mut self, step: Step, size: u64) -> Result<(), ParseError> {
        let held = if self.raw_is_done {
            0
        } else {
            self.raw.len() as u64
        };
        let limit = self.limits.raw_header;
        match usize::try_from(size) {
            Ok(want) if held.saturating_add(size) <= limit => {
                self.step = step;
                self.want = want;
                Ok(())
            }
            _ => {
                self.step = Step::Failed;
                Err(ParseError::TooLong {
                    offset: self.offset,
                    size: held + size,
                    limit,
                })
            }
        }
    }

    /// Runs the step whose bytes are complete.
    fn complete_step(&mut self) -> Result<StepOutcome, ParseError> {
        match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Padding => self.expect(Step::Header, BLOCK_SIZE as u64)?,
            Step::Header => return self.header_block(),
            Step::SecondZeroBlock => return self.second_zero_block(),
            Step::Extension(extension) => return self.extension(extension),
            Step::GnuSparseBlock => return self.gnu_sparse_block(),
            Step::PaxSparseMap(map) => return self.pax_sparse_map(map),
            Step::Payload | Step::Trailing | Step::Failed => {
                return Err(ParseError::AlreadyFailed);
            }
        }
        Ok(StepOutcome::Nothing)
    }

    fn last_block(&self) -> Block {
        self.raw.last_chunk().copied().unwrap_or(ZERO_BLOCK)
    }

    fn second_zero_block(&mut self) -> Result<StepOutcome, ParseError> {
        if self.last_block() == ZERO_BLOCK {
            return Ok(StepOutcome::End);
        }
        Err(ParseError::LoneZeroBlock {
            offset: self.offset - BLOCK_SIZE as u64,
        })
    }

    fn header_block(&mut self) -> Result<StepOutcome, ParseError> {
        let block = self.last_block();
        if block == ZERO_BLOCK {
            self.expect(Step::SecondZeroBlock, BLOCK_SIZE as u64)?;
            return Ok(StepOutcome::Nothing);
        }
        let offset = self.offset - BLOCK_SIZE as u64;
        let layout = block::layout(&block).ok_or(ParseError::Checksum { offset })?;
        self.header_offset = offset;
        self.header.reset();
        block::read_fields(&block, layout, &mut self.header, offset)?;
        let flag = block::TYPE_FLAG.of(&block).first().copied().unwrap_or(0);
        let extension = match flag {
            b'x' => Extension::Pax,
            b'g' => Extension::PaxGlobal,
            b'L' => Extension::LongName,
            b'K' => Extension::LongLink,
            _ => return self.main_header(&block, layout, flag),
        };
        let size = payload_size(EntryKind::Other(flag), self.header.size, offset)?;
        if size > self.limits.extension {
            let (offset, limit) = (self.offset, self.limits.extension);
            return Err(ParseError::TooLong {
                offset,
                size,
                limit,
            });
        }
        self.header.padding = padding(size);
        self.header.stored = size;
        self.expect(Step::Extension(extension), size)?;
        Ok(StepOutcome::Nothing)
    }

    /// Takes an extension header's body from the end of the raw bytes.
    fn extension(&mut self, extension: Extension) -> Result<StepOutcome, ParseError> {
        let size = std::mem::take(&mut self.header.stored);
        let start = self
            .raw
            .len()
            .saturating_sub(usize::try_from(size).unwrap_or(usize::MAX));
        let body = self.raw.get(start..).unwrap_or_default();
        match extension {
            Extension::Pax => {
                self.pending_records.parse(body, self.offset - size)?;
                self.has_pending_records = true;
            }
            Extension::LongName => replace(&mut self.long_name, block::c_string(body)),
            Extension::LongLink => replace(&mut self.long_link, block::c_string(body)),
            Extension::PaxGlobal => {
                self.header.records.parse(body, self.offset - size)?;
                return self.global_header();
            }
        }
        self.expect(Step::Padding, self.header.padding)?;
        Ok(StepOutcome::Nothing)
    }

    /// Reports a global header as an entry with a name and records only.
    ///
    /// Extensions before it are dropped, and its records apply to nothing (Go:
    /// archive/tar/reader.go, `next`).
    fn global_header(&mut self) -> Result<StepOutcome, ParseError> {
        crate::merge::apply_records(&mut self.header, self.header_offset)?;
        let padding = self.header.padding;
        let (name, records) = (
            std::mem::take(&mut self.header.name),
            std::mem::take(&mut self.header.records),
        );
        self.header = Header {
            records,
            padding,
            ..Header::new(EntryKind::GlobalHeader, name)
        };
        self.forget_extensions();
        Ok(self.start_payload(0))
    }

    fn forget_extensions(&mut self) {
        self.has_pending_records = false;
        self.pending_records.clear();
        self.long_name.clear();
        self.long_link.clear();
    }

    /// Completes a header with its extensions.
    fn main_header(
        &mut self,
        block: &Block,
        layout: Layout,
        flag: u8,
    ) -> Result<StepOutcome, ParseError> {
        let offset = self.header_offset;
        // Go checks the size in the block even if a PAX record replaces it.
        payload_size(EntryKind::from_flag(flag), self.header.size, offset)?;
        if self.has_pending_records {
            std::mem::swap(&mut self.header.records, &mut self.pending_records);
            crate::merge::apply_records(&mut self.header, offset)?;
        }
        if !self.long_name.is_empty() {
            std::mem::swap(&mut self.header.name, &mut self.long_name);
        }
        if !self.long_link.is_empty() {
            std::mem::swap(&mut self.header.link_name, &mut self.long_link);
        }
        self.forget_extensions();
        self.header.kind = match flag {
            0 if self.header.name.ends_with(b"/") => EntryKind::Directory,
            _ => EntryKind::from_flag(flag),
        };
        let stored = payload_size(self.header.kind, self.header.size, offset)?;
        self.header.stored = stored;
        self.header.padding = padding(stored);
        self.sparse_pairs.clear();
        if self.header.kind == EntryKind::GnuSparse {
            return self.gnu_sparse_header(block, layout);
        }
        match crate::sparse_map::pax_sparse(&mut self.header, offset)? {
            PaxSparse::No => Ok(self.start_payload(stored)),
            PaxSparse::InRecords(pairs) => {
                self.sparse_pairs = pairs;
                self.start_sparse_payload()
            }
            PaxSparse::InPayload => self.more_of_map(MapText::new(self.raw.len())),
        }
    }

    fn gnu_sparse_header(
        &mut self,
        block: &Block,
        layout: Layout,
    ) -> Result<StepOutcome, ParseError> {
        let offset = self.header_offset;
        if layout != Layout::Gnu {
            return Err(ParseError::SparseMap { offset });
        }
        self.header.size = block::GNU_REAL_SIZE.number(block, offset)?;
        self.gnu_sparse_entries(block, block::GNU_SPARSE)
    }

    fn gnu_sparse_block(&mut self) -> Result<StepOutcome, ParseError> {
        let block = self.last_block();
        self.gnu_sparse_entries(&block, block::SPARSE_BLOCK)
    }

    fn gnu_sparse_entries(
        &mut self,
        block: &Block,
        array: block::Field,
    ) -> Result<StepOutcome, ParseError> {
        let offset = self.header_offset;
        if block::read_sparse_entries(block, array, &mut self.sparse_pairs, offset)? {
            self.expect(Step::GnuSparseBlock, BLOCK_SIZE as u64)?;
            return Ok(StepOutcome::Nothing);
        }
        self.start_sparse_payload()
    }

    fn pax_sparse_map(&mut self, mut map: MapText) -> Result<StepOutcome, ParseError> {
        let bad = ParseError::SparseMap {
            offset: self.header_offset,
        };
        if !map.add_block(&self.raw).ok_or_else(|| bad.clone())? {
            return self.more_of_map(map);
        }
        self.sparse_pairs = map.pairs(&self.raw).ok_or(bad)?;
        self.start_sparse_payload()
    }

    /// Requests the next block of a map at the start of the payload.
    fn more_of_map(&mut self, map: MapText) -> Result<StepOutcome, ParseError> {
        let (size, limit) = (map.size() + BLOCK_SIZE as u64, self.limits.sparse_map);
        if size > limit {
            return Err(ParseError::TooLong {
                offset: self.header_offset,
                size,
                limit,
            });
        }
        self.header.stored =
            self.header
                .stored
                .checked_sub(BLOCK_SIZE as u64)
                .ok_or(ParseError::SparseMap {
                    offset: self.header_offset,
                })?;
        self.expect(Step::PaxSparseMap(map), BLOCK_SIZE as u64)?;
        Ok(StepOutcome::Nothing)
    }

    fn start_sparse_payload(&mut self) -> Result<StepOutcome, ParseError> {
        let stored = self.header.stored;
        if !self.header.kind.is_header_only()
            && let Some(map) = SparseMap::checked(&self.sparse_pairs, self.header.size, stored)
        {
            self.header.sparse = Some(map);
            return Ok(self.start_payload(stored));
        }
        Err(ParseError::SparseMap {
            offset: self.header_offset,
        })
    }

    fn start_payload(&mut self, stored: u64) -> StepOutcome {
        self.header.stored = stored;
        self.remaining = stored;
        self.region = (0, 0);
        self.step = Step::Payload;
        StepOutcome::Entry
    }

    fn payload<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'static, 'i>> {
        let contiguous = usize::try_from(self.contiguous_payload()).unwrap_or(usize::MAX);
        let data = take(input, contiguous);
        if data.is_empty() {
            return None;
        }
        let length = data.len() as u64;
        let offset = match &self.header.sparse {
            None => self.header.stored - self.remaining,
            Some(map) => {
                let (index, done) = self.region;
                let region = map.regions().get(index)?;
                let is_complete = done + length == region.length;
                self.region = if is_complete {
                    (index + 1, 0)
                } else {
                    (index, done + length)
                };
                region.offset + done
            }
        };
        self.remaining -= length;
        self.offset += length;
        Some(Event::Payload { data, offset })
    }
}

/// Takes up to `most` bytes from the front of `input`.
fn take<'i>(input: &mut &'i [u8], most: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at_checked(most).unwrap_or((input, &[]));
    *input = rest;
    taken
}

fn replace(target: &mut Vec<u8>, content: &[u8]) {
    target.clear();
    target.extend_from_slice(content);
}

/// Length of the payload after a header.
fn payload_size(kind: EntryKind, size: i64, offset: u64) -> Result<u64, ParseError> {
    if kind.is_header_only() {
        return Ok(0);
    }
    u64::try_from(size).map_err(|_| ParseError::NegativeSize { offset, size })
}
