use crate::damage::FileState;
use crate::fields::Fields;
use crate::recover;
use crate::split::Splitter;
use crate::text::{self, Quoted};

/// A string of a document: a range of its bytes, or of the text unescaped from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    /// Length, with the highest bit set if the range is one of the unescaped text.
    len: u32,
}

const UNESCAPED: u32 = 1 << 31;

impl Span {
    /// No string.
    pub(crate) const NONE: Self = Self {
        start: u32::MAX,
        len: 0,
    };

    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self {
            start: u32::try_from(start).ok()?,
            len: u32::try_from(end.checked_sub(start)?).ok()?,
        })
    }

    pub(crate) fn is_none(self) -> bool {
        self.start == u32::MAX
    }
}

/// What keeps an element from being a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Syntax,
    MissingId,
}

/// One element of the array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) id: Span,
    /// Hash of the identifier.
    pub(crate) hash: u64,
    pub(crate) fault: Option<Fault>,
}

/// A name and the element it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) item: u32,
    pub(crate) span: Span,
}

/// The content of a record file, split into elements but not parsed.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) state: Option<FileState>,
    pub(crate) parts: Parts,
}

/// What is known about a text.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) items: Vec<Item>,
    /// The names of all elements, in the order of the elements.
    pub(crate) names: Vec<Name>,
    /// The values of the keys that are fields, as many for each element.
    pub(crate) keys: Vec<Span>,
    pub(crate) stride: usize,
    pub(crate) unescaped: Vec<u8>,
}

impl Document {
    /// What there is to know about a missing file.
    pub(crate) fn absent() -> Self {
        Self::with_state(Vec::new(), FileState::Absent)
    }

    fn with_state(bytes: Vec<u8>, state: FileState) -> Self {
        Self {
            bytes,
            state: Some(state),
            parts: Parts::default(),
        }
    }

    /// Splits the content of a file.
    pub(crate) fn new(bytes: Vec<u8>, fields: &Fields) -> Self {
        if text::skip_space(&bytes, 0) == bytes.len() {
            return Self::with_state(bytes, FileState::Empty);
        }
        if let Some(parts) = Splitter::new(&bytes, fields).whole() {
            return Self {
                bytes,
                state: Some(FileState::Complete),
                parts,
            };
        }
        let (parts, state) = recover::recover(&bytes, fields);
        Self {
            bytes,
            state: Some(state),
            parts,
        }
    }

    pub(crate) fn state(&self) -> FileState {
        self.state.unwrap_or(FileState::Absent)
    }

    /// Elements, records or not.
    pub(crate) fn items(&self) -> &[Item] {
        &self.parts.items
    }

    pub(crate) fn item(&self, position: u32) -> Option<&Item> {
        self.parts.items.get(position as usize)
    }

    /// The bytes of an element.
    pub(crate) fn raw(&self, item: &Item) -> &[u8] {
        self.range(item.start, item.end)
    }

    pub(crate) fn range(&self, start: u32, end: u32) -> &[u8] {
        self.bytes
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// The value of a key that is a field.
    pub(crate) fn key(&self, position: u32, key: usize) -> Span {
        let at = (position as usize).checked_mul(self.parts.stride);
        at.and_then(|at| self.parts.keys.get(at.checked_add(key)?))
            .copied()
            .unwrap_or(Span::NONE)
    }

    /// The bytes of a string.
    pub(crate) fn span(&self, span: Span) -> &[u8] {
        self.parts.span(&self.bytes, span)
    }

    /// A string. Spans are only made of valid text, so nothing is lost.
    pub(crate) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.span(span)).unwrap_or_default()
    }

    /// What comes after the last element of a torn file.
    pub(crate) fn tail(&self) -> &[u8] {
        match self.state() {
            FileState::Torn { offset, .. } => usize::try_from(offset)
                .ok()
                .and_then(|offset| self.bytes.get(offset..))
                .unwrap_or_default(),
            _ => &[],
        }
    }
}

impl Parts {
    pub(crate) fn span<'a>(&'a self, bytes: &'a [u8], span: Span) -> &'a [u8] {
        let source = if span.len & UNESCAPED == 0 {
            bytes
        } else {
            &self.unescaped
        };
        let start = span.start as usize;
        let len = (span.len & !UNESCAPED) as usize;
        source
            .get(start..start.saturating_add(len))
            .unwrap_or_default()
    }

    /// Remembers a string; [`Span::NONE`] if it is no valid text.
    pub(crate) fn remember(&mut self, bytes: &[u8], found: Quoted) -> Span {
        let raw = bytes.get(found.start..found.end).unwrap_or_default();
        if found.escaped || raw.is_ascii() || std::str::from_utf8(raw).is_ok() {
            self.remember_bytes(bytes, found)
        } else {
            Span::NONE
        }
    }

    /// Remembers a string that is only compared with others, so that it need not be valid text.
    #[inline]
    pub(crate) fn remember_bytes(&mut self, bytes: &[u8], found: Quoted) -> Span {
        let span = if found.escaped {
            self.remember_unescaped(bytes, found)
        } else {
            Span::new(found.start, found.end)
        };
        span.unwrap_or(Span::NONE)
    }

    fn remember_unescaped(&mut self, bytes: &[u8], found: Quoted) -> Option<Span> {
        let text = text::unescape(bytes.get(found.start..found.end)?)?;
        let start = self.unescaped.len();
        self.unescaped.extend_from_slice(text.as_bytes());
        let mut span = Span::new(start, self.unescaped.len())?;
        span.len |= UNESCAPED;
        Some(span)
    }
}

/// Hashes a text for the tables of this crate. Not stored anywhere.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    hash = (hash.rotate_left(23) ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    hash ^ (hash >> 31)
}
