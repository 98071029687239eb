//! Attempts, pauses and limits of time.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use layerhold_registry::layerhold_sys::{Cancel, is_cancelled};
use layerhold_registry::{Client, Endpoint, Problem, Retries, Security, TagOrDigest};

use crate::server::{Reply, Server};
use crate::support::{
    contents, open_server, options, problem, read, registry_with, repository, sha256,
};

fn tag() -> TagOrDigest {
    TagOrDigest::tag("1").unwrap()
}

/// A server that answers in order, and with success after that.
fn answering(replies: Vec<Reply>) -> Server {
    let mut replies = replies.into_iter();
    open_server(move |_| replies.next().unwrap_or(Reply::new(200).body("{}")))
}

#[test]
fn what_may_go_away_is_tried_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = answering(vec![Reply::new(status); 2]);
        repository(&server).manifest(&tag(), &[]).unwrap();
        assert_eq!(server.lines().len(), 3, "{status}");
    }
    for status in [400, 403, 404, 405, 501] {
        let server = answering(vec![Reply::new(status); 2]);
        let found = problem(repository(&server).manifest(&tag(), &[]));
        assert_eq!(found.answer().unwrap().status, status);
        assert_eq!(server.lines().len(), 1, "{status}");
    }
}

#[test]
fn attempts_are_bounded() {
    let server = answering(vec![Reply::new(503); 9]);
    let found = problem(repository(&server).manifest(&tag(), &[]));
    assert!(matches!(found, Problem::Refused { .. }), "{found:?}");
    assert_eq!(server.lines().len(), 3);
    let server = answering(vec![Reply::new(503); 9]);
    let options = options().retries(Retries::none());
    let repository = registry_with(&server, options, None)
        .repository("a")
        .unwrap();
    assert!(repository.manifest(&tag(), &[]).is_err());
    assert_eq!(server.lines().len(), 1);
}

#[test]
fn a_long_retry_after_is_told() {
    let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}"#;
    let reply = move || Reply::new(429).header("Retry-After", "3600").body(body);
    let server = open_server(move |_| reply());
    let found = problem(repository(&server).manifest(&tag(), &[]));
    let Problem::TooManyRequests { retry_after, .. } = &found else {
        panic!("{found:?}");
    };
    assert_eq!(*retry_after, Some(Duration::from_secs(3600)));
    let expected = format!(
        "too many requests: {} answered with status 429, TOOMANYREQUESTS: pull rate limit; try again in 3600 seconds",
        server.name()
    );
    assert_eq!(found.to_string(), expected);
    assert_eq!(server.lines().len(), 1);
}

#[test]
fn a_short_retry_after_is_waited_for() {
    let server = answering(vec![Reply::new(503).header("Retry-After", "0"); 2]);
    repository(&server).manifest(&tag(), &[]).unwrap();
    assert_eq!(server.lines().len(), 3);
}

#[test]
fn silence_is_a_cut() {
    let options = || options().idle_timeout(Duration::from_millis(100));
    let body = contents(1000);
    let mut count = 0;
    let server = open_server(move |_| {
        count += 1;
        match count {
            1 => Reply::new(200).body(&*body).silent_after(0),
            2 => Reply::new(200).body(&*body).silent_after(400),
            _ => Reply::new(200).body(&*body),
        }
    });
    let repository = registry_with(&server, options(), None)
        .repository("a")
        .unwrap();
    let blob = repository.blob(&sha256(b""), Some(1000)).unwrap();
    assert_eq!(read(blob).unwrap(), contents(1000));
    let server = open_server(|_| Reply::new(200).body("ab").silent_after(1));
    let repository = registry_with(&server, options(), None)
        .repository("a")
        .unwrap();
    let found = problem(repository.manifest(&tag(), &[]));
    assert!(matches!(found, Problem::Idle { .. }), "{found:?}");
}

#[test]
fn the_total_time_ends_everything() {
    let server = open_server(|_| Reply::new(200).body("ab").silent_after(1));
    let options = options().total_time(Some(Duration::from_millis(200)));
    let repository = registry_with(&server, options, None)
        .repository("a")
        .unwrap();
    let found = problem(repository.manifest(&tag(), &[]));
    assert!(matches!(found, Problem::TotalTime { .. }), "{found:?}");
    let blob = repository.blob(&sha256(b""), None).unwrap();
    let found = problem(read(blob));
    assert!(matches!(found, Problem::TotalTime { .. }), "{found:?}");
}

#[test]
fn waits_can_be_cancelled() {
    let cancel = Cancel::new();
    let pauses = Retries::default().with_pauses(Duration::from_secs(600), Duration::from_secs(600));
    let options = || options().retries(pauses).cancel(cancel.clone());
    let silent = open_server(|_| Reply::new(200).body("ab").silent_after(1));
    let refusing = open_server(|_| Reply::new(503));
    let repositories = [&silent, &refusing].map(|server| {
        registry_with(server, options(), None)
            .repository("a")
            .unwrap()
    });
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let waiting = repositories
            .each_ref()
            .map(|repository| scope.spawn(|| repository.manifest(&tag(), &[]).unwrap_err()));
        while [&silent, &refusing]
            .iter()
            .any(|server| server.lines().is_empty())
        {
            std::thread::yield_now();
        }
        cancel.cancel();
        for waiting in waiting {
            let error = waiting.join().unwrap();
            assert!(is_cancelled(&error), "{error:?}");
        }
    });
    // The idle limit is 30 seconds, the pause half of ten minutes.
    assert!(begin.elapsed() < Duration::from_secs(25));
}

#[test]
fn a_server_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = Endpoint::new(&format!("127.0.0.1:{port}"));
    for security in [Security::verified(), Security::insecure()] {
        let endpoint = endpoint.clone().with_security(security);
        let registry = Client::new(options()).registry(endpoint, None).unwrap();
        let found = problem(registry.check());
        assert_eq!(
            found.to_string(),
            format!("cannot connect to 127.0.0.1:{port}")
        );
        assert!(matches!(found, Problem::Connect { .. }), "{found:?}");
    }
}

#[test]
fn names_that_are_no_hosts() {
    for name in ["", "a b", "a/b", "u@a", "a:b"] {
        let registry = Client::new(options())
            .registry(Endpoint::new(name), None)
            .unwrap();
        let found = problem(registry.check());
        assert!(
            matches!(found, Problem::BadHost { .. }),
            "{name}: {found:?}"
        );
    }
}
