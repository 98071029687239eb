//! Redirects, and what is never sent along.

use layerhold_registry::{Login, Problem, RedirectError, TagOrDigest};

use crate::server::{Reply, Server};
use crate::support::{
    contents, open_server, options, part, problem, range_start, read, registry_with, repository,
    sha256,
};

const SIZE: usize = 300_000;

/// A registry that wants a password, and redirects blobs to another server.
fn redirecting(other: &Server) -> Server {
    let target = format!("http://{}/data?signature=secret", other.name());
    Server::start(move |seen| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", r#"Basic realm="x""#),
        Some(_) if seen.is("GET /v2/") => Reply::new(200),
        Some(_) => Reply::new(307).header("Location", &target),
    })
}

#[test]
fn credentials_do_not_follow() {
    let body = contents(SIZE);
    let other = Server::start(move |seen| match range_start(seen) {
        None => Reply::new(200).body(&*body).cut_after(100_000),
        Some(start) => part(&body, start),
    });
    let server = redirecting(&other);
    let login = Some(Login::password("ann", "pw"));
    let repository = registry_with(&server, options(), login)
        .repository("a")
        .unwrap();
    let digest = sha256(&contents(SIZE));
    let blob = repository.blob(&digest, Some(SIZE as u64)).unwrap();
    assert_eq!(read(blob).unwrap(), contents(SIZE));
    // Each attempt asks the registry again, because a signature may be old by then.
    let line = format!("GET /v2/a/blobs/{digest}");
    assert_eq!(server.lines(), [line.as_str(), line.as_str()]);
    assert_eq!(other.lines(), ["GET /data?signature=secret"; 2]);
    let seen = other.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization").is_none())
    );
    assert_eq!(seen[1].header("range"), Some("bytes=100000-"));
}

#[test]
fn signatures_are_not_printed() {
    let other = Server::start(|_| Reply::new(403).body("<Code>AccessDenied</Code>"));
    let server = redirecting(&other);
    let login = Some(Login::password("ann", "pw"));
    let repository = registry_with(&server, options(), login)
        .repository("a")
        .unwrap();
    let error = repository.blob(&sha256(b""), None).unwrap_err();
    let shown = format!("{error} {error:?} {}", error.problem());
    assert!(
        !shown.contains("secret") && !shown.contains("pw"),
        "{shown}"
    );
    let expected = format!("{} answered with status 403", other.name());
    assert_eq!(error.problem().to_string(), expected);
    let shown = format!("{repository:?}");
    assert!(!shown.contains("pw"), "{shown}");
}

#[test]
fn redirects_within_the_registry_keep_credentials() {
    let server = Server::start(
        |seen| match (seen.header("authorization"), seen.line.as_str()) {
            (None, _) => Reply::new(401).header("WWW-Authenticate", "Basic"),
            (_, "GET /v2/a/manifests/1") => Reply::new(302).header("Location", "../manifests/2"),
            (_, "GET /v2/a/manifests/2") => Reply::new(200).body("{}"),
            _ => Reply::new(404),
        },
    );
    let login = Some(Login::password("ann", "pw"));
    let repository = registry_with(&server, options(), login)
        .repository("a")
        .unwrap();
    repository
        .manifest(&TagOrDigest::tag("1").unwrap(), &[])
        .unwrap();
    assert_eq!(
        server.seen().pop().unwrap().header("authorization"),
        Some("Basic YW5uOnB3")
    );
}

#[test]
fn redirects_that_are_not_followed() {
    let tag = TagOrDigest::tag("1").unwrap();
    let manifest = |location: Option<&'static str>| {
        let server = open_server(move |_| match location {
            Some(location) => Reply::new(301).header("Location", location),
            None => Reply::new(301),
        });
        let found = problem(repository(&server).manifest(&tag, &[]));
        (found, server.lines().len())
    };
    let (found, count) = manifest(Some("/x"));
    let is_right = matches!(
        found,
        Problem::Redirect {
            source: RedirectError::TooMany(10),
            ..
        }
    );
    assert!(is_right && count == 11, "{found:?} {count}");
    let (found, _) = manifest(Some("http://u:p@x/"));
    let is_right = matches!(
        found,
        Problem::Redirect {
            source: RedirectError::Url(_),
            ..
        }
    );
    assert!(is_right, "{found:?}");
    let (found, _) = manifest(None);
    assert!(matches!(found, Problem::BadAnswer { .. }), "{found:?}");
}
