//! One connection of a client: requests in, answers out.

use std::io::{BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;

use super::answer::Answer;
use super::body::{BodyReader, Framing, write_end, write_piece};
use super::kept_uploads::KeptUploads;
use super::message::{Request, Response};
use super::record::{Entry, Log, Place};
use super::rules::{Covering, Plan, Rules};

/// Bytes that are moved at once: enough that system calls do not limit the speed.
const BUFFER: usize = 256 << 10;
/// The longest body that the token server reads.
const LONGEST_FORM: u64 = 64 << 10;

/// What connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) rules: Rules,
    pub(super) log: Log,
}

/// Serves a client until it closes the connection or the connection is cut.
pub(super) fn serve(shared: &Shared, place: Place, stream: TcpStream) -> Result<()> {
    // Small answers must not wait for more.
    stream.set_nodelay(true)?;
    let mut connection = Connection {
        shared,
        place,
        reader: BufReader::with_capacity(BUFFER, stream.try_clone()?),
        writer: stream,
        buffer: vec![0; BUFFER],
    };
    while connection.exchange()?.is_continue() {}
    Ok(())
}

struct Connection<'s> {
    shared: &'s Shared,
    place: Place,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    buffer: Vec<u8>,
}

/// Whether the client may send another request.
type Next = ControlFlow<()>;

/// A request on its way, with what covers it.
struct Exchange<'s> {
    request: Request,
    covering: Covering<'s>,
    entry: Entry,
}

impl<'s> Connection<'s> {
    fn exchange(&mut self) -> Result<Next> {
        let Some(request) = Request::read(&mut self.reader)? else {
            return Ok(Next::Break(()));
        };
        let shared = self.shared;
        let mut exchange = Exchange {
            covering: shared.rules.covering(self.place, &request),
            entry: shared.log.begin(self.place, &request),
            request,
        };
        match exchange.covering.take_answer() {
            Some(answer) => self.answer(&exchange, answer),
            None if self.place == Place::Tokens => self.issue_token(&exchange),
            None => match exchange.covering.kept_uploads() {
                Some(uploads) => self.keep_upload(&exchange, uploads),
                None => self.forward(&exchange),
            },
        }
    }

    /// Takes an upload, or a part of it, in the registry's place.
    fn keep_upload(&mut self, exchange: &Exchange<'_>, uploads: &KeptUploads) -> Result<Next> {
        let request = &exchange.request;
        if let Some(answer) = uploads.begin(request)? {
            return self.answer(exchange, answer);
        }
        let Some(kept) = uploads.of(request) else {
            return self.forward(exchange);
        };
        if kept.misses(request)? {
            return self.answer(exchange, kept.status(416)?);
        }
        self.let_body_come(request)?;
        let mut file = kept.append()?;
        let mut written = Ok(());
        let read = self.read_body(exchange, |piece| {
            written = std::mem::replace(&mut written, Ok(())).and_then(|()| file.write_all(piece));
        });
        read.and(written)?;
        let answer = match (request.method.as_str(), request.parameter("digest")) {
            ("PUT", Some(digest)) => kept.finish(digest, &self.shared.rules.places.upstream)?,
            ("GET" | "HEAD" | "DELETE", _) => kept.status(204)?,
            _ => kept.status(202)?,
        };
        self.send(exchange, answer.response, &mut answer.body.reader())
    }

