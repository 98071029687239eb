//! A socket whose waits can be cut short.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use layerhold_sys::{CANCEL_INTERVAL, Cancel};
use ureq::unversioned::transport::{NextTimeout, TransportAdapter};

/// What ends a wait.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    pub(crate) cancel: Cancel,
    pub(crate) connect: Duration,
    pub(crate) idle: Duration,
}

/// The peer was silent for as long as the idle limit. Found inside an [`io::Error`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("silent for too long")]
pub(crate) struct Silence;

/// A connection to a server, direct or through a proxy.
#[derive(Debug)]
pub(crate) struct Socket {
    line: Line,
    waits: Waits,
    /// When the request has to be done.
    deadline: Option<Instant>,
}

enum Line {
    Tcp(TcpStream),
    /// A tunnel through a proxy, whose own socket has the limits.
    Tunnel(Box<TransportAdapter>),
}

impl Socket {
    /// Takes over a connection.
    pub(crate) fn tcp(stream: TcpStream, waits: Waits) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CANCEL_INTERVAL))?;
        stream.set_write_timeout(Some(CANCEL_INTERVAL))?;
        Ok(Self {
            line: Line::Tcp(stream),
            waits,
            deadline: None,
        })
    }

    /// Takes over a tunnel.
    pub(crate) fn tunnel(adapter: TransportAdapter, waits: Waits) -> Self {
        Self {
            line: Line::Tunnel(Box::new(adapter)),
            waits,
            deadline: None,
        }
    }

    /// Sets the time that the request has left.
    pub(crate) fn set_timeout(&mut self, timeout: NextTimeout) {
        if let Line::Tunnel(tunnel) = &mut self.line {
            tunnel.set_timeout(timeout);
        }
        self.deadline = match timeout.after.is_not_happening() {
            true => None,
            false => Instant::now().checked_add(*timeout.after),
        };
    }

    /// Sets the time that a single wait has left.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.deadline = Instant::now().checked_add(limit);
    }

    /// Whether the peer still listens, and sent nothing that was not asked for.
    pub(crate) fn is_open(&mut self) -> bool {
        match &mut self.line {
            Line::Tunnel(tunnel) => tunnel.get_mut().is_open(),
            Line::Tcp(stream) => is_quiet(stream).unwrap_or(false),
        }
    }

    /// Repeats an attempt that gives up after a short while, until it succeeds or a limit is over.
    fn wait(
        &mut self,
        mut attempt: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Line::Tcp(stream) = &mut self.line else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let begin = Instant::now();
        loop {
            self.waits.cancel.check()?;
            match attempt(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
            if self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
            {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if begin.elapsed() >= self.waits.idle {
                return Err(io::Error::other(Silence));
            }
        }
    }
}

/// Looks at what comes next without waiting and without taking it.
fn is_quiet(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let next = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(next.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock))
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.line {
            Line::Tunnel(tunnel) => tunnel.read(buffer),
            Line::Tcp(_) => self.wait(|stream| stream.read(buffer)),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.line {
            Line::Tunnel(tunnel) => tunnel.write(bytes),
            Line::Tcp(_) => self.wait(|stream| stream.write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => write!(f, "{:?}", stream.peer_addr().ok()),
            Self::Tunnel(_) => f.write_str("tunnel"),
        }
    }
}
