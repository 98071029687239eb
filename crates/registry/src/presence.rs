//! Whether blobs exist, and blobs of other repositories.

use layerhold_ids::Digest;
use ureq::http::Method;

use crate::error::Problem;
use crate::http::{Payload, Request};
use crate::location::Location;
use crate::manifest::is_head_refused;
use crate::session::Missing;

/// Looks for a blob, and returns its size.
pub(crate) fn find(repository: &Location, digest: &Digest) -> Result<Option<u64>, Problem> {
    match ask(repository, digest, Method::HEAD) {
        Ok(Some(size)) => Ok(Some(size)),
        Err(problem) if problem.is_not_found() => Ok(None),
        Err(problem) if !is_head_refused(&problem) => Err(problem),
        // Without HEAD, or without a length in its answer: the body of GET is left unread.
        Ok(None) | Err(_) => match ask(repository, digest, Method::GET) {
            Ok(size) => Ok(size),
            Err(problem) if problem.is_not_found() => Ok(None),
            Err(problem) => Err(problem),
        },
    }
}

fn ask(repository: &Location, digest: &Digest, method: Method) -> Result<Option<u64>, Problem> {
    let access = repository.reading(Missing::Blob);
    repository.session.retrying(|contact, deadline| {
        let url = contact.url(&repository.blob_path(digest))?;
        let request = Request::new(method.clone(), url);
        let response = repository
            .session
            .send(contact, &access, deadline, request)?;
        Ok(response.content_length())
    })
}

/// Asks the registry to take a blob over from another repository; tells whether it did.
///
/// A registry that does not begins an upload instead, which is left to expire.
pub(crate) fn mount(repository: &Location, digest: &Digest, from: &str) -> Result<bool, Problem> {
    let mut access = repository.writing(Missing::Repository);
    access.scopes.push(format!("repository:{from}:pull"));
    let mounted = repository.session.retrying(|contact, deadline| {
        let url = contact.url(&repository.uploads_path())?;
        let url = url.with_parameter("mount", digest.as_str());
        let request = Request::new(Method::POST, url.with_parameter("from", from));
        let request = request.with_payload(Payload::Bytes(b""));
        let response = repository
            .session
            .send(contact, &access, deadline, request)?;
        Ok(response.status == 201)
    });
    match mounted {
        // There is no such blob, or no access to it: it has to be uploaded.
        Err(problem) if matches!(problem.status(), Some(400..=405)) => Ok(false),
        done => done,
    }
}
