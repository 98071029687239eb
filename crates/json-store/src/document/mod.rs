//! The content of a record file, split into elements but not parsed.

mod recover;
mod split;
mod outline;

use std::fmt;

use memchr::memmem::Finder;

use self::outline::Outline;
use self::split::Splitter;
use crate::damage::FileState;
use crate::fields::Fields;
use crate::text;

pub(crate) use self::outline::{Element, ElementFault, Span};

/// The content of a record file, split into elements but not parsed.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) state: Option<FileState>,
    pub(crate) outline: Outline,
}

/// Without the content, which may be megabytes.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("state", &self.state())
            .field("len", &self.bytes.len())
            .field("elements", &self.elements().len())
            .finish_non_exhaustive()
    }
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
            outline: Outline::default(),
        }
    }

    /// Splits the content of a file.
    pub(crate) fn new(bytes: Vec<u8>, fields: &Fields) -> Self {
        if text::skip_space(&bytes, 0) == bytes.len() {
            return Self::with_state(bytes, FileState::Empty);
        }
        if let Some(outline) = Splitter::new(&bytes, fields).whole() {
            return Self {
                bytes,
                state: Some(FileState::Complete),
                outline,
            };
        }
        let (outline, state) = recover::recover(&bytes, fields);
        Self {
            bytes,
            state: Some(state),
            outline,
        }
    }

    pub(crate) fn state(&self) -> FileState {
        self.state.unwrap_or(FileState::Absent)
    }

    /// Elements, records or not.
    pub(crate) fn elements(&self) -> &[Element] {
        &self.outline.elements
    }

    pub(crate) fn element(&self, position: u32) -> Option<&Element> {
        self.outline.elements.get(position as usize)
    }

    /// The bytes of an element.
    pub(crate) fn raw(&self, element: &Element) -> &[u8] {
        self.range(element.start, element.end)
    }

    pub(crate) fn range(&self, start: u32, end: u32) -> &[u8] {
        self.bytes
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// Where the bytes are next, from a position on.
    pub(crate) fn find(&self, finder: &Finder<'_>, from: usize) -> Option<usize> {
        let found = finder.find(self.bytes.get(from..)?)?;
        from.checked_add(found)
    }

    /// The value of a key that is a field.
    pub(crate) fn key(&self, position: u32, key: usize) -> Span {
        let at = (position as usize).checked_mul(self.outline.stride);
        at.and_then(|at| self.outline.keys.get(at.checked_add(key)?))
            .copied()
            .unwrap_or(Span::NONE)
    }

    /// The bytes of a string.
    pub(crate) fn span(&self, span: Span) -> &[u8] {
        self.outline.span(&self.bytes, span)
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
