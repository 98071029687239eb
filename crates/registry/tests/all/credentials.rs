//! Credentials and tokens.

use layerhold_registry::{Login, Problem, RegistryError, TagOrDigest};

use crate::server::{Reply, Seen, Server};
use crate::support::{options, problem, registry_with, sha256};

const BASIC: &str = "Basic YW5uOnB3";

fn ann() -> Option<Login> {
    Some(Login::password("ann", "pw"))
}

fn tag() -> TagOrDigest {
    TagOrDigest::tag("1").unwrap()
}

/// Checks credentials at a server.
fn check(server: &Server, login: Option<Login>) -> Result<(), RegistryError> {
    registry_with(server, options(), login).check()
}

/// A registry with a token server at the same address. Tokens are numbered; `accepts` says which
/// count.
fn with_tokens(accepts: impl Fn(&str, &Seen) -> bool + Send + 'static) -> Server {
    let mut count = 0;
    Server::start(move |seen| {
        if seen.line.contains(" /token") {
            count += 1;
            return Reply::new(200).body(format!(r#"{{"token":"t{count}"}}"#));
        }
        let host = seen.header("host").unwrap();
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="reg""#);
        let refused = Reply::new(401).header("WWW-Authenticate", &challenge);
        match seen
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
        {
            Some(token) if accepts(token, seen) => Reply::new(200).body("{}"),
            _ => refused,
        }
    })
}

#[test]
fn passwords() {
    let server = Server::start(|seen| match seen.header("authorization") {
        Some(BASIC) => Reply::new(200),
        _ => Reply::new(401)
            .header("WWW-Authenticate", "Negotiate")
            .header("WWW-Authenticate", r#"Basic realm="x""#),
    });
    check(&server, ann()).unwrap();
    let found = problem(check(&server, Some(Login::password("ann", "wrong"))));
    assert!(
        matches!(found, Problem::WrongCredentials { .. }),
        "{found:?}"
    );
    let found = problem(check(&server, Some(Login::identity_token("token"))));
    assert!(
        matches!(found, Problem::WrongCredentials { .. }),
        "{found:?}"
    );
    let found = problem(check(&server, None));
    assert!(matches!(found, Problem::LoginRequired { .. }), "{found:?}");
    let name = server.name();
    let expected = format!("{name} answered with status 401: log in to {name}, or check the name");
    assert_eq!(found.to_string(), expected);
}

#[test]
fn tokens_are_fetched_once_for_each_scope() {
    let server = with_tokens(|_, _| true);
    let registry = registry_with(&server, options(), ann());
    for path in ["a", "b"] {
        let repository = registry.repository(path).unwrap();
        for _ in 0..2 {
            repository.manifest(&tag(), &[]).unwrap();
        }
        repository.for_writing().find_blob(&sha256(b"")).unwrap();
    }
    let token =
        |scope: &str| format!("GET /token?account=ann&service=reg&scope=repository%3A{scope}");
    let lines = server.lines();
    let blob = format!("/v2/a/blobs/{}", sha256(b""));
    let expected = [
        token("a%3Apull"),
        "GET /v2/a/manifests/1".to_owned(),
        "GET /v2/a/manifests/1".to_owned(),
        token("a%3Apull%2Cpush"),
        format!("HEAD {blob}"),
        token("b%3Apull"),
    ];
    assert_eq!(lines[..6], expected);
    let tokens = server
        .seen()
        .into_iter()
        .filter(|seen| seen.line.contains("/token"));
    for seen in tokens {
        assert_eq!(seen.header("authorization"), Some(BASIC));
    }
}

#[test]
fn tokens_need_no_credentials() {
    let server = with_tokens(|_, _| true);
    let repository = registry_with(&server, options(), None)
        .repository("a")
        .unwrap();
    repository.manifest(&tag(), &[]).unwrap();
    assert_eq!(
        server.lines()[0],
        "GET /token?service=reg&scope=repository%3Aa%3Apull"
    );
    assert_eq!(server.seen()[1].header("authorization"), None);
}

#[test]
fn a_token_that_is_no_longer_accepted_is_renewed() {
    let server = with_tokens(|token, seen| token != "t1" || seen.line.ends_with("/1"));
    let repository = registry_with(&server, options(), ann())
        .repository("a")
        .unwrap();
    repository.manifest(&tag(), &[]).unwrap();
    repository
        .manifest(&TagOrDigest::tag("2").unwrap(), &[])
        .unwrap();
    let lines = server.lines();
    assert_eq!(
        lines[1..3],
        ["GET /v2/a/manifests/1", "GET /v2/a/manifests/2"]
    );
    assert!(lines[3].starts_with("GET /token"), "{lines:?}");
    assert_eq!(lines[4..], ["GET /v2/a/manifests/2"]);
}

#[test]
fn tokens_that_do_not_suffice() {
    let server = with_tokens(|_, _| false);
    for (login, is_denied) in [(ann(), true), (None, false)] {
        let repository = registry_with(&server, options(), login)
            .repository("a")
            .unwrap();
        let found = problem(repository.manifest(&tag(), &[]));
        assert_eq!(
            matches!(found, Problem::Denied { .. }),
            is_denied,
            "{found:?}"
        );
        assert_eq!(
            matches!(found, Problem::LoginRequired { .. }),
            !is_denied,
            "{found:?}"
        );
    }
}

#[test]
fn a_scope_that_the_registry_asks_for_is_added() {
    let mut count = 0;
    let server = Server::start(move |seen| {
        if seen.line.contains(" /token") {
            count += 1;
            return Reply::new(200).body(format!(r#"{{"access_token":"t{count}"}}"#));
        }
        let host = seen.header("host").unwrap();
        let scope = match seen.is("GET /v2/") {
            true => "",
            false => r#",error="insufficient_scope",scope="repository:a:pull,delete""#,
        };
        let challenge = format!(r#"Bearer realm="http://{host}/token"{scope}"#);
        match seen.header("authorization") {
            Some("Bearer t2") => Reply::new(200).body("{}"),
            _ => Reply::new(401).header("WWW-Authenticate", &challenge),
        }
    });
    let repository = registry_with(&server, options(), None)
        .repository("a")
        .unwrap();
    repository.manifest(&tag(), &[]).unwrap();
    let expected = "GET /token?scope=repository%3Aa%3Apull&scope=repository%3Aa%3Apull%2Cdelete";
    assert_eq!(server.lines()[2], expected);
}

#[test]
fn identity_tokens_are_exchanged() {
    let server = with_tokens(|_, _| true);
    let login = Some(Login::identity_token("refresh me"));
    let repository = registry_with(&server, options(), login)
        .repository("a")
        .unwrap();
    repository.manifest(&tag(), &[]).unwrap();
    let seen = server.seen().remove(1);
    assert_eq!(seen.line, "POST /token");
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        String::from_utf8(seen.body).unwrap(),
        "grant_type=refresh_token&client_id=containers%2Fimage&service=reg\
         &scope=repository%3Aa%3Apull&refresh_token=refresh%20me"
    );
}

#[test]
fn answers_of_token_servers() {
    let large = format!(r#"{{"token":"{}"}}"#, "a".repeat(1024 * 1024));
    let cases: [(Reply, &str); 6] = [
        (
            Reply::new(401).body(r#"{"details":"incorrect username or password pw"}"#),
            "wrong",
        ),
        (Reply::new(403), "wrong"),
        (Reply::new(404), "missing"),
        (Reply::new(200).body("{}"), "bad"),
        (Reply::new(200).body(r#"{"token":"a\r\nb"}"#), "bad"),
        (Reply::new(200).body(large), "large"),
    ];
    for (reply, expected) in cases {
        let shown = format!("{reply:.80?}");
        let server = Server::start(move |seen| {
            let host = seen.header("host").unwrap();
            let challenge = format!(r#"Bearer realm="http://{host}/token""#);
            match seen.line.starts_with("GET /token") {
                true => reply.clone(),
                false => Reply::new(401).header("WWW-Authenticate", &challenge),
            }
        });
        let error = check(&server, Some(Login::password("ann", "pw12"))).unwrap_err();
        let found = match error.problem() {
            Problem::WrongCredentials { .. } => "wrong",
            Problem::NameUnknown(_) => "missing",
            Problem::BadAnswer { .. } => "bad",
            Problem::TooLarge { .. } => "large",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{shown}");
    }
}

#[test]
fn secrets_that_a_server_repeats_are_not_shown() {
    let server = Server::start(|seen| {
        let shown = seen.header("authorization").unwrap_or_default();
        let body = format!(r#"{{"message":"no {shown} for hunter2"}}"#);
        match seen.header("authorization") {
            None => Reply::new(401).header("WWW-Authenticate", "Basic"),
            Some(_) => Reply::new(403).body(body),
        }
    });
    let error = check(&server, Some(Login::password("ann", "hunter2"))).unwrap_err();
    let name = server.name();
    let expected = format!(
        "{name} answered with status 403, no Basic … for …: \
         log in to {name} with an account that may do this, or check the name"
    );
    assert_eq!(error.problem().to_string(), expected);
}

#[test]
fn challenges_without_a_realm() {
    for challenge in [
        "Bearer",
        r#"Bearer realm="token""#,
        r#"Bearer realm="ftp://a""#,
    ] {
        let server = Server::start(move |_| Reply::new(401).header("WWW-Authenticate", challenge));
        let found = problem(check(&server, ann()));
        assert!(matches!(found, Problem::BadAnswer { .. }), "{found:?}");
    }
    for challenge in ["", "Negotiate"] {
        let server = Server::start(move |_| Reply::new(401).header("WWW-Authenticate", challenge));
        let found = problem(check(&server, ann()));
        assert!(
            matches!(found, Problem::WrongCredentials { .. }),
            "{found:?}"
        );
    }
}
