use std::io::{Read, Write};

use super::*;

/// Sends a request and reads this many bytes of what may never end.
fn read_some(proxy: &FaultProxy, target: &str, count: usize) -> String {
    let mut connection = client::connect(proxy);
    let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut bytes = vec![0; count];
    connection.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn peer_registry_requests_are_too_many() {
    let Some((_behind, proxy)) = start([
        Personality::TooManyRequests(RetryAfter::Seconds(7)).first(1),
        Personality::TooManyRequests(RetryAfter::Date(7)).first(1),
        Personality::TooManyRequests(RetryAfter::Missing).first(1),
    ]) else {
        return;
    };
    let reply = ask(&proxy, "GET", MANIFEST);
    assert_eq!(
        (reply.status, reply.header("Retry-After")),
        (429, Some("7"))
    );
    assert!(reply.text().contains("TOOMANYREQUESTS"));
    let reply = ask(&proxy, "GET", MANIFEST);
    let date = reply.header("Retry-After").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    let reply = ask(&proxy, "GET", MANIFEST);
    assert_eq!((reply.status, reply.header("Retry-After")), (429, None));
    assert_eq!(ask(&proxy, "GET", MANIFEST).status, 200);
}

#[test]
fn peer_registry_a_manifest_is_large() {
    let Some((_behind, proxy)) = start([Personality::LargeManifest(5 << 20)]) else {
        return;
    };
    let reply = ask(&proxy, "GET", MANIFEST);
    assert_eq!((reply.status, reply.body.len()), (200, 5 << 20));
    assert_eq!(reply.header("Content-Length"), Some("5242880"));
    let reply = ask(&proxy, "HEAD", MANIFEST);
    assert_eq!(reply.header("Content-Length"), Some("5242880"));
}

#[test]
fn peer_registry_a_body_never_ends() {
    let Some((behind, proxy)) = start([
        Personality::EndlessBody(200).into(),
        Personality::EndlessBody(500).on(Kind::Blob),
    ]) else {
        return;
    };
    for (target, status) in [(MANIFEST.to_owned(), "200"), (behind.blob(), "500")] {
        let text = read_some(&proxy, &target, 20 << 20);
        assert_eq!(text.split(' ').nth(1), Some(status));
        assert!(text.contains("Transfer-Encoding: chunked"));
    }
}

#[test]
fn peer_registry_headers_are_large_or_endless() {
    let Some((_behind, proxy)) = start([
        Personality::LargeHeader(100_000).on(Kind::Base),
        Personality::EndlessHeaders.on(Kind::Manifest),
    ]) else {
        return;
    };
    let reply = ask(&proxy, "GET", "/v2/");
    assert_eq!(reply.header("X-Large").map(str::len), Some(100_000));
    let text = read_some(&proxy, MANIFEST, 10 << 20);
    assert!(!text.contains("\r\n\r\n"));
    assert!(text.contains("\r\nX-Endless: xx"));
}
