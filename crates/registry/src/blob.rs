//! Reading a blob, across cut connections.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use layerhold_ids::Digest;
use ureq::http::Method;
use ureq::http::header::{CONTENT_RANGE, RANGE};

use crate::error::{Problem, RegistryError, Task};
use crate::http::{Http, Request, Response};
use crate::parse::{Url, parse_content_range};
use crate::redirect::Route;
use crate::retry::Attempts;
use crate::session::{Access, Session};

/// The contents of a blob, as they come.
///
/// Reading goes on by itself after the connection was cut, where it stopped. The last read fails if
/// the size is another one than was expected. **The digest is not checked**: the caller hashes the
/// bytes, or reads through [`verified`](Self::verified).
pub struct Blob {
    source: Source,
    digest: Digest,
    place: String,
    size: Option<u64>,
    /// Bytes that the caller has.
    offset: u64,
    attempts: Attempts,
    state: State,
    /// Whether the server takes requests for a part.
    has_ranges: bool,
}

enum State {
    /// An answer, and how many bytes of it the caller already has.
    Open(Box<Response>, u64),
    Closed,
    /// All bytes were read.
    Done,
}

/// Where a blob comes from.
pub(crate) enum Source {
    Registry {
        session: Arc<Session>,
        access: Access,
        path: String,
    },
    /// An address outside of any registry, which is shown no credentials.
    Foreign { http: Http, url: Url },
}

impl Source {
    /// Asks for the blob, from an offset on if that is not 0.
    fn open(&self, from: u64, attempts: &Attempts) -> Result<Response, Problem> {
        let deadline = attempts.deadline();
        match self {
            Self::Registry {
                session,
                access,
                path,
            } => {
                let contact = session.contact(deadline)?;
                let request = Request::new(Method::GET, contact.url(path)?);
                session.send(&contact, access, deadline, ranged(request, from))
            }
            Self::Foreign { http, url } => {
                let request = Request::new(Method::GET, url.clone());
                let route = Route::outside(http, url);
                let response = route.send(&mut ranged(request, from), None, deadline)?;
                match response.status {
                    200..300 => Ok(response),
                    404 => Err(Problem::BlobUnknown(response.into_answer())),
                    _ => Err(Problem::Refused {
                        answer: response.into_answer(),
                        retry_after: None,
                    }),
                }
            }
        }
    }
}

