//! Lists of tags.

use layerhold_registry::{Problem, RedirectError, RegistryError};

use crate::server::{Reply, Server};
use crate::support::{open_server, repository};

fn tags(server: &Server) -> Result<Vec<String>, RegistryError> {
    repository(server).tags().collect()
}

#[test]
fn pages_follow_links() {
    for link in [
        "?last=b",
        "/v2/team/app/tags/list?last=b",
        "list?last=b",
        "absolute",
    ] {
        let server = open_server(move |seen| {
            let host = seen.header("host").unwrap();
            let link = match link {
                "absolute" => format!("http://{host}/v2/team/app/tags/list?last=b"),
                link => link.to_owned(),
            };
            match seen.line.ends_with("?last=b") {
                true => Reply::new(200).body(r#"{"name":"x","tags":["c"]}"#),
                false => Reply::new(200)
                    .header("Link", &format!(r#"<{link}>; rel="next""#))
                    .body(r#"{"name":"x","tags":["a","b"]}"#),
            }
        });
        assert_eq!(tags(&server).unwrap(), ["a", "b", "c"], "{link}");
        let expected = [
            "GET /v2/team/app/tags/list",
            "GET /v2/team/app/tags/list?last=b",
        ];
        assert_eq!(server.lines(), expected);
    }
}

#[test]
fn lists_may_be_empty() {
    for body in [r#"{"name":"x","tags":null}"#, r#"{"tags":[]}"#, "{}"] {
        let server = open_server(move |_| Reply::new(200).body(body));
        assert!(tags(&server).unwrap().is_empty(), "{body}");
    }
}

#[test]
fn links_to_nowhere_are_refused() {
    for (link, expected) in [
        ("http://other.invalid/v2/team/app/tags/list", "other host"),
        ("//other.invalid/x", "other host"),
        ("", "a page that links to itself"),
        ("ftp://x", "a malformed link to the next page"),
    ] {
        let server = open_server(move |_| {
            Reply::new(200)
                .header("Link", &format!("<{link}>"))
                .body(r#"{"tags":["a"]}"#)
        });
        let problem = tags(&server).unwrap_err().into_problem();
        let found = match problem {
            Problem::Redirect {
                source: RedirectError::OtherHost(_),
                ..
            } => "other host",
            Problem::BadAnswer { what, .. } => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{link}");
    }
}

#[test]
fn a_list_that_fails_ends() {
    let server = open_server(|_| Reply::new(404));
    let mut tags = repository(&server).tags();
    let error = tags.next().unwrap().unwrap_err();
    assert!(
        matches!(error.problem(), Problem::NameUnknown(_)),
        "{error:?}"
    );
    assert!(tags.next().is_none());
    let server = open_server(|_| Reply::new(200).body("<html>"));
    let error = repository(&server).tags().next().unwrap().unwrap_err();
    assert!(
        matches!(error.problem(), Problem::BadAnswer { .. }),
        "{error:?}"
    );
}
