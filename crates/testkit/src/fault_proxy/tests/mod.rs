//! Each personality, seen by a client that knows nothing but TCP.

mod client;
mod clients;
mod downloads;
mod limits;
mod logins;
mod pages;
mod uploads;

use client::{Reply, ask, send};

use super::*;
use crate::filesystem::scratch;
use crate::image::{Image, Layer, MadeImage};
use crate::registry::Registry;
use crate::{TempDir, require_docker_registry};

/// A registry with one image of one layer of some 200,000 bytes, as `app:t`.
struct Behind {
    registry: Registry,
    made: MadeImage,
    _place: TempDir,
}

impl Behind {
    fn start() -> Option<Self> {
        require_docker_registry()?;
        let (place, registry) = (scratch(), Registry::start());
        let layer = Layer::file(200_000).entropy(100);
        let made = Image::new().layer(layer).make(place.path());
        registry.add(&made, "app", "t");
        Some(Self {
            registry,
            made,
            _place: place,
        })
    }

    fn proxy(&self, rules: impl IntoIterator<Item = Rule>) -> FaultProxy {
        let setup = FaultProxy::before(&self.registry.address());
        rules.into_iter().fold(setup, Setup::with).start()
    }

    /// The path of the layer.
    fn blob(&self) -> String {
        format!("/v2/app/blobs/{}", self.made.layers()[0].descriptor.digest)
    }

    fn blob_bytes(&self) -> Vec<u8> {
        self.registry.blob(&self.made.layers()[0].descriptor.digest)
    }

    fn manifest_bytes(&self) -> Vec<u8> {
        self.registry.blob(&self.made.descriptor().digest)
    }
}

/// Starts a registry and a proxy with these rules before it.
fn start<R: Into<Rule>>(rules: impl IntoIterator<Item = R>) -> Option<(Behind, FaultProxy)> {
    let behind = Behind::start()?;
    let proxy = behind.proxy(rules.into_iter().map(Into::into));
    Some((behind, proxy))
}

const MANIFEST: &str = "/v2/app/manifests/t";
const NO_RULES: [Rule; 0] = [];

#[test]
fn peer_registry_without_rules_everything_passes() {
    let Some((behind, proxy)) = start(NO_RULES) else {
        return;
    };
    let reply = ask(&proxy, "GET", &behind.blob());
    assert_eq!((reply.status, reply.body), (200, behind.blob_bytes()));
    let reply = ask(&proxy, "HEAD", &behind.blob());
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let length = behind.blob_bytes().len().to_string();
    assert_eq!(reply.header("Content-Length"), Some(length.as_str()));
    let reply = send(&proxy, "GET", &behind.blob(), &["Range: bytes=5-9"], b"");
    assert_eq!(
        (reply.status, &reply.body[..]),
        (206, &behind.blob_bytes()[5..10])
    );
    let reply = ask(&proxy, "GET", "/v2/app/manifests/none");
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains("MANIFEST_UNKNOWN"));
}

#[test]
fn peer_registry_what_passes_is_recorded() {
    let Some((behind, proxy)) = start(NO_RULES) else {
        return;
    };
    let (first, second) = (MANIFEST.to_owned(), behind.blob());
    send(&proxy, "GET", &first, &["X-Some: thing"], b"");
    ask(&proxy, "GET", &second);
    let records = proxy.requests();
    let lines: Vec<String> = records.iter().map(Record::line).collect();
    assert_eq!(lines, [format!("GET {first}"), format!("GET {second}")]);
    assert_eq!(records[0].header("x-some"), Some("thing"));
    assert_eq!(
        (records[0].kind, records[1].kind),
        (Kind::Manifest, Kind::Blob)
    );
    assert_eq!((records[1].status, records[1].received), (200, 0));
    assert_eq!(records[1].sent, behind.blob_bytes().len() as u64);
    let both = behind.blob_bytes().len() + behind.manifest_bytes().len();
    assert_eq!((proxy.bytes_sent(), proxy.cuts()), (both as u64, 0));
    proxy.forget();
    assert_eq!((proxy.requests().len(), proxy.bytes_sent()), (0, 0));
}

#[test]
fn peer_registry_a_connection_serves_several_requests() {
    let Some((behind, proxy)) = start(NO_RULES) else {
        return;
    };
    let mut connection = client::connect(&proxy);
    for (path, bytes) in [
        (MANIFEST.to_owned(), behind.manifest_bytes()),
        (behind.blob(), behind.blob_bytes()),
        (MANIFEST.to_owned(), behind.manifest_bytes()),
    ] {
        assert_eq!(client::ask_on(&mut connection, &path, bytes.len()), bytes);
    }
}

#[test]
fn peer_registry_rules_end_and_cover_kinds() {
    let Some((_behind, proxy)) = start([
        Personality::ServerError(503).on(Kind::Manifest).first(2),
        Personality::ServerError(500).on(Kind::Tags),
    ]) else {
        return;
    };
    let statuses = [(); 3].map(|()| ask(&proxy, "GET", MANIFEST).status);
    assert_eq!(statuses, [503, 503, 200]);
    let statuses = [(); 3].map(|()| ask(&proxy, "GET", "/v2/app/tags/list").status);
    assert_eq!(statuses, [500, 500, 500]);
    assert_eq!(ask(&proxy, "GET", "/v2/").status, 200);
}

#[test]
fn peer_registry_a_proxy_ends_with_its_handle() {
    let Some((_behind, proxy)) = start(NO_RULES) else {
        return;
    };
    let address = proxy.address();
    let mut connection = client::connect(&proxy);
    drop(proxy);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let mut rest = Vec::new();
    let ended = std::io::Read::read_to_end(&mut connection, &mut rest);
    assert!(ended.is_err() || rest.is_empty());
}

#[test]
fn a_registry_that_is_gone_ends_the_connection() {
    let port = address(&TcpListener::bind("127.0.0.1:0").unwrap()).port();
    let proxy = FaultProxy::before(&format!("127.0.0.1:{port}")).start();
    assert_eq!(ask(&proxy, "GET", "/v2/").status, 0);
    assert_eq!(proxy.requests()[0].status, 0);
}
