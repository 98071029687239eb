//! Errors of reading a record, with their position.

use std::fmt;

use thiserror::Error;

use crate::TimestampError;

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "reading {record} record: {} at byte {offset}: {kind}",
    ErrorPath(path)
)]
pub struct RecordError {
    /// The type of record: `layer`, `image`, `container` or `mount point`.
    pub record: &'static str,
    /// The place in the record: field names and indices, like `uidmap[0].size`; empty for the
    /// record itself.
    pub path: String,
    /// The position in the input, from 0.
    pub offset: usize,
    /// The error at that place.
    pub kind: RecordErrorKind,
}

/// An error at one place of a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordErrorKind {
    /// The value has the wrong type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// The right type.
        expected: &'static str,
        /// The type in the input.
        found: &'static str,
    },
    /// The input is not JSON.
    #[error("expected {expected}, found {found:?}")]
    Syntax {
        /// What may stand here.
        expected: &'static str,
        /// The character in the input.
        found: char,
    },
    /// The input ends too early.
    #[error("unexpected end, expected {expected}")]
    End {
        /// What has to follow.
        expected: &'static str,
    },
    /// A number is out of range for its field.
    #[error("number {text} is out of range")]
    Range {
        /// The number.
        text: String,
    },
    /// A time is malformed.
    #[error(transparent)]
    Time(#[from] TimestampError),
    /// Values nest too deeply.
    #[error("nested more than {limit} levels deep")]
    Depth {
        /// The greatest depth.
        limit: usize,
    },
}

struct ErrorPath<'a>(&'a str);

impl fmt::Display for ErrorPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("the record itself")
        } else {
            write!(f, "field {}", self.0)
        }
    }
}

/// An error that gets its path as it is passed up; the record's name is added at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    path: String,
    offset: usize,
    kind: RecordErrorKind,
}

impl Fault {
    pub(crate) const fn new(offset: usize, kind: RecordErrorKind) -> Self {
        Self {
            path: String::new(),
            offset,
            kind,
        }
    }

    /// Adds a field's name in front of the path.
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// Adds an index in front of the path.
    pub(crate) fn in_item(mut self, position: usize) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("[{position}]{dot}{}", self.path);
        self
    }

    pub(crate) fn of(self, record: &'static str) -> RecordError {
        RecordError {
            record,
            path: self.path,
            offset: self.offset,
            kind: self.kind,
        }
    }
}
