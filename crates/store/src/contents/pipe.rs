//! A bounded pipe from a writer on one thread to a reader on another.

use std::io;
use std::io::{BufRead, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use layerhold_sys::best_effort;

/// The bytes in one chunk.
const CHUNK_LEN: usize = 128 << 10;
/// The chunks that may be queued.
const MAX_QUEUED: usize = 8;

/// The writing end.
pub(crate) struct PipeWriter {
    pieces: SyncSender<io::Result<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    piece: Vec<u8>,
}

/// The reading end. Dropping it stops the writer.
pub(crate) struct PipeReader {
    pieces: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
}

/// Creates both ends.
pub(crate) fn pipe() -> (PipeWriter, PipeReader) {
    let (pieces, to_read) = sync_channel(MAX_QUEUED);
    let (empty, to_fill) = sync_channel(MAX_QUEUED + 2);
    (
        PipeWriter {
            pieces,
            empty: to_fill,
            piece: Vec::new(),
        },
        PipeReader {
            pieces: to_read,
            empty,
            piece: Vec::new(),
            read: 0,
        },
    )
}

impl PipeWriter {
    /// Sends the rest, and the error if there was one.
    pub(crate) fn finish(mut self, outcome: io::Result<()>) {
        let outcome = outcome.and_then(|()| self.flush());
        if let Err(error) = outcome {
            // This fails only if the reader is gone, which then needs no error.
            best_effort(self.pieces.send(Err(error)));
        }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.capacity() == 0 {
            self.piece = self.empty.try_recv().unwrap_or_default();
            self.piece.clear();
            self.piece.reserve(CHUNK_LEN);
        }
        let room = CHUNK_LEN.saturating_sub(self.piece.len()).max(1);
        let (now, _later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.piece.extend_from_slice(now);
        if self.piece.len() >= CHUNK_LEN {
            self.flush()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.pieces
            .send(Ok(piece))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl BufRead for PipeReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read >= self.piece.len()
            && let Ok(piece) = self.pieces.recv()
        {
            let used = std::mem::replace(&mut self.piece, piece?);
            self.read = 0;
            // This fails if the writer has ended, which then needs no more buffers.
            best_effort(self.empty.try_send(used));
        }
        Ok(self.piece.get(self.read..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.read = self.read.saturating_add(amount);
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() {
        let (mut writer, mut reader) = pipe();
        let sent: Vec<u8> = (0..5_000_000u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let expected = sent.clone();
        let thread = std::thread::spawn(move || {
            for part in sent.chunks(7777) {
                writer.write_all(part).unwrap();
            }
            writer.finish(Ok(()));
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        thread.join().unwrap();
        assert!(got == expected);
    }

    #[test]
    fn a_failure_comes_after_what_was_written() {
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"abc").unwrap();
        writer.flush().unwrap();
        writer.finish(Err(io::Error::other("broken")));
        let mut got = Vec::new();
        assert_eq!(
            reader.read_to_end(&mut got).unwrap_err().to_string(),
            "broken"
        );
        assert_eq!(got, b"abc");
    }

    #[test]
    fn a_reader_that_leaves_stops_the_writer() {
        let (mut writer, reader) = pipe();
        drop(reader);
        let error = writer.write_all(&vec![0; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
