//! Manifests.

use layerhold_ids::{Algorithm, Digest};
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderName, Method};

use crate::deadline::Deadline;
use crate::error::Problem;
use crate::http::{Payload, Request, Response};
use crate::location::Location;
use crate::names::TagOrDigest;
use crate::session::{Contact, Missing};
use crate::verified::{Hasher, check_digest, sha256};

/// The largest manifest (Go: `MaxManifestBodySize`).
const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// The longest media type that is kept.
const LONGEST_MEDIA_TYPE: usize = 255;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A manifest as a registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The media type in the registry's answer, without parameters; empty if there is none.
    pub media_type: String,
    /// The digest of the bytes, computed here: with the algorithm that was asked for, else SHA-256.
    pub digest: Digest,
}

/// What a registry says of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// The media type, without parameters; empty if the registry does not say it.
    pub media_type: String,
}

pub(crate) fn read(
    repository: &Location,
    name: &TagOrDigest,
    accept: &[&str],
) -> Result<Manifest, Problem> {
    repository.session.retrying(|contact, deadline| {
        let response = ask(repository, contact, deadline, Method::GET, name, accept)?;
        let media_type = media_type(&response);
        let said = said_digest(&response);
        let host = response.host();
        let bytes = response.read_to_end(MAX_MANIFEST)?;
        let digest = match name.digest() {
            Some(asked) => check(&bytes, asked, said.as_ref())?,
            None => sha256(&bytes),
        };
        match said {
            Some(said)
                if said.algorithm() == Algorithm::Sha256
                    && said != digest
                    && name.digest().is_none() =>
            {
                Err(Problem::bad_answer(
                    &host,
                    "a manifest with another digest than it says",
                ))
            }
            _ => Ok(Manifest {
                bytes,
                media_type,
                digest,
            }),
        }
    })
}

/// Checks what was asked for by digest: the bytes, and what the registry says of them.
fn check(bytes: &[u8], asked: &Digest, said: Option<&Digest>) -> Result<Digest, Problem> {
    if let Some(said) = said.filter(|said| said.algorithm() == asked.algorithm())
        && said != asked
    {
        return Err(Problem::WrongDigest {
            expected: asked.clone(),
            actual: said.clone(),
        });
    }
    check_digest(bytes, asked)?;
    Ok(asked.clone())
}

pub(crate) fn find(
    repository: &Location,
    name: &TagOrDigest,
    accept: &[&str],
) -> Result<Option<Described>, Problem> {
    let asked = repository.session.retrying(|contact, deadline| {
        let response = ask(repository, contact, deadline, Method::HEAD, name, accept)?;
        let digest = said_digest(&response).or_else(|| name.digest().cloned());
        let size = response.content_length();
        let media_type = media_type(&response);
        Ok(digest.zip(size).map(|(digest, size)| Described {
            digest,
            size,
            media_type,
        }))
    });
    match asked {
        Ok(Some(described)) => Ok(Some(described)),
        Ok(None) => find_by_reading(repository, name, accept),
        Err(problem) if problem.is_not_found() => Ok(None),
        Err(problem) if is_head_refused(&problem) => find_by_reading(repository, name, accept),
        Err(problem) => Err(problem),
    }
}

fn find_by_reading(
    repository: &Location,
    name: &TagOrDigest,
    accept: &[&str],
) -> Result<Option<Described>, Problem> {
    match read(repository, name, accept) {
        Ok(manifest) => Ok(Some(Described {
            digest: manifest.digest,
            size: manifest.bytes.len() as u64,
            media_type: manifest.media_type,
        })),
        Err(problem) if problem.is_not_found() => Ok(None),
        Err(problem) => Err(problem),
    }
}

pub(crate) fn write(
    repository: &Location,
    name: &TagOrDigest,
    media_type: &str,
    bytes: &[u8],
) -> Result<(), Problem> {
    if let Some(digest) = name.digest() {
        check_digest(bytes, digest)?;
    }
    let access = repository.writing(Missing::Repository);
    repository.session.retrying(|contact, deadline| {
        let url = contact.url(&repository.manifest_path(name))?;
        let request = Request::new(Method::PUT, url)
            .with_header(CONTENT_TYPE, media_type)
            .with_payload(Payload::Bytes(bytes));
        let session = &repository.session;
        let response = session.send(contact, &access, deadline, request)?;
        if let Some(said) = said_digest(&response) {
            let mut hasher = Hasher::like(&said);
            hasher.update(bytes);
            if hasher.finish().is_some_and(|digest| digest != said) {
                let what = "the digest of another manifest than was written";
                return Err(Problem::bad_answer(&response.host(), what));
            }
        }
        // The connection can be used again once the body is read.
        let _read = response.into_answer();
        Ok(())
    })
}

/// Whether a server refuses `HEAD` as such.
pub(crate) fn is_head_refused(problem: &Problem) -> bool {
    matches!(problem.status(), Some(400 | 405 | 501))
}

fn ask(
    repository: &Location,
    contact: &Contact,
    deadline: &Deadline,
    method: Method,
    name: &TagOrDigest,
    accept: &[&str],
) -> Result<Response, Problem> {
    let url = contact.url(&repository.manifest_path(name))?;
    let mut request = Request::new(method, url);
    for media_type in accept {
        request = request.with_header(ACCEPT, *media_type);
    }
    let access = repository.reading(Missing::Manifest);
    repository.session.send(contact, &access, deadline, request)
}

/// The media type without parameters, as Go's `simplifyContentType`.
fn media_type(response: &Response) -> String {
    let value = response.header(&CONTENT_TYPE).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    match media_type.len() <= LONGEST_MEDIA_TYPE {
        true => media_type.to_ascii_lowercase(),
        false => String::new(),
    }
}

/// The digest that a registry says, if it says a valid one.
pub(crate) fn said_digest(response: &Response) -> Option<Digest> {
    response.header(&CONTENT_DIGEST)?.trim().parse().ok()
}
