//! Whether blobs exist, and blobs of other repositories.

use std::io;

use layerhold_ids::Digest;
use ureq::http::Method;
use ureq::http::header::{CONTENT_RANGE, RANGE};

use crate::error::Problem;
use crate::http::{Payload, Request, Response};
use crate::location::Location;
use crate::manifest::is_head_refused;
use crate::parse::{Url, parse_content_range};
use crate::session::Missing;

/// Looks for a blob, and returns its size.
pub(crate) fn find(location: &Location, digest: &Digest) -> Result<Option<u64>, Problem> {
    let head = ask(
        location,
        digest,
        |url| Request::new(Method::HEAD, url),
        |response| Ok(response.content_length()),
    );
    match head {
        Ok(Some(size)) => Ok(Some(size)),
        Err(problem) if problem.is_not_found() => Ok(None),
        Err(problem) if !is_head_refused(&problem) => Err(problem),
        Ok(None) | Err(_) => find_by_reading(location, digest),
    }
}

/// Asks for the first byte, because the size of the whole comes with it.
fn find_by_reading(location: &Location, digest: &Digest) -> Result<Option<u64>, Problem> {
    let first = |url| Request::new(Method::GET, url).with_header(RANGE, "bytes=0-0");
    let size = ask(location, digest, first, |response| {
        let part = response
            .header(&CONTENT_RANGE)
            .and_then(parse_content_range);
        match (response.status, part) {
            (206, Some(part)) => Ok(part.total),
            (206, None) => Ok(None),
            _ => Ok(response.content_length()),
        }
    });
    match size {
        Ok(Some(size)) => Ok(Some(size)),
        Err(problem) if problem.is_not_found() => Ok(None),
        // An empty blob has no first byte, and some servers have no ranges.
        Err(problem) if !matches!(problem.status(), Some(400 | 416 | 501)) => Err(problem),
        Ok(None) | Err(_) => count(location, digest).map(Some),
    }
}

/// Counts the bytes of a blob whose size the server does not tell.
fn count(location: &Location, digest: &Digest) -> Result<u64, Problem> {
    ask(
        location,
        digest,
        |url| Request::new(Method::GET, url),
        |mut response| {
            if let Some(size) = response.content_length() {
                return Ok(size);
            }
            let counted = io::copy(&mut response, &mut io::sink());
            counted.map_err(|error| response.problem(error))
        },
    )
}

fn ask<T>(
    location: &Location,
    digest: &Digest,
    request: impl Fn(Url) -> Request<'static>,
    answer: impl Fn(Response) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let access = location.reading(Missing::Blob);
    location.session.retrying(|contact, deadline| {
        let request = request(contact.url(&location.blob_path(digest))?);
        answer(location.session.send(contact, &access, deadline, request)?)
    })
}

/// Asks the registry to take a blob over from another repository; tells whether it did.
///
/// A registry that does not begins an upload instead, which is left to expire.
pub(crate) fn mount(location: &Location, digest: &Digest, from: &str) -> Result<bool, Problem> {
    let mut access = location.writing(Missing::Repository);
    access.scopes.push(format!("repository:{from}:pull"));
    let mounted = location.session.retrying(|contact, deadline| {
        let url = contact.url(&location.uploads_path())?;
        let url = url.with_parameter("mount", digest.as_str());
        let request = Request::new(Method::POST, url.with_parameter("from", from));
        let request = request.with_payload(Payload::Bytes(b""));
        let response = location.session.send(contact, &access, deadline, request)?;
        Ok(response.status == 201)
    });
    match mounted {
        // There is no such blob, or no access to it: it has to be uploaded.
        Err(problem) if matches!(problem.status(), Some(400..=405)) => Ok(false),
        done => done,
    }
}
