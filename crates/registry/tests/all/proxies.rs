//! HTTP proxies.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use layerhold_registry::{Problem, TagOrDigest};

use crate::server::Reply;
use crate::support::{contents, open_server, options, problem, read, registry_with, sha256};

/// Starts a proxy, and returns its address and the heads of the requests to it.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let kept = Arc::clone(&kept);
            thread::spawn(move || serve(stream.unwrap(), &kept));
        }
    });
    (address, heads)
}

/// Opens a tunnel, and passes bytes on in both directions.
fn serve(client: TcpStream, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return;
        }
    }
    let target = head.split(' ').nth(1).unwrap().to_owned();
    heads.lock().unwrap().push(head);
    let mut server = TcpStream::connect(target).unwrap();
    let mut client = client;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut back, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _copied = std::io::copy(&mut back, &mut to_client);
        let _closed = to_client.shutdown(std::net::Shutdown::Both);
    });
    let _copied = std::io::copy(&mut reader, &mut server);
    let _closed = server.shutdown(std::net::Shutdown::Both);
}

#[test]
fn requests_go_through_the_proxy() {
    let server = open_server(|_| Reply::new(200).body(contents(300_000)));
    let (address, heads) = proxy();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let options = options().proxy(move |origin| {
        noted.lock().unwrap().push(origin.to_owned());
        Some(format!("http://ann:pw@{address}"))
    });
    let repository = registry_with(&server, options, None)
        .repository("a")
        .unwrap();
    let blob = repository.blob(&sha256(b""), None).unwrap();
    assert_eq!(read(blob).unwrap(), contents(300_000));
    let name = server.name();
    let heads = heads.lock().unwrap();
    // The first one tried TLS.
    assert_eq!(heads.len(), 2, "{heads:?}");
    for head in heads.iter() {
        assert!(
            head.starts_with(&format!("CONNECT {name} HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(
            head.contains("Proxy-Authorization: Basic YW5uOnB3\r\n"),
            "{head}"
        );
    }
    let http = format!("http://{name}");
    let expected = [format!("https://{name}"), http.clone(), http];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn proxies_that_cannot_be_used() {
    let server = open_server(|_| Reply::new(200));
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let tag = TagOrDigest::tag("1").unwrap();
    for (proxy, is_address) in [
        ("", false),
        (&*format!("http://ann:secret@127.0.0.1:{port}"), true),
    ] {
        let chosen = proxy.to_owned();
        let options = options().proxy(move |_| Some(chosen.clone()));
        let repository = registry_with(&server, options, None)
            .repository("a")
            .unwrap();
        let error = repository.manifest(&tag, &[]).unwrap_err();
        let shown = format!("{error:?}");
        assert!(!shown.contains("secret"), "{shown}");
        let found = problem::<()>(Err(error));
        match is_address {
            true => assert!(matches!(found, Problem::Connect { .. }), "{found:?}"),
            false => assert!(matches!(found, Problem::BadProxy { .. }), "{found:?}"),
        }
    }
    assert!(server.seen().is_empty());
}
