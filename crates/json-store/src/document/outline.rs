//! What splitting a record file gives: where each element is, and its indexed strings.

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
pub(crate) enum ElementFault {
    Syntax,
    MissingId,
}

/// One element of the array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) id: Span,
    /// Hash of the ID.
    pub(crate) hash: u64,
    pub(crate) fault: Option<ElementFault>,
}

/// A name and the element it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) element: u32,
    pub(crate) span: Span,
}

/// The elements of a text, and the strings by which they are found.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) elements: Vec<Element>,
    /// The names of all elements, in the order of the elements.
    pub(crate) names: Vec<Name>,
    /// The values of the keys that are fields, as many for each element.
    pub(crate) keys: Vec<Span>,
    pub(crate) stride: usize,
    pub(crate) unescaped: Vec<u8>,
}

impl Outline {
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
