//! A readable range of a file, independent of the file's own position.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Reads `len` bytes of a file from an offset on; several sections of one file do not disturb
/// each other.
#[derive(Debug)]
pub(crate) struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Section {
    pub(crate) fn new(file: Arc<File>, offset: u64, len: u64) -> Self {
        Section {
            file,
            offset,
            left: len,
        }
    }

    /// How many bytes are still to be read.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..want) else {
            return Ok(0);
        };
        if buffer.is_empty() {
            return Ok(0);
        }
        let got = self.file.read_at(buffer, self.offset)?;
        if got == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends {} bytes early", self.left),
            ));
        }
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn sections_of_one_file_are_independent() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = Arc::new(file);
        let mut first = Section::new(Arc::clone(&file), 2, 3);
        let mut second = Section::new(file, 4, 4);
        let mut one = [0; 1];
        first.read_exact(&mut one).unwrap();
        let mut rest = String::new();
        second.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "4567");
        rest.clear();
        first.read_to_string(&mut rest).unwrap();
        assert_eq!((one, rest.as_str()), ([b'2'], "34"));
    }

    #[test]
    fn a_short_file_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"01").unwrap();
        let mut section = Section::new(Arc::new(file), 1, 5);
        let error = section.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(section.len(), 4);
    }
}
