//! One connection, plain or encrypted.

use std::fmt;
use std::io::{self, Read, Write};

use rustls::{ClientConnection, StreamOwned};
use ureq::Timeout;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::early;
use super::socket::Socket;

/// A connection with its buffers. `ureq` reads from a buffer of it into the caller's.
pub(crate) struct Wire {
    line: Line,
    buffers: LazyBuffers,
}

enum Line {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Wire {
    pub(crate) fn plain(socket: Socket, buffers: LazyBuffers) -> Self {
        Self {
            line: Line::Plain(socket),
            buffers,
        }
    }

    /// Takes over a connection whose handshake is done.
    pub(crate) fn tls(stream: StreamOwned<ClientConnection, Socket>, buffers: LazyBuffers) -> Self {
        Self {
            line: Line::Tls(Box::new(stream)),
            buffers,
        }
    }
}

impl Line {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Finds out whether the server answered, after an error of a write.
    fn early(&mut self, error: io::Error) -> io::Error {
        if !early::may_be_early(&error) {
            return error;
        }
        self.socket().set_limit(early::GRACE);
        match early::read(self) {
            Some(answer) => io::Error::other(answer),
            None => error,
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.line.socket().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        let written = self.line.write_all(output);
        written.map_err(|error| timed_out(self.line.early(error)))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.line.socket().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.line.read(input).map_err(timed_out)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.line.socket().is_open()
    }

    fn is_tls(&self) -> bool {
        matches!(self.line, Line::Tls(_))
    }
}

/// The only time limit that `ureq` knows of here is the one of the whole request.
fn timed_out(error: io::Error) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => ureq::Error::Timeout(Timeout::Global),
        _ => error.into(),
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Line::Plain(socket) => write!(f, "Wire({socket:?})"),
            Line::Tls(stream) => write!(f, "Wire(TLS, {:?})", stream.sock),
        }
    }
}
