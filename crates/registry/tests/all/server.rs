//! A server for tests: it answers as a function says, and notes what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as the server saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The method and the target, with a space between them.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the connection was closed before the whole body came.
    pub(crate) is_cut: bool,
    /// The number of the connection, from 0 on.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other == name)?;
        Some(&found.1)
    }

    pub(crate) fn is(&self, line: &str) -> bool {
        self.line == line
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// All of it, with a length.
    Whole,
    /// Without a length: the end of the connection is the end.
    Close,
    /// In chunks.
    Chunks,
    /// With the length of all, and only so many bytes.
    CutAfter(usize),
    /// Nothing more after so many bytes, and the connection stays.
    SilentAfter(usize),
    /// Nothing at all.
    Nothing,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            ending: Ending::Whole,
        }
    }

    /// Closes the connection without an answer.
    pub(crate) fn none() -> Self {
        Self::new(0).ending(Ending::Nothing)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_length(self) -> Self {
        self.ending(Ending::Close)
    }

    pub(crate) fn chunked(self) -> Self {
        self.ending(Ending::Chunks)
    }

    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        self.ending(Ending::CutAfter(bytes))
    }

    pub(crate) fn silent_after(self, bytes: usize) -> Self {
        self.ending(Ending::SilentAfter(bytes))
    }

    fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Writes it, and tells whether the connection stays.
    fn write(&self, stream: &mut dyn Write, has_body: bool) -> bool {
        if self.ending == Ending::Nothing {
            return false;
        }
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has_length = self
            .headers
            .iter()
            .any(|(name, _)| name == "Content-Length");
        match self.ending {
            Ending::Chunks => head.push_str("Transfer-Encoding: chunked\r\n"),
            Ending::Close => head.push_str("Connection: close\r\n"),
            _ if has_length || self.status == 204 => {}
            _ => head.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        let body = match self.ending {
            _ if !has_body => Vec::new(),
            Ending::CutAfter(count) | Ending::SilentAfter(count) => self.body[..count].to_vec(),
            Ending::Chunks => chunks(&self.body),
            _ => self.body.clone(),
        };
        bytes.extend_from_slice(&body);
        let is_sent = stream
            .write_all(&bytes)
            .and_then(|()| stream.flush())
            .is_ok();
        is_sent && matches!(self.ending, Ending::Whole | Ending::Chunks)
    }
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(1000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// What is done with the body of a request.
enum Bodies {
    /// Read, up to so many bytes where a function says so.
    Read(Box<BodyLimit>),
    /// Left unread: the answer comes first, and the connection is closed.
    Unread,
}

type Handler = dyn FnMut(&Seen) -> Reply + Send;
type BodyLimit = dyn Fn(&Seen) -> Option<usize> + Send + Sync;

/// The server. Its threads end with the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Mutex<Box<Handler>>,
    bodies: Bodies,
    seen: Mutex<Vec<Seen>>,
}

impl Server {
    pub(crate) fn start(handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::start_with_limit(handler, |_| None)
    }

    /// Answers requests by their heads alone. The connection is closed if there is a body.
    pub(crate) fn start_raw(handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::start_all(Box::new(handler), Bodies::Unread, None)
    }

    /// Closes the connection after so many bytes of a request's body, where `limit` says so. The
    /// handler gets what came, and its answer is not sent.
    pub(crate) fn start_with_limit(
        handler: impl FnMut(&Seen) -> Reply + Send + 'static,
        limit: impl Fn(&Seen) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        Self::start_all(Box::new(handler), Bodies::Read(Box::new(limit)), None)
    }

    /// Speaks TLS only.
    pub(crate) fn start_tls(
        config: Arc<ServerConfig>,
        handler: impl FnMut(&Seen) -> Reply + Send + 'static,
    ) -> Self {
        let bodies = Bodies::Read(Box::new(|_| None));
        Self::start_all(Box::new(handler), bodies, Some(config))
    }

    fn start_all(handler: Box<Handler>, bodies: Bodies, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            handler: Mutex::new(handler),
            bodies,
            seen: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let shared = Arc::clone(&served);
                let stream = stream.unwrap();
                let tls = tls.clone();
                thread::spawn(move || match tls {
                    None => shared.serve(stream, number),
                    Some(config) => {
                        let tls = ServerConnection::new(config).unwrap();
                        shared.serve(StreamOwned::new(tls, stream), number);
                    }
                });
            }
        });
        Self { port, shared }
    }

    /// The name as references have it.
    pub(crate) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The methods and targets of all requests so far, without those that find out what the
    /// registry wants.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.seen().into_iter().map(|seen| seen.line);
        lines.filter(|line| line != "GET /v2/").collect()
    }
}

/// A connection, plain or with TLS.
trait Connection: Read + Write {
    /// Sends nothing more.
    fn finish(&mut self);
}

impl Connection for TcpStream {
    fn finish(&mut self) {
        let _closed = self.shutdown(Shutdown::Write);
    }
}

impl Connection for StreamOwned<ServerConnection, TcpStream> {
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _sent = self.flush();
        self.sock.finish();
    }
}

impl Shared {
    fn serve(&self, stream: impl Connection, connection: usize) {
        let mut reader = BufReader::new(stream);
        while let Some(mut seen) = read_head(&mut reader) {
            seen.connection = connection;
            let length = body_length(&seen);
            let limit = match &self.bodies {
                Bodies::Read(limit) => limit(&seen),
                Bodies::Unread if length > 0 => {
                    let reply = (self.handler.lock().unwrap())(&seen);
                    reply.write(reader.get_mut(), true);
                    return;
                }
                Bodies::Unread => None,
            };
            let wanted = limit.map_or(length, |limit| limit.min(length));
            seen.body = vec![0; wanted];
            let is_read = reader.read_exact(&mut seen.body).is_ok();
            seen.is_cut = !is_read || wanted < length;
            self.seen.lock().unwrap().push(seen.clone());
            let reply = (self.handler.lock().unwrap())(&seen);
            if seen.is_cut {
                break;
            }
            let has_body = !seen.line.starts_with("HEAD ");
            if matches!(reply.ending, Ending::SilentAfter(_)) {
                reply.write(reader.get_mut(), has_body);
                // Until the client hangs up.
                let _end = reader.read(&mut [0]);
                return;
            }
            if !reply.write(reader.get_mut(), has_body) {
                break;
            }
        }
        reader.get_mut().finish();
        let mut rest = [0; 4096];
        while reader.read(&mut rest).is_ok_and(|count| count > 0) {}
    }
}

/// The first byte of a connection with TLS, which this server does not speak.
const TLS_HANDSHAKE: u8 = 0x16;

fn read_head(reader: &mut impl BufRead) -> Option<Seen> {
    if reader.fill_buf().ok()?.first() == Some(&TLS_HANDSHAKE) {
        return None;
    }
    let mut seen = Seen::default();
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let (request, _) = line.trim_end().rsplit_once(' ')?;
    seen.line = request.to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Some(seen);
        };
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        seen.headers.push(header);
    }
}

fn body_length(seen: &Seen) -> usize {
    assert_eq!(seen.header("transfer-encoding"), None, "{seen:?}");
    let length = seen.header("content-length");
    length.map_or(0, |length| length.parse().unwrap())
}
