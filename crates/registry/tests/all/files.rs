//! Small files of servers that are no registries.

use layerhold_registry::{Client, Problem};

use crate::server::{Reply, Server};
use crate::support::options;

fn client() -> Client {
    Client::new(options())
}

#[test]
fn a_file_is_read_or_is_not_there() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /here" => Reply::new(200).body("signature"),
        "GET /empty" => Reply::new(200),
        _ => Reply::new(404).body("no such file"),
    });
    let read = |path: &str| {
        let url = format!("http://{}/{path}", server.name());
        client().small_file(&url, 9).unwrap()
    };
    assert_eq!(read("here").as_deref(), Some(&b"signature"[..]));
    assert_eq!(read("empty").as_deref(), Some(&b""[..]));
    assert_eq!(read("missing"), None);
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization").is_none())
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /large?signature=secret" => Reply::new(200).body("0123456789"),
        _ => Reply::new(403).body("<Code>AccessDenied</Code>"),
    });
    let read = |path: &str| {
        let url = format!("http://{}/{path}?signature=secret", server.name());
        client().small_file(&url, 9).unwrap_err()
    };
    let error = read("large");
    assert!(
        matches!(error.problem(), Problem::TooLarge { .. }),
        "{error:?}"
    );
    let error = read("denied");
    assert!(
        matches!(error.problem(), Problem::Refused { .. }),
        "{error:?}"
    );
    let shown = format!("{error} {error:?} {}", error.problem());
    assert!(!shown.contains("secret"), "{shown}");
    for address in ["ftp://a.example/x", "file:///etc/passwd", "a.example", ""] {
        assert!(client().small_file(address, 9).is_err(), "{address:?}");
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let mut asked = 0;
    let server = Server::start(move |_| {
        asked += 1;
        match asked {
            1 | 2 => Reply::new(503),
            _ => Reply::new(200).body("late"),
        }
    });
    let url = format!("http://{}/file", server.name());
    let read = client().small_file(&url, 9).unwrap();
    assert_eq!(read.as_deref(), Some(&b"late"[..]));
    assert_eq!(server.lines().len(), 3);
}
