//! Uploading a blob.
//!
//! An upload is begun (POST), filled (PATCH) and closed (PUT), as podman does it. What a server
//! does not take in one piece is sent in chunks, and then in the request that closes it. After a
//! failure the server is asked how much it has (GET), and the rest is sent; if it does not know,
//! the upload is begun again.

use layerhold_ids::Digest;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use ureq::http::{HeaderName, Method};

use crate::deadline::Deadline;
use crate::error::Problem;
use crate::http::{Payload, Request, Response};
use crate::location::Location;
use crate::manifest::said_digest;
use crate::manner::Manner;
use crate::parse::{Url, parse_upload_range};
use crate::presence;
use crate::retry::Attempts;
use crate::session::{Access, Contact, Missing};
use crate::source::{BlobSource, Outgoing};

/// The least size of chunks that a server wants.
const CHUNK_MIN: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// The largest least size that is honoured.
const LARGEST_CHUNK: u64 = 1 << 30;

/// One upload with all its attempts.
pub(crate) struct Upload<'u> {
    location: &'u Location,
    digest: &'u Digest,
    source: &'u dyn BlobSource,
    access: Access,
    attempts: Attempts,
    manner: Manner,
    least_chunk: u64,
    /// The most bytes that the server had.
    farthest: u64,
    /// Whether an attempt went on where another one stopped.
    is_resumed: bool,
}

/// What to do next.
enum Stage {
    Begin,
    /// The server has so many bytes, and waits for more at the address.
    Fill(Url, u64),
    /// A request failed, and what the server has is not known.
    Ask(Url),
    /// The request that closes the upload failed.
    Look(Url),
    Done,
}

impl<'u> Upload<'u> {
    pub(crate) fn new(
        location: &'u Location,
        digest: &'u Digest,
        source: &'u dyn BlobSource,
    ) -> Self {
        Self {
            location,
            digest,
            source,
            access: location.writing(Missing::Repository),
            attempts: location.session.attempts(),
            manner: location.session.manner(),
            least_chunk: 0,
            farthest: 0,
            is_resumed: false,
        }
    }

    pub(crate) fn run(mut self, progress: &mut dyn FnMut(u64)) -> Result<(), Problem> {
        let mut stage = Stage::Begin;
        loop {
            stage = match stage {
                Stage::Begin => self.begin()?,
                Stage::Fill(url, offset) => self.fill(url, offset, progress)?,
                Stage::Ask(url) => self.ask(url, progress)?,
                Stage::Look(url) => self.look(url)?,
                Stage::Done => return Ok(()),
            }
        }
    }

    /// Begins an upload.
    fn begin(&mut self) -> Result<Stage, Problem> {
        let path = self.location.uploads_path();
        let begun = self.request(|this, contact, deadline| {
            let request = Request::new(Method::POST, contact.url(&path)?);
            let request = request.with_payload(Payload::Bytes(b""));
            let session = &this.location.session;
            let response = session.send(contact, &this.access, deadline, request)?;
            let url = this.next_url(contact, &response)?;
            Ok((url, response))
        });
        match begun {
            Ok((Some(url), response)) => {
                let least = response
                    .header(&CHUNK_MIN)
                    .and_then(|text| text.parse().ok());
                self.least_chunk = least.unwrap_or(0).min(LARGEST_CHUNK);
                Ok(Stage::Fill(url, 0))
            }
            Ok((None, response)) => {
                let what = "an upload without an address";
                Err(Problem::bad_answer(&response.host(), what))
            }
            Err(problem) => {
                self.attempts.wait_after(problem)?;
                Ok(Stage::Begin)
            }
        }
    }

