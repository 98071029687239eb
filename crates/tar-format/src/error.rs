use std::io;

/// Why a byte stream is not a tar archive. Offsets count from the start of the archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The checksum of a header block is wrong, so it is not a header.
    #[error("no tar header at offset {offset}: its checksum is wrong")]
    Checksum {
        /// Start of the block.
        offset: u64,
    },
    /// A number field has neither octal digits nor a base-256 number in range.
    #[error("bad number in field {field} of the tar header at offset {offset}")]
    Number {
        /// Start of the header block.
        offset: u64,
        /// The field's name.
        field: &'static str,
    },
    /// The size of an entry is negative.
    #[error("negative size {size} in the tar header at offset {offset}")]
    NegativeSize {
        /// Start of the header block.
        offset: u64,
        /// The size.
        size: i64,
    },
    /// An extension header or a sparse map is longer than the limit.
    #[error("extension of {size} bytes at offset {offset} exceeds the limit of {limit}")]
    TooLong {
        /// Where the extension starts.
        offset: u64,
        /// Its size, as far as it is known.
        size: u64,
        /// The exceeded limit; see [`Limits`](crate::Limits).
        limit: u64,
    },
    /// A PAX record is not of the form `LENGTH KEY=VALUE\n`.
    #[error("malformed PAX record at offset {offset}")]
    PaxRecord {
        /// Where the record starts.
        offset: u64,
    },
    /// A PAX record that overrides a header field has a malformed value.
    #[error("bad value of the PAX record {key} for the tar header at offset {offset}")]
    PaxValue {
        /// Start of the header block that the record belongs to.
        offset: u64,
        /// The record's key.
        key: &'static str,
    },
    /// A sparse map is malformed or does not match the payload.
    #[error("bad sparse map for the tar header at offset {offset}")]
    SparseMap {
        /// Start of the header block or of the map.
        offset: u64,
    },
    /// A zero block is followed by something else than a second one.
    #[error("a single zero block before offset {offset} is followed by more data")]
    LoneZeroBlock {
        /// Start of the block after the zero block.
        offset: u64,
    },
    /// The archive ends inside a header, an extension or a payload.
    #[error("the archive ends inside a {part} at offset {offset}")]
    Truncated {
        /// Where the archive ends.
        offset: u64,
        /// The incomplete part.
        part: &'static str,
    },
    /// The parser was used after an error.
    #[error("the tar parser already failed")]
    AlreadyFailed,
}

/// Why a [`Reader`](crate::Reader) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The archive is malformed.
    #[error("malformed tar archive")]
    Parse(#[from] ParseError),
    /// The source could not be read.
    #[error("cannot read the tar archive")]
    Source(#[source] io::Error),
    /// The sink failed.
    #[error("cannot record the tar archive")]
    Sink(#[source] io::Error),
}

impl ReadError {
    /// Whether the sink's filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Sink(cause) if is_out_of_space(cause))
    }
}

impl From<ReadError> for io::Error {
    /// Wraps the error, for reading content through [`io::Read`].
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Parse(ParseError::Truncated { .. }) => io::ErrorKind::UnexpectedEof,
            ReadError::Parse(_) => io::ErrorKind::InvalidData,
            ReadError::Source(cause) | ReadError::Sink(cause) => cause.kind(),
        };
        Self::new(kind, error)
    }
}

/// Why a header cannot be written, or an entry cannot be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Neither ustar nor PAX can represent the value of this field.
    #[error("cannot write the entry: neither ustar nor PAX can represent its {field}")]
    NotEncodable {
        /// The field's name.
        field: &'static str,
    },
    /// The PAX records of one header exceed the limit of readers.
    #[error("cannot write the entry: its PAX records of {size} bytes exceed the limit of {limit}")]
    RecordsTooLong {
        /// Their length in bytes.
        size: u64,
        /// The limit, 1 MiB.
        limit: u64,
    },
    /// The previous entry got less content than its header stated.
    #[error("cannot end the entry: {missing} bytes of its content are missing")]
    MissingContent {
        /// Number of missing bytes.
        missing: u64,
    },
    /// More content was written than the header stated.
    #[error("cannot write more content than the {size} bytes in the header")]
    TooMuchContent {
        /// The size in the header.
        size: u64,
    },
    /// The destination could not be written.
    #[error("cannot write the tar archive")]
    Destination(#[source] io::Error),
}

impl WriteError {
    /// Whether the destination's filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Destination(cause) if is_out_of_space(cause))
    }
}

fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        let kind = match &error {
            WriteError::Destination(cause) => cause.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let other = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(WriteError::Destination(full()).is_out_of_space());
        assert!(!WriteError::Destination(other()).is_out_of_space());
        assert!(ReadError::Sink(full()).is_out_of_space());
        // Not the disk that the archive is read from.
        assert!(!ReadError::Source(full()).is_out_of_space());
        assert!(!ReadError::Sink(other()).is_out_of_space());
    }
}
