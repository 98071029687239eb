//! A client that shares no code with the proxy.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::FaultProxy;

/// What came back, up to the end of the connection.
#[derive(Debug)]
pub(super) struct Reply {
    /// 0 when there was no status line.
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The bytes behind the head.
    pub(super) body: Vec<u8>,
}

impl Reply {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = match end {
            Some(at) => (&bytes[..at], &bytes[at + 4..]),
            None => (bytes, &b""[..]),
        };
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let pairs = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or(0),
            headers: pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            body: body.to_vec(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter();
        let (_, value) = named.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body without the frames of a chunked transfer, and whether it has its last chunk.
    pub(super) fn unchunked(&self) -> (Vec<u8>, bool) {
        let (mut rest, mut body) = (&self.body[..], Vec::new());
        while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&rest[..at]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return (body, true);
            }
            body.extend_from_slice(&rest[at + 2..at + 2 + size]);
            rest = &rest[at + 2 + size + 2..];
        }
        (body, false)
    }
}

pub(super) fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).unwrap()
}

/// A request without headers and body, on a connection of its own.
pub(super) fn ask(proxy: &FaultProxy, method: &str, target: &str) -> Reply {
    send(proxy, method, target, &[], b"")
}

/// A request on a connection of its own; a body comes with its length.
pub(super) fn send(
    proxy: &FaultProxy,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &[u8],
) -> Reply {
    send_to(&proxy.address(), method, target, headers, body)
}

pub(super) fn send_to(
    address: &str,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &[u8],
) -> Reply {
    let mut connection = TcpStream::connect(address).unwrap();
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if !body.is_empty() || method == "PATCH" || method == "PUT" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "Accept: */*, application/vnd.oci.image.manifest.v1+json\r\n\r\n";
    connection.write_all(head.as_bytes()).unwrap();
    // A connection that is cut ends this early.
    layerhold_sys::best_effort(connection.write_all(body));
    read_all(&mut connection)
}

fn read_all(connection: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    layerhold_sys::best_effort(connection.read_to_end(&mut bytes));
    Reply::of(&bytes)
}

/// Gets a body whose length is known and leaves the connection open.
pub(super) fn ask_on(connection: &mut TcpStream, target: &str, length: usize) -> Vec<u8> {
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{accept}\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut bytes = read_head(connection);
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    bytes = vec![0; length];
    connection.read_exact(&mut bytes).unwrap();
    bytes
}

/// Reads up to the empty line.
pub(super) fn read_head(connection: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    bytes
}