    /// Sends what the server does not have yet, or a chunk of it; closes the upload if it has all.
    fn fill(
        &mut self,
        url: Url,
        offset: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Stage, Problem> {
        let rest = self.source.size() - offset;
        if rest == 0 {
            return self.close(url, offset, progress);
        }
        let length = match self.manner {
            Manner::Whole if offset == 0 => return self.close(url, offset, progress),
            Manner::Whole | Manner::Stream => rest,
            Manner::Chunks(length) => rest.min(length.max(self.least_chunk)),
        };
        let is_chunk = offset > 0 || matches!(self.manner, Manner::Chunks(_));
        let sent = self.send(
            Method::PATCH,
            url.clone(),
            offset,
            length,
            is_chunk,
            progress,
        );
        match sent {
            Ok((next, response)) => self.filled(next.unwrap_or(url), offset + length, &response),
            Err(problem) => self.fill_failed(problem, url, offset),
        }
    }

    /// Takes note of what the server has after it took something.
    fn filled(&mut self, url: Url, sent: u64, response: &Response) -> Result<Stage, Problem> {
        let said = response.header(&RANGE).and_then(parse_upload_range);
        // Nothing is also said by servers that do not count.
        let has = said.filter(|has| *has > 0).unwrap_or(sent);
        if has > self.source.size() {
            let what = "a larger size of the upload than was sent";
            return Err(Problem::bad_answer(&response.host(), what));
        }
        self.advance(has);
        Ok(Stage::Fill(url, has))
    }

    fn advance(&mut self, has: u64) {
        if has > self.farthest {
            self.attempts.advanced(has - self.farthest);
            self.farthest = has;
        }
    }

    fn fill_failed(&mut self, problem: Problem, url: Url, offset: u64) -> Result<Stage, Problem> {
        match problem.status() {
            // Nothing was taken. The next request has another token.
            Some(401) => {
                self.attempts.wait_after_any(problem)?;
                Ok(Stage::Fill(url, offset))
            }
            Some(416) => {
                self.attempts.wait_after_any(problem)?;
                Ok(Stage::Ask(url))
            }
            Some(404) => {
                self.attempts.wait_after_any(problem)?;
                Ok(Stage::Begin)
            }
            Some(400) if offset > 0 => {
                self.attempts.wait_after_any(problem)?;
                Ok(Stage::Ask(url))
            }
            Some(400 | 405 | 411 | 413 | 415 | 501) => self.change_manner(problem),
            _ => {
                self.attempts.wait_after(problem)?;
                Ok(Stage::Ask(url))
            }
        }
    }

    /// Begins again in another manner. The first problem stands if there is none left.
    fn change_manner(&mut self, problem: Problem) -> Result<Stage, Problem> {
        let is_too_large = problem.status() == Some(413);
        match self.manner.next(is_too_large) {
            Some(manner) => {
                self.manner = manner;
                Ok(Stage::Begin)
            }
            None => Err(problem),
        }
    }

    /// Closes the upload, with the whole contents if they are to be sent in one request.
    fn close(
        &mut self,
        url: Url,
        offset: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Stage, Problem> {
        let length = self.source.size() - offset;
        let closing = url.clone().with_parameter("digest", self.digest.as_str());
        let closed = self.send(Method::PUT, closing, offset, length, false, progress);
        let problem = match closed {
            Ok((_, response)) => return self.closed(&response),
            Err(problem) => problem,
        };
        let is_invalid = problem
            .answer()
            .is_some_and(|answer| answer.has_code("DIGEST_INVALID"));
        match problem.status() {
            // A server that counted wrong after a cut is given the whole again.
            Some(400) if is_invalid && self.is_resumed => {
                self.attempts.wait_after_any(problem)?;
                self.is_resumed = false;
                Ok(Stage::Begin)
            }
            Some(400 | 405 | 411 | 413 | 415 | 501) if length > 0 && !is_invalid => {
                self.change_manner(problem)
            }
            Some(404) => {
                self.attempts.wait_after_any(problem)?;
                Ok(Stage::Begin)
            }
            Some(401) => {
                self.attempts.wait_after_any(problem)?;
                Ok(Stage::Fill(url, offset))
            }
            _ => {
                self.attempts.wait_after(problem)?;
                Ok(Stage::Look(url))
            }
        }
    }

    fn closed(&mut self, response: &Response) -> Result<Stage, Problem> {
        let said = said_digest(response);
        let said = said.filter(|said| said.algorithm() == self.digest.algorithm());
        match said {
            Some(actual) if actual != *self.digest => Err(Problem::WrongDigest {
                expected: self.digest.clone(),
                actual,
            }),
            _ => {
                self.location.session.set_manner(self.manner);
                Ok(Stage::Done)
            }
        }
    }

    /// Looks whether a blob is there, after the answer to the request that makes it was lost.
    fn look(&mut self, url: Url) -> Result<Stage, Problem> {
        match presence::find(self.location, self.digest)? {
            Some(size) if size == self.source.size() => Ok(Stage::Done),
            _ => Ok(Stage::Ask(url)),
        }
    }

    /// Asks how much of an upload the server has.
    fn ask(&mut self, url: Url, progress: &mut dyn FnMut(u64)) -> Result<Stage, Problem> {
        let asked = self.request(|this, contact, deadline| {
            let request = Request::new(Method::GET, url.clone());
            let session = &this.location.session;
            let response = session.send(contact, &this.access, deadline, request)?;
            let next = this.next_url(contact, &response)?;
            let has = response.header(&RANGE).and_then(parse_upload_range);
            Ok((next, has.unwrap_or(0)))
        });
        match asked {
            Ok((next, has)) if has > 0 && has <= self.source.size() => {
                if self.manner == Manner::Whole && has < self.source.size() {
                    return Ok(Stage::Begin);
                }
                self.is_resumed = true;
                self.advance(has);
                progress(has);
                Ok(Stage::Fill(next.unwrap_or(url), has))
            }
            // As good as nothing.
            Ok(_) => Ok(Stage::Begin),
            Err(problem) if matches!(problem.status(), Some(400 | 404 | 405 | 501)) => {
                Ok(Stage::Begin)
            }
            Err(problem) => {
                self.attempts.wait_after(problem)?;
                Ok(Stage::Ask(url))
            }
        }
    }

    /// Sends a part of the contents, and returns the address that follows.
    fn send(
        &self,
        method: Method,
        url: Url,
        offset: u64,
        length: u64,
        is_chunk: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Option<Url>, Response), Problem> {
        let mut part =
            Outgoing::new(self.source, offset, length, progress).map_err(Problem::Source)?;
        let sent = self.request(|this, contact, deadline| {
            let mut request = Request::new(method.clone(), url.clone())
                .with_header(CONTENT_TYPE, "application/octet-stream");
            if is_chunk {
                let range = format!("{offset}-{}", offset + length - 1);
                request = request.with_header(CONTENT_RANGE, range);
            }
            let request = match length {
                0 => request.with_payload(Payload::Bytes(b"")),
                length => request.with_payload(Payload::Stream(&mut part, length)),
            };
            let session = &this.location.session;
            let response = session.send(contact, &this.access, deadline, request)?;
            let next = this.next_url(contact, &response)?;
            Ok((next, response))
        });
        match (sent, part.into_failure()) {
            (Err(_), Some(failure)) => Err(Problem::Source(failure)),
            (sent, _) => sent,
        }
    }

    /// Does one request, without further attempts.
    fn request<T>(
        &self,
        work: impl FnOnce(&Self, &Contact, &Deadline) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let deadline = self.attempts.deadline();
        let contact = self.location.session.contact(deadline)?;
        work(self, &contact, deadline)
    }

    /// The address at which an upload goes on. Contents never go where they would be in the clear.
    fn next_url(&self, contact: &Contact, response: &Response) -> Result<Option<Url>, Problem> {
        let Some(text) = response.header(&LOCATION) else {
            return Ok(None);
        };
        let bad = |_| Problem::bad_answer(&response.host(), "a malformed address of an upload");
        let url = response.url.join(text).map_err(bad)?;
        self.location.session.check_encrypted(contact, &url)?;
        Ok(Some(url))
    }
}
