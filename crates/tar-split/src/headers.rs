use std::io::BufRead;

use layerhold_tar_format::{Event, Header, Limits, Parser};

use crate::SkeletonError;
use crate::skeleton::{FileEntry, Line, Skeleton};

/// Iterates over the tar headers in a tar-split file, without the content of files.
///
/// ```
/// use layerhold_tar_split::{Headers, Skeleton};
/// # fn names(gzip: &[u8]) -> Result<Vec<Vec<u8>>, layerhold_tar_split::SkeletonError> {
/// let mut headers = Headers::new(Skeleton::from_gzip(gzip));
/// let mut names = Vec::new();
/// while let Some((header, _file)) = headers.next_header()? {
///     names.push(header.name.clone());
/// }
/// # Ok(names)
/// # }
/// # let _ = names(&[]);
/// ```
#[derive(Debug)]
pub struct Headers<R> {
    skeleton: Skeleton<R>,
    parser: Parser,
}

impl<R: BufRead> Headers<R> {
    /// The headers of a tar-split file from its start.
    pub fn new(skeleton: Skeleton<R>) -> Self {
        Self::with_limits(skeleton, Limits::default())
    }

    /// Like [`new`](Self::new), with limits for the headers.
    pub fn with_limits(skeleton: Skeleton<R>, limits: Limits) -> Self {
        Self {
            skeleton,
            parser: Parser::with_limits(limits),
        }
    }

    /// The next header and its file's record; `None` after the last one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or its segments are not tar headers.
    pub fn next_header(&mut self) -> Result<Option<(&Header, FileEntry<'_>)>, SkeletonError> {
        let mut has_header = false;
        loop {
            match self.skeleton.advance()? {
                None => return Ok(None),
                Some(Line::Segment) => has_header |= self.read_segment()?,
                Some(Line::File { size, checksum }) => {
                    if !has_header && self.parser.unfinished_header().is_none() {
                        return Err(SkeletonError::NoHeader {
                            line: self.skeleton.line_number(),
                        });
                    }
                    self.parser.skip_payload();
                    let file = FileEntry {
                        name: &self.skeleton.bytes,
                        size,
                        checksum,
                    };
                    return Ok(Some((self.parser.header(), file)));
                }
            }
        }
    }

    /// Parses a segment; returns whether it completes a header.
    fn read_segment(&mut self) -> Result<bool, SkeletonError> {
        let line = self.skeleton.line_number();
        let mut rest = self.skeleton.bytes.as_slice();
        let mut has_header = false;
        while let Some(event) = self
            .parser
            .advance(&mut rest)
            .map_err(|source| SkeletonError::Header { line, source })?
        {
            has_header |= matches!(event, Event::Entry { .. });
        }
        Ok(has_header)
    }
}
