use std::io;

use layerhold_tar_format::ParseError;

use crate::Checksum;

/// Why an archive cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Two entries have the same cleaned path, so there is only one file for the content of both.
    /// Go refuses such archives too.
    #[error(
        "cannot record the archive: it has two entries named {}",
        String::from_utf8_lossy(name)
    )]
    DuplicateName {
        /// The second entry's name.
        name: Vec<u8>,
    },
    /// The destination could not be written.
    #[error("cannot write the tar-split data")]
    Output(#[source] io::Error),
}

impl RecordError {
    /// Whether the destination's filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Output(cause) if is_out_of_space(cause))
    }
}

fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl From<RecordError> for io::Error {
    fn from(error: RecordError) -> Self {
        let kind = match &error {
            RecordError::DuplicateName { .. } => io::ErrorKind::InvalidData,
            RecordError::Output(cause) => cause.kind(),
        };
        Self::new(kind, error)
    }
}

/// What is wrong with a JSON line.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(serde_json::Error);

impl JsonError {
    pub(crate) fn new(source: serde_json::Error) -> Self {
        Self(source)
    }
}

/// What is wrong with base64 text.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Base64Error(base64::DecodeError);

impl Base64Error {
    pub(crate) fn new(source: base64::DecodeError) -> Self {
        Self(source)
    }
}

/// Why a tar-split file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SkeletonError {
    /// The file could not be read or decompressed.
    #[error("cannot read the tar-split data")]
    Input(#[source] io::Error),
    /// A line is longer than the limit.
    #[error("line {line} of the tar-split data exceeds the limit of {limit} bytes")]
    LineTooLong {
        /// The line number, from 1.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A line is not a JSON object of the expected form.
    #[error("line {line} of the tar-split data is malformed")]
    Json {
        /// The line number, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: JsonError,
    },
    /// The payload or raw name of a line is not base64.
    #[error("line {line} of the tar-split data has bad base64")]
    Base64 {
        /// The line number, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: Base64Error,
    },
    /// A line has an unknown type.
    #[error("line {line} of the tar-split data has the unknown type {kind}")]
    Type {
        /// The line number, from 1.
        line: u64,
        /// The type; only 1 and 2 are known.
        kind: i64,
    },
    /// A file's checksum is not 8 bytes long.
    #[error("line {line} of the tar-split data has a checksum of {length} bytes")]
    ChecksumLength {
        /// The line number, from 1.
        line: u64,
        /// Its length in bytes.
        length: usize,
    },
    /// The segments are not tar headers.
    #[error("line {line} of the tar-split data has no valid tar header")]
    Header {
        /// The line number, from 1.
        line: u64,
        /// The tar parser's error.
        #[source]
        source: ParseError,
    },
    /// A file's line does not follow the segment with its header.
    #[error("line {line} of the tar-split data is a file without a header")]
    NoHeader {
        /// The line number, from 1.
        line: u64,
    },
}

/// Why an archive cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The tar-split file is damaged.
    #[error("cannot rebuild the archive from its tar-split data")]
    Skeleton(#[from] SkeletonError),
    /// A file's content cannot be opened.
    #[error("cannot open the content of {}", String::from_utf8_lossy(name))]
    Open {
        /// The name in the archive.
        name: Vec<u8>,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file's content cannot be read.
    #[error("cannot read the content of {}", String::from_utf8_lossy(name))]
    Read {
        /// The name in the archive.
        name: Vec<u8>,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file's length has changed.
    #[error(
        "the content of {} has {actual} bytes{}, but was recorded with {expected}",
        String::from_utf8_lossy(name),
        // A longer file is not read to its end.
        if actual > expected { " or more" } else { "" }
    )]
    Size {
        /// The name in the archive.
        name: Vec<u8>,
        /// The recorded length in bytes.
        expected: u64,
        /// Bytes found until reading stopped.
        actual: u64,
    },
    /// A file's content has changed.
    #[error(
        "the content of {} has the checksum {actual}, but was recorded with {expected}",
        String::from_utf8_lossy(name)
    )]
    Checksum {
        /// The name in the archive.
        name: Vec<u8>,
        /// The recorded checksum.
        expected: Checksum,
        /// The actual checksum.
        actual: Checksum,
    },
    /// A file is sparse in the archive, and Go's tar-split did not record its map.
    #[error(
        "cannot rebuild {}: its sparse map was not recorded",
        String::from_utf8_lossy(name)
    )]
    SparseMapMissing {
        /// The name in the archive.
        name: Vec<u8>,
    },
    /// The destination could not be written.
    #[error("cannot write the rebuilt archive")]
    Output(#[source] io::Error),
}

impl RebuildError {
    /// Whether the content of a file does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the destination's filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Output(cause) if is_out_of_space(cause))
    }
}

impl From<RebuildError> for io::Error {
    fn from(error: RebuildError) -> Self {
        let kind = match &error {
            RebuildError::Open { source, .. } | RebuildError::Read { source, .. } => source.kind(),
            RebuildError::Output(source) => source.kind(),
            RebuildError::Skeleton(SkeletonError::Input(source)) => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised() {
        let full = || io::Error::from(io::ErrorKind::QuotaExceeded);
        assert!(RecordError::Output(full()).is_out_of_space());
        assert!(RebuildError::Output(full()).is_out_of_space());
        let open = |source| RebuildError::Open {
            name: b"a".to_vec(),
            source,
        };
        assert!(!open(full()).is_out_of_space());
        assert!(!open(full()).is_not_found());
        assert!(open(io::ErrorKind::NotFound.into()).is_not_found());
    }
}
