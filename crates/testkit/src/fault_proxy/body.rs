//! Bodies of HTTP/1.1 messages: how their ends are told.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Write};

use super::message::{Headers, read_line};

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `Content-Length`; 0 when there is no body.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection is closed.
    Close,
}

impl Framing {
    /// The framing of a request.
    pub(super) fn of_request(headers: &Headers) -> Self {
        Self::told(headers).unwrap_or(Self::Length(0))
    }

    /// The framing of an answer to a request with `method`.
    pub(super) fn of_response(status: u16, method: &str, headers: &Headers) -> Self {
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Self::Length(0);
        }
        Self::told(headers).unwrap_or(Self::Close)
    }

    fn told(headers: &Headers) -> Option<Self> {
        if headers.has("Transfer-Encoding", "chunked") {
            return Some(Self::Chunked);
        }
        let length = headers.get("Content-Length")?.parse().ok()?;
        Some(Self::Length(length))
    }
}

/// Reads a body and nothing behind it.
#[derive(Debug)]
pub(super) struct BodyReader<R> {
    from: R,
    framing: Framing,
    /// What is left of the body, or of the chunk.
    left: u64,
    ended: bool,
}

impl<R: BufRead> BodyReader<R> {
    pub(super) fn new(from: R, framing: Framing) -> Self {
        let left = match framing {
            Framing::Length(length) => length,
            Framing::Chunked => 0,
            Framing::Close => u64::MAX,
        };
        Self {
            from,
            framing,
            left,
            ended: false,
        }
    }

    /// Begins the next chunk; the last one has no bytes.
    fn next_chunk(&mut self) -> Result<()> {
        let line = read_line(&mut self.from)?.ok_or(ErrorKind::UnexpectedEof)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(size, 16)
            .map_err(|_| Error::new(ErrorKind::InvalidData, "malformed chunk"))?;
        if self.left == 0 {
            // The trailer; nothing here needs its fields.
            while read_line(&mut self.from)?.is_some_and(|line| !line.is_empty()) {}
            self.ended = true;
        }
        Ok(())
    }

    fn read_part(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.from.read(&mut buffer[..most])?;
        self.left -= count as u64;
        if count == 0 && most > 0 {
            self.ended = true;
            if self.framing != Framing::Close {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(count)
    }
}

impl<R: BufRead> Read for BodyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let chunked = self.framing == Framing::Chunked;
        if chunked && self.left == 0 && !self.ended {
            self.next_chunk()?;
        }
        if self.ended || self.left == 0 {
            return Ok(0);
        }
        let count = self.read_part(buffer)?;
        if chunked && self.left == 0 {
            // The line break behind the chunk.
            read_line(&mut self.from)?;
        }
        Ok(count)
    }
}

/// Writes one piece of a body.
pub(super) fn write_piece(to: &mut impl Write, framing: Framing, piece: &[u8]) -> Result<()> {
    if framing != Framing::Chunked {
        return to.write_all(piece);
    }
    if piece.is_empty() {
        return Ok(());
    }
    to.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
    to.write_all(piece)?;
    to.write_all(b"\r\n")
}

/// Ends a body. `Close` is ended by closing the connection.
pub(super) fn write_end(to: &mut impl Write, framing: Framing) -> Result<()> {
    if framing == Framing::Chunked {
        to.write_all(b"0\r\n\r\n")?;
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], framing: Framing) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        BodyReader::new(bytes, framing).read_to_end(&mut body)?;
        Ok(body)
    }

    #[test]
    fn bodies_end_where_they_are_told_to() {
        assert_eq!(read(b"abcdef", Framing::Length(4)).unwrap(), b"abcd");
        assert_eq!(read(b"abcdef", Framing::Length(0)).unwrap(), b"");
        assert_eq!(read(b"abcdef", Framing::Close).unwrap(), b"abcdef");
        let chunks = b"2;x=y\r\nab\r\n3\r\ncde\r\n0\r\nTrailer: z\r\n\r\nrest";
        assert_eq!(read(chunks, Framing::Chunked).unwrap(), b"abcde");
    }

    #[test]
    fn bodies_that_end_early_are_errors() {
        for (bytes, framing) in [
            (&b"abc"[..], Framing::Length(4)),
            (b"4\r\nab", Framing::Chunked),
            (b"2\r\nab\r\n", Framing::Chunked),
            (b"zz\r\nab\r\n", Framing::Chunked),
        ] {
            assert!(read(bytes, framing).is_err());
        }
    }

    #[test]
    fn chunks_that_are_written_are_read() {
        let mut written = Vec::new();
        for piece in [&b"abc"[..], b"", b"de"] {
            write_piece(&mut written, Framing::Chunked, piece).unwrap();
        }
        write_end(&mut written, Framing::Chunked).unwrap();
        assert_eq!(read(&written, Framing::Chunked).unwrap(), b"abcde");
    }
}
