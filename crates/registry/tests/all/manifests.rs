//! Manifests.

use layerhold_registry::{Problem, TagOrDigest, Task};

use crate::server::{Reply, Server};
use crate::support::{contents, open_server, problem, repository, sha256};

const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

fn tag(text: &str) -> TagOrDigest {
    text.parse().unwrap()
}

/// A server with one manifest.
fn server(change: impl Fn(Reply) -> Reply + Send + 'static) -> Server {
    open_server(move |_| {
        let reply = Reply::new(200).header(
            "Content-Type",
            "Application/vnd.oci.image.manifest.v1+json; charset=utf-8",
        );
        change(reply.body("{}"))
    })
}

#[test]
fn by_tag_and_by_digest() {
    let server = server(|reply| reply);
    let repository = repository(&server);
    let digest = sha256(b"{}");
    for name in [tag("1.0"), TagOrDigest::from(&digest)] {
        let manifest = repository.manifest(&name, &[TYPE, "a/b"]).unwrap();
        assert_eq!(manifest.bytes, b"{}");
        assert_eq!(manifest.media_type, TYPE);
        assert_eq!(manifest.digest, digest);
    }
    let expected = [
        "GET /v2/team/app/manifests/1.0".to_owned(),
        format!("GET /v2/team/app/manifests/{digest}"),
    ];
    assert_eq!(server.lines(), expected);
    let seen = server.seen().pop().unwrap();
    let accepted = seen.headers.iter().filter(|(name, _)| name == "accept");
    let accepted: Vec<&str> = accepted.map(|(_, value)| value.as_str()).collect();
    assert_eq!(accepted, [TYPE, "a/b"]);
}

#[test]
fn other_digests() {
    let name = TagOrDigest::from(sha256(b"other"));
    let right = TagOrDigest::from(sha256(b"{}"));
    let sha512 = format!("sha512:{}", "a".repeat(128));
    let found = problem(repository(&server(|reply| reply)).manifest(&name, &[]));
    let Problem::WrongDigest { expected, actual } = found else {
        panic!("{found:?}");
    };
    assert_eq!((expected, actual), (sha256(b"other"), sha256(b"{}")));
    for (said, by_digest, by_tag) in [
        (sha256(b"{}").to_string(), true, true),
        (sha256(b"other").to_string(), false, false),
        (sha512, true, true),
        ("nonsense".to_owned(), true, true),
    ] {
        let header = said.clone();
        let server = server(move |reply| reply.header("Docker-Content-Digest", &header));
        let repository = repository(&server);
        assert_eq!(
            repository.manifest(&right, &[]).is_ok(),
            by_digest,
            "{said}"
        );
        assert_eq!(
            repository.manifest(&tag("a"), &[]).is_ok(),
            by_tag,
            "{said}"
        );
    }
}

#[test]
fn large_ones_are_refused() {
    const LIMIT: usize = 4 * 1024 * 1024;
    for (size, is_read) in [(LIMIT, true), (LIMIT + 1, false)] {
        let server = server(move |reply| reply.body(contents(size)).chunked());
        let read = repository(&server).manifest(&tag("a"), &[]);
        assert_eq!(read.is_ok(), is_read);
        if !is_read {
            let found = problem(read);
            let is_right =
                matches!(found, Problem::TooLarge { limit, .. } if limit == LIMIT as u64);
            assert!(is_right, "{found:?}");
        }
    }
}

#[test]
fn missing_ones() {
    for (body, expected) in [
        ("", "manifest"),
        ("<html>", "manifest"),
        (r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#, "manifest"),
        (r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#, "name"),
    ] {
        let server = open_server(move |_| Reply::new(404).body(body));
        let repository = repository(&server);
        let error = repository.manifest(&tag("1"), &[]).unwrap_err();
        assert_eq!(*error.task(), Task::ReadManifest(tag("1")));
        let shown = error.to_string();
        assert_eq!(
            shown,
            format!("cannot read manifest 1 of {}/team/app", server.name())
        );
        let found = match error.problem() {
            Problem::ManifestUnknown(_) => "manifest",
            Problem::NameUnknown(_) => "name",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{body}");
        assert_eq!(repository.find_manifest(&tag("1"), &[]).unwrap(), None);
    }
}

#[test]
fn what_a_server_says_is_shown_without_control_characters() {
    let body = r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m","detail":"x"}]}"#;
    let server = open_server(move |_| Reply::new(418).body(body));
    let found = problem(repository(&server).manifest(&tag("1"), &[]));
    let name = server.name();
    assert_eq!(
        found.to_string(),
        format!("{name} answered with status 418, DENIED: no[31m")
    );
}

#[test]
fn descriptions() {
    let digest = sha256(b"{}");
    for (is_head_allowed, says_digest, requests) in [
        (true, true, 1),
        (true, false, 2),
        (false, true, 2),
        (false, false, 2),
    ] {
        let said = digest.to_string();
        let server = open_server(move |seen| {
            let reply = Reply::new(200).header("Content-Type", TYPE).body("{}");
            match seen.line.starts_with("HEAD") {
                true if !is_head_allowed => Reply::new(405),
                _ if says_digest => reply.header("Docker-Content-Digest", &said),
                _ => reply,
            }
        });
        let described = repository(&server).find_manifest(&tag("1"), &[TYPE]);
        let described = described.unwrap().unwrap();
        assert_eq!(described.digest, digest);
        assert_eq!((described.size, described.media_type.as_str()), (2, TYPE));
        assert_eq!(server.lines().len(), requests);
    }
}

#[test]
fn a_cut_manifest_is_read_again() {
    let mut count = 0;
    let server = open_server(move |_| {
        count += 1;
        match count {
            1 => Reply::none(),
            2 => Reply::new(200).body("{}").cut_after(1),
            _ => Reply::new(200).body("{}"),
        }
    });
    let manifest = repository(&server).manifest(&tag("1"), &[]).unwrap();
    assert_eq!(manifest.bytes, b"{}");
    assert_eq!(server.lines().len(), 3);
}
