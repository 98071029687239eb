//! A readable range of a file, independent of the file's own position.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Reads a part of a file from an offset on. Sections of one file are independent of each other.
#[derive(Debug)]
pub(crate) struct Section {
    file: Arc<File>,
    /// Runs of stored bytes, the next one last.
    runs: Vec<Run>,
    /// The position of the next byte to read.
    at: u64,
    left: u64,
}

/// Bytes that are stored; everything between runs reads as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The position in the section.
    pub(crate) start: u64,
    /// The number of bytes.
    pub(crate) length: u64,
    /// The position in the file.
    pub(crate) offset: u64,
}

impl Section {
    /// A section of `length` contiguous bytes.
    pub(crate) fn new(file: Arc<File>, offset: u64, length: u64) -> Self {
        let run = Run {
            start: 0,
            length,
            offset,
        };
        Self::sparse(file, vec![run], length)
    }

    /// A section of `length` bytes of which only runs are stored, in ascending order and disjoint.
    pub(crate) fn sparse(file: Arc<File>, mut runs: Vec<Run>, length: u64) -> Self {
        runs.reverse();
        Section {
            file,
            runs,
            at: 0,
            left: length,
        }
    }

    /// The number of bytes still to be read.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }

    fn stored(&self, run: Run, buffer: &mut [u8]) -> io::Result<usize> {
        let into = self.at - run.start;
        let buffer = front(buffer, run.length - into);
        let got = self.file.read_at(buffer, run.offset + into)?;
        if got == 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends {} bytes early", self.left),
            ));
        }
        Ok(got)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self
            .runs
            .pop_if(|run| run.start + run.length <= self.at)
            .is_some()
        {}
        let buffer = front(buffer, self.left);
        let got = match self.runs.last() {
            Some(run) if run.start <= self.at => self.stored(*run, buffer)?,
            next => {
                let hole = next.map_or(self.left, |run| run.start - self.at);
                let buffer = front(buffer, hole);
                buffer.fill(0);
                buffer.len()
            }
        };
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// The first bytes of a buffer, at most `most`.
fn front(buffer: &mut [u8], most: u64) -> &mut [u8] {
    let length = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    buffer.get_mut(..length).unwrap_or_default()
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

    #[test]
    fn holes_are_zeros() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"xxabcdefyy").unwrap();
        let file = Arc::new(file);
        let run = |start, length, offset| Run {
            start,
            length,
            offset,
        };
        let runs = vec![run(2, 3, 2), run(5, 1, 5), run(9, 2, 6)];
        for piece in [1, 2, 100] {
            let mut section = Section::sparse(Arc::clone(&file), runs.clone(), 13);
            let mut all: Vec<u8> = Vec::new();
            let mut buffer = vec![1; piece];
            loop {
                let got = section.read(&mut buffer).unwrap();
                if got == 0 {
                    break;
                }
                all.extend(buffer.iter().take(got).copied());
            }
            assert_eq!(all, b"\0\0abcd\0\0\0ef\0\0");
            assert_eq!(section.len(), 0);
        }
    }
}