    /// Tells a client that waits for it to send the body.
    fn let_body_come(&mut self, request: &Request) -> Result<()> {
        if request.headers.get("Expect").is_some() {
            self.writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        Ok(())
    }

    /// Answers by itself, after reading the body of the request.
    fn answer(&mut self, exchange: &Exchange<'_>, answer: Answer) -> Result<Next> {
        // A client that waits for "100 Continue" does not send its body.
        let waits = exchange.request.headers.get("Expect").is_some();
        if !waits {
            self.read_body(exchange, |_| ())?;
        }
        let next = self.send(exchange, answer.response, &mut answer.body.reader())?;
        Ok(if waits { Next::Break(()) } else { next })
    }

    fn issue_token(&mut self, exchange: &Exchange<'_>) -> Result<Next> {
        let mut form = Vec::new();
        let framing = Framing::of_request(&exchange.request.headers);
        BodyReader::new(&mut self.reader, framing)
            .take(LONGEST_FORM)
            .read_to_end(&mut form)?;
        let form = String::from_utf8_lossy(&form);
        let answer = self.shared.rules.issue_token(&exchange.request, &form);
        self.send(exchange, answer.response, &mut answer.body.reader())
    }

    /// Lets the registry answer.
    fn forward(&mut self, exchange: &Exchange<'_>) -> Result<Next> {
        let mut request = exchange.request.clone();
        exchange.covering.edit_request(&mut request);
        request.headers.set("Connection", "close");
        self.let_body_come(&request)?;
        request.headers.remove("Expect");
        let mut upstream = TcpStream::connect(&self.shared.rules.places.upstream)?;
        request.write(&mut upstream)?;
        let framing = Framing::of_request(&exchange.request.headers);
        // A registry may answer before it has the whole body, and read no more of it.
        let mut reads = true;
        self.read_body(exchange, |piece| {
            reads = reads && write_piece(&mut upstream, framing, piece).is_ok();
        })?;
        if reads {
            layerhold_sys::best_effort(write_end(&mut upstream, framing));
        }
        let mut reader = BufReader::with_capacity(BUFFER, upstream);
        let mut response = Response::read(&mut reader)?;
        while response.status < 200 {
            response = Response::read(&mut reader)?;
        }
        let method = &exchange.request.method;
        let framing = Framing::of_response(response.status, method, &response.headers);
        self.send(exchange, response, &mut BodyReader::new(reader, framing))
    }

    /// Reads the body of the request and counts it, up to a cut.
    fn read_body(&mut self, exchange: &Exchange<'_>, mut to: impl FnMut(&[u8])) -> Result<()> {
        let framing = Framing::of_request(&exchange.request.headers);
        let mut body = BodyReader::new(&mut self.reader, framing);
        let cutter = exchange.covering.upload_cutter();
        loop {
            let count = body.read(&mut self.buffer)?;
            if count == 0 {
                return Ok(());
            }
            let passed = cutter.map_or(count, |cutter| cutter.pass(count));
            exchange
                .entry
                .update(|record| record.received += passed as u64);
            to(&self.buffer[..passed]);
            if passed < count {
                return Err(cut(exchange));
            }
        }
    }

    /// Sends an answer, as the rules have it.
    fn send(
        &mut self,
        exchange: &Exchange<'_>,
        mut response: Response,
        body: &mut dyn Read,
    ) -> Result<Next> {
        let (request, covering) = (&exchange.request, &exchange.covering);
        covering.edit_response(request, &mut response);
        let framing = Framing::of_response(response.status, &request.method, &response.headers);
        let closes = framing == Framing::Close || request.headers.has("Connection", "close");
        response.headers.remove("Connection");
        if closes {
            response.headers.set("Connection", "close");
        }
        exchange
            .entry
            .update(|record| record.status = response.status);
        let plan = covering.plan(response.status);
        if plan.endless_headers {
            return self.send_headers_without_end();
        }
        response.write(&mut self.writer)?;
        if request.method != "HEAD" {
            self.send_body(exchange, framing, &plan, body)?;
        }
        Ok(if closes {
            Next::Break(())
        } else {
            Next::Continue(())
        })
    }

    fn send_body(
        &mut self,
        exchange: &Exchange<'_>,
        framing: Framing,
        plan: &Plan<'_>,
        body: &mut dyn Read,
    ) -> Result<()> {
        let mut at = 0;
        loop {
            let count = body.read(&mut self.buffer)?;
            if count == 0 {
                return write_end(&mut self.writer, framing);
            }
            let piece = &mut self.buffer[..count];
            plan.spoil(at, piece);
            let before_stall = plan.before_stall(at, count);
            let passed = plan
                .cutter
                .map_or(before_stall, |cutter| cutter.pass(before_stall));
            // Counted first, so that it is counted when the client has it.
            exchange.entry.update(|record| record.sent += passed as u64);
            write_piece(&mut self.writer, framing, &piece[..passed])?;
            if passed < before_stall {
                return Err(cut(exchange));
            }
            if passed < count {
                return self.wait_for_the_end();
            }
            at += count as u64;
        }
    }

    fn send_headers_without_end(&mut self) -> Result<Next> {
        self.writer.write_all(b"HTTP/1.1 200 Answer\r\n")?;
        let line = [b"X-Endless: ".as_slice(), &[b'x'; 1000], b"\r\n"].concat();
        let lines = line.repeat(100);
        loop {
            self.writer.write_all(&lines)?;
        }
    }

    /// Waits until the client closes the connection.
    fn wait_for_the_end(&mut self) -> Result<()> {
        while self.reader.read(&mut self.buffer)? > 0 {}
        Err(ErrorKind::ConnectionAborted.into())
    }
}

impl Plan<'_> {
    /// Changes the wrong byte if it is in the piece that begins at `at`.
    fn spoil(&self, at: u64, piece: &mut [u8]) {
        let inside = self.wrong_at.and_then(|wrong| wrong.checked_sub(at));
        let byte = inside.and_then(|index| piece.get_mut(usize::try_from(index).ok()?));
        if let Some(byte) = byte {
            *byte ^= 0xff;
        }
    }

    /// How many of the next `count` bytes come before the stall.
    fn before_stall(&self, at: u64, count: usize) -> usize {
        let left = self.stall_after.map(|after| after.saturating_sub(at));
        left.map_or(count, |left| {
            usize::try_from(left).map_or(count, |left| left.min(count))
        })
    }
}

fn cut(exchange: &Exchange<'_>) -> Error {
    exchange.entry.update(|record| record.cut = true);
    ErrorKind::ConnectionAborted.into()
}
