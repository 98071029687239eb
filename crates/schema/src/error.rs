//! What can be wrong with a record, and where.

use std::fmt;

use thiserror::Error;

use crate::TimestampError;

/// A record can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("reading {record} record: {} at byte {offset}: {kind}", Place(path))]
pub struct RecordError {
    /// What kind of record was read: `layer`, `image`, `container` or `mount point`.
    pub record: &'static str,
    /// Where in the record: names of fields and positions, like `uidmap[0].size`; empty for the
    /// record itself.
    pub path: String,
    /// The position in the bytes given, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub kind: RecordErrorKind,
}

/// What is wrong at one place of a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordErrorKind {
    /// The value has another type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The bytes are no JSON.
    #[error("expected {expected}, found {found:?}")]
    Syntax {
        /// What would have gone on.
        expected: &'static str,
        /// What is there.
        found: char,
    },
    /// The bytes end in the middle.
    #[error("unexpected end, expected {expected}")]
    End {
        /// What would have gone on.
        expected: &'static str,
    },
    /// A number is too great or too small for its field.
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

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("the record itself")
        } else {
            write!(f, "field {}", self.0)
        }
    }
}

/// An error on its way up, gaining its path; the record's name is added at the top.
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

    /// Puts a field's name before the path.
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// Puts a position in an array before the path.
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