fn ranged(request: Request<'_>, from: u64) -> Request<'_> {
    match from {
        0 => request,
        from => request.with_header(RANGE, format!("bytes={from}-")),
    }
}

impl Blob {
    /// Opens a blob: the registry has answered when this returns.
    pub(crate) fn open(
        source: Source,
        digest: &Digest,
        place: &str,
        size: Option<u64>,
        attempts: Attempts,
    ) -> Result<Self, RegistryError> {
        let mut blob = Self {
            source,
            digest: digest.clone(),
            place: place.to_owned(),
            size,
            offset: 0,
            attempts,
            state: State::Closed,
            has_ranges: true,
        };
        match blob.ensure_open() {
            Ok(()) => Ok(blob),
            Err(problem) => Err(blob.error(problem)),
        }
    }

    /// Returns the size: the one that was expected, else the one that the server tells, if it does.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the digest that was asked for.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The registry and the repository, or the host.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn error(&self, problem: Problem) -> RegistryError {
        RegistryError::new(Task::ReadBlob(self.digest.clone()), &self.place, problem)
    }

    /// Opens the blob at the offset, after pauses if need be.
    fn ensure_open(&mut self) -> Result<(), Problem> {
        while matches!(self.state, State::Closed) {
            match self.reopen() {
                Ok((response, skip)) => self.state = State::Open(Box::new(response), skip),
                Err(problem) if self.is_about_ranges(&problem) => self.has_ranges = false,
                Err(problem) => self.attempts.wait_after(problem)?,
            }
        }
        Ok(())
    }

    /// Whether a server refuses the request because it is one for a part.
    fn is_about_ranges(&self, problem: &Problem) -> bool {
        let status = problem.status();
        self.offset > 0 && self.has_ranges && matches!(status, Some(400 | 416 | 501))
    }

    fn reopen(&mut self) -> Result<(Response, u64), Problem> {
        let from = if self.has_ranges { self.offset } else { 0 };
        let response = self.source.open(from, &self.attempts)?;
        let skip = match response.status {
            206 if from > 0 => self.check_part(&response)?,
            206 => return Err(bad(&response, "a part of the blob instead of the whole")),
            200 => self.check_whole(&response)?,
            _ => return Err(bad(&response, "an answer without contents")),
        };
        Ok((response, skip))
    }

    /// Checks that an answer has the part that was asked for. Nothing of it has to be skipped.
    fn check_part(&mut self, response: &Response) -> Result<u64, Problem> {
        let range = response
            .header(&CONTENT_RANGE)
            .and_then(parse_content_range);
        let range = range.ok_or_else(|| bad(response, "a part without a valid Content-Range"))?;
        if range.first != self.offset {
            return Err(bad(response, "another part than was asked for"));
        }
        if let (Some(total), Some(size)) = (range.total, self.size)
            && total != size
        {
            return Err(wrong_size(size, total));
        }
        self.size = self.size.or(range.total);
        if response
            .content_length()
            .is_some_and(|length| Some(length) != range.length())
        {
            return Err(bad(response, "a length that contradicts Content-Range"));
        }
        Ok(0)
    }

    /// Checks the length of an answer that has the whole. What the caller has is skipped.
    fn check_whole(&mut self, response: &Response) -> Result<u64, Problem> {
        match (response.content_length(), self.size) {
            (Some(length), Some(size)) if length != size => return Err(wrong_size(size, length)),
            (length, size) => self.size = size.or(length),
        }
        Ok(self.offset)
    }

    /// Reads what comes next; nothing if it has to be skipped, or the connection was cut.
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        self.ensure_open()?;
        let left = self.size.map(|size| size.saturating_sub(self.offset));
        let State::Open(response, skip) = &mut self.state else {
            return Ok(0);
        };
        let wanted = match (*skip, left) {
            (0, None) => buffer.len(),
            // One byte more than the rest: there must be none.
            (0, Some(left)) => at_most(buffer.len(), left.max(1)),
            (skip, _) => at_most(buffer.len(), skip),
        };
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        match response.read(part) {
            Ok(0) => self.ended(),
            Ok(count) => self.came(count as u64),
            Err(error) => {
                let problem = response.problem(error);
                self.cut(problem)
            }
        }
    }

    /// Counts bytes, and returns how many of them are for the caller.
    fn came(&mut self, count: u64) -> Result<usize, Problem> {
        if let State::Open(_, skip) = &mut self.state
            && *skip > 0
        {
            *skip -= count.min(*skip);
            return Ok(0);
        }
        let offset = self.offset.saturating_add(count);
        if let Some(size) = self.size.filter(|size| offset > *size) {
            return Err(wrong_size(size, offset));
        }
        self.offset = offset;
        self.attempts.advanced(count);
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The answer is over: the blob too, or the connection was cut.
    fn ended(&mut self) -> Result<usize, Problem> {
        let is_whole = self.size.is_none_or(|size| self.offset == size);
        let skips = matches!(self.state, State::Open(_, skip) if skip > 0);
        if is_whole && !skips {
            self.state = State::Done;
            return Ok(0);
        }
        let State::Open(response, _) = &self.state else {
            return Ok(0);
        };
        let problem = response.problem(io::ErrorKind::UnexpectedEof.into());
        self.cut(problem)
    }

    /// Closes the connection, and waits until it may be opened again.
    fn cut(&mut self, problem: Problem) -> Result<usize, Problem> {
        if problem.is_temporary() && Some(self.offset) == self.size {
            // All is there, and the end of the answer does not matter.
            self.state = State::Done;
            return Ok(0);
        }
        self.state = State::Closed;
        self.attempts.wait_after(problem)?;
        Ok(0)
    }
}

impl Read for Blob {
    /// Reads into the buffer. Errors are [`RegistryError`]s inside of [`io::Error`]s.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && !matches!(self.state, State::Done) {
            match self.step(buffer) {
                Ok(0) => {}
                Ok(count) => return Ok(count),
                Err(problem) => {
                    self.state = State::Closed;
                    return Err(self.error(problem).into());
                }
            }
        }
        Ok(0)
    }
}

fn at_most(length: usize, limit: u64) -> usize {
    length.min(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn bad(response: &Response, what: &'static str) -> Problem {
    Problem::bad_answer(&response.host(), what)
}

fn wrong_size(expected: u64, actual: u64) -> Problem {
    Problem::WrongSize { expected, actual }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("digest", &self.digest)
            .field("place", &self.place)
            .field("size", &self.size)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
