//! What is uploaded.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// The contents of a blob that is to be uploaded. They are opened again where an upload goes on
/// after a cut.
pub trait BlobSource {
    /// Returns the number of bytes.
    fn size(&self) -> u64;

    /// Opens the contents at an offset, which is at most the size.
    ///
    /// # Errors
    ///
    /// The contents cannot be read.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>>;
}

impl BlobSource for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(Box::new(self.get(offset..).unwrap_or_default()))
    }
}

impl BlobSource for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(Box::new(self.get(offset..).unwrap_or_default()))
    }
}

/// A regular file, from its beginning to its end as it is then. The position of the handle does not
/// matter and does not change.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
}

impl FileSource {
    /// Takes a file.
    ///
    /// # Errors
    ///
    /// The size of the file cannot be read.
    pub fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl BlobSource for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(At {
            file: &self.file,
            offset,
        }))
    }
}

/// Reads a file without moving its position.
struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

/// The part of a source that a request sends.
pub(crate) struct Outgoing<'s> {
    reader: Box<dyn Read + Send + 's>,
    /// The offset in the source.
    offset: u64,
    /// Bytes that are still to be sent.
    left: u64,
    progress: &'s mut dyn FnMut(u64),
    failure: Option<io::Error>,
}

impl<'s> Outgoing<'s> {
    pub(crate) fn new(
        source: &'s dyn BlobSource,
        offset: u64,
        length: u64,
        progress: &'s mut dyn FnMut(u64),
    ) -> io::Result<Self> {
        Ok(Self {
            reader: source.open_at(offset)?,
            offset,
            left: length,
            progress,
            failure: None,
        })
    }

    /// Returns why the source could not be read, if that is what ended the request.
    pub(crate) fn into_failure(self) -> Option<io::Error> {
        self.failure
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.failure = Some(error);
        kind.into()
    }
}

impl Read for Outgoing<'_> {
    /// Ends after the announced length. A source that ends earlier is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..most).unwrap_or_default();
        if part.is_empty() {
            return Ok(0);
        }
        match self.reader.read(part) {
            Ok(0) => Err(self.fail(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.left -= count as u64;
                self.offset += count as u64;
                (self.progress)(self.offset);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.fail(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_from_an_offset() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let file = FileSource::new(file).unwrap();
        let bytes = b"0123456789".to_vec();
        let slice: &[u8] = b"0123456789";
        for source in [&file as &dyn BlobSource, &bytes, &slice] {
            assert_eq!(source.size(), 10);
            for (offset, expected) in [(0, "0123456789"), (7, "789"), (10, "")] {
                let text = io::read_to_string(source.open_at(offset).unwrap()).unwrap();
                assert_eq!(text, expected);
            }
        }
    }

    #[test]
    fn a_part_is_sent_and_no_more() {
        let bytes = b"0123456789".to_vec();
        let mut sent = Vec::new();
        let mut note = |count| sent.push(count);
        let mut part = Outgoing::new(&bytes, 3, 4, &mut note).unwrap();
        assert_eq!(io::read_to_string(&mut part).unwrap(), "3456");
        assert!(part.into_failure().is_none());
        let mut part = Outgoing::new(&bytes, 8, 4, &mut note).unwrap();
        assert!(io::read_to_string(&mut part).is_err());
        let failure = part.into_failure().unwrap();
        assert_eq!(failure.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(sent, [7, 10]);
    }
}
