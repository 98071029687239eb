//! What several tests use.

use std::io::Read;
use std::time::Duration;

use layerhold_registry::layerhold_ids::Digest;
use layerhold_registry::{
    Blob, Client, ClientOptions, Endpoint, Login, Problem, Registry, RegistryError, Repository,
    Retries, Security,
};

use crate::server::{Reply, Seen, Server};

/// Options without pauses.
pub(crate) fn options() -> ClientOptions {
    let none = Duration::ZERO;
    let retries = Retries::default().with_attempts(3).with_pauses(none, none);
    ClientOptions::default().retries(retries)
}

pub(crate) fn registry_with(
    server: &Server,
    options: ClientOptions,
    login: Option<Login>,
) -> Registry {
    let endpoint = Endpoint::new(&server.name()).with_security(Security::insecure());
    Client::new(options).registry(endpoint, login).unwrap()
}

pub(crate) fn registry(server: &Server) -> Registry {
    registry_with(server, options(), None)
}

pub(crate) fn repository(server: &Server) -> Repository {
    registry(server).repository("team/app").unwrap()
}

/// A server that wants no credentials.
pub(crate) fn open_server(mut handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Server {
    Server::start(move |seen| match seen.is("GET /v2/") {
        true => Reply::new(200),
        false => handler(seen),
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::sha256(sha2::Sha256::digest(bytes).into())
}

/// Bytes that differ at any offset.
pub(crate) fn contents(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// Reads a blob to its end.
pub(crate) fn read(mut blob: Blob) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    match blob.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

/// The problem of an operation that has to fail.
pub(crate) fn problem<T>(done: Result<T, RegistryError>) -> Problem {
    match done {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error.into_problem(),
    }
}

/// The offset of a request for a part.
pub(crate) fn range_start(seen: &Seen) -> Option<usize> {
    let range = seen.header("range")?;
    let start = range.strip_prefix("bytes=").unwrap().strip_suffix('-');
    Some(start.unwrap().parse().unwrap())
}

/// A part of a body from an offset on, as a good server answers.
pub(crate) fn part(body: &[u8], start: usize) -> Reply {
    let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
    Reply::new(206)
        .header("Content-Range", &range)
        .body(&body[start..])
}
