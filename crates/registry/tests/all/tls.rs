//! TLS: certificates of servers and of clients.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use layerhold_registry::{
    CertificateError, Client, Endpoint, Login, Problem, RedirectError, Security, TagOrDigest,
};
use layerhold_testkit::{require_peer, scratch};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::server::{Reply, Server};
use crate::support::{contents, options, problem, read, sha256};

/// A certificate and its key, as PEM.
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Makes certificates that are signed by themselves, for one name.
fn self_signed(place: &Path, name: &str, options: &[&str]) -> Pair {
    let [certificate, key] = ["crt", "key"].map(|kind| place.join(format!("{name}.{kind}")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=registry",
        ])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", &format!("subjectAltName={name}"), "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .args(options)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Pair {
        certificate: std::fs::read(certificate).unwrap(),
        key: std::fs::read(key).unwrap(),
    }
}

/// The configuration of a server with a certificate, which wants one of clients too if it is given
/// their authority.
fn configuration(pair: &Pair, clients: Option<&Pair>) -> Arc<ServerConfig> {
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            let certificate = CertificateDer::from_pem_slice(&clients.certificate);
            roots.add(certificate.unwrap()).unwrap();
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(&pair.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&pair.key).unwrap();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

fn serving(pair: &Pair, clients: Option<&Pair>) -> Server {
    let config = configuration(pair, clients);
    Server::start_tls(config, |seen| match seen.line.contains("/blobs/") {
        true => Reply::new(200).body(contents(300_000)),
        false => Reply::new(200).body("{}"),
    })
}

/// Checks a registry, and says how that fails.
fn check(server: &Server, security: Security) -> Result<(), Problem> {
    let endpoint = Endpoint::new(&server.name()).with_security(security);
    let registry = Client::new(options()).registry(endpoint, None).unwrap();
    registry.check().map_err(|error| error.into_problem())
}

#[test]
fn peer_openssl_self_signed_certificates() {
    let Some(()) = require_peer("openssl") else {
        return;
    };
    let place = scratch();
    let pair = self_signed(place.path(), "IP:127.0.0.1", &[]);
    let other = self_signed(place.path(), "DNS:localhost", &[]);
    let leaf = self_signed(
        place.path(),
        "IP:127.0.0.1",
        &["-addext", "basicConstraints=CA:FALSE"],
    );
    let trusting = |pair: &Pair| Security::verified().with_authorities(pair.certificate.clone());
    for pair in [&pair, &leaf] {
        let server = serving(pair, None);
        check(&server, trusting(pair)).unwrap();
        check(
            &server,
            trusting(pair).with_authorities(other.certificate.clone()),
        )
        .unwrap();
        check(&server, Security::insecure()).unwrap();
        for security in [Security::verified(), trusting(&other)] {
            let found = check(&server, security).unwrap_err();
            assert!(matches!(found, Problem::Tls { .. }), "{found:?}");
        }
    }
    // A certificate for another name.
    let server = serving(&other, None);
    let found = check(&server, trusting(&other)).unwrap_err();
    assert!(matches!(found, Problem::Tls { .. }), "{found:?}");
}

#[test]
fn peer_openssl_client_certificates() {
    let Some(()) = require_peer("openssl") else {
        return;
    };
    let place = scratch();
    let pair = self_signed(place.path(), "IP:127.0.0.1", &[]);
    let client = self_signed(
        place.path(),
        "DNS:client",
        &["-addext", "basicConstraints=CA:FALSE"],
    );
    let server = serving(&pair, Some(&client));
    let trusting = Security::verified().with_authorities(pair.certificate.clone());
    let identified = |security: Security| {
        security.with_client_certificate(client.certificate.clone(), client.key.clone())
    };
    check(&server, identified(trusting.clone())).unwrap();
    check(&server, identified(Security::insecure())).unwrap();
    let found = check(&server, trusting).unwrap_err();
    let is_right = matches!(found, Problem::Tls { .. } | Problem::Cut { .. });
    assert!(is_right, "{found:?}");
}

#[test]
fn peer_openssl_client_certificates_stay_at_the_registry() {
    let Some(()) = require_peer("openssl") else {
        return;
    };
    let place = scratch();
    let pair = self_signed(place.path(), "IP:127.0.0.1", &[]);
    let leaf = ["-addext", "basicConstraints=CA:FALSE"];
    let client = self_signed(place.path(), "DNS:client", &leaf);
    let read_through = |other: Server| {
        let target = format!("https://{}/v2/a/blobs/x", other.name());
        let config = configuration(&pair, Some(&client));
        let server = Server::start_tls(config, move |seen| match seen.is("GET /v2/") {
            true => Reply::new(200),
            false => Reply::new(307).header("Location", &target),
        });
        let security = Security::verified()
            .with_authorities(pair.certificate.clone())
            .with_client_certificate(client.certificate.clone(), client.key.clone());
        let endpoint = Endpoint::new(&server.name()).with_security(security);
        let registry = Client::new(options()).registry(endpoint, None).unwrap();
        registry.repository("a").unwrap().blob(&sha256(b""), None)
    };
    read_through(serving(&pair, None)).unwrap();
    let found = problem(read_through(serving(&pair, Some(&client))));
    let is_right = matches!(found, Problem::Tls { .. } | Problem::Cut { .. });
    assert!(is_right, "{found:?}");
}

#[test]
fn peer_openssl_certificates_that_cannot_be_used() {
    let Some(()) = require_peer("openssl") else {
        return;
    };
    let place = scratch();
    let pair = self_signed(place.path(), "DNS:a", &[]);
    let other = self_signed(place.path(), "DNS:b", &[]);
    let junk = || b"junk".to_vec();
    let with = |security: Security| {
        let endpoint = Endpoint::new("a").with_security(security);
        let error = Client::new(options()).registry(endpoint, None).unwrap_err();
        assert_eq!(error.to_string(), "cannot use the certificates for a");
        error.source
    };
    let verified = Security::verified;
    let identified = |certificate: &[u8], key: &[u8]| {
        with(Security::insecure().with_client_certificate(certificate, key))
    };
    assert!(matches!(
        with(verified().with_authorities(junk())),
        CertificateError::Authority(_)
    ));
    let found = identified(&junk(), &pair.key);
    assert!(
        matches!(found, CertificateError::ClientCertificate(_)),
        "{found:?}"
    );
    let found = identified(&pair.certificate, &junk());
    assert!(matches!(found, CertificateError::ClientKey(_)), "{found:?}");
    let found = identified(&pair.certificate, &other.key);
    assert!(matches!(found, CertificateError::Mismatch(_)), "{found:?}");
}

#[test]
fn peer_openssl_blobs() {
    let Some(()) = require_peer("openssl") else {
        return;
    };
    let place = scratch();
    let server = serving(&self_signed(place.path(), "IP:127.0.0.1", &[]), None);
    let endpoint = Endpoint::new(&server.name()).with_security(Security::insecure());
    let registry = Client::new(options()).registry(endpoint, None).unwrap();
    let repository = registry.repository("a").unwrap();
    let digest = sha256(&contents(300_000));
    for _ in 0..3 {
        let blob = repository.blob(&digest, Some(300_000)).unwrap();
        assert_eq!(read(blob).unwrap(), contents(300_000));
    }
    let connections = server.seen().into_iter().map(|seen| seen.connection);
    assert_eq!(connections.collect::<Vec<_>>(), [0; 4]);
}

#[test]
fn peer_openssl_encrypted_requests_stay_encrypted() {
    let Some(()) = require_peer("openssl") else {
        return;
    };
    let place = scratch();
    let pair = self_signed(place.path(), "IP:127.0.0.1", &[]);
    let plain = Server::start(|seen| match seen.line.contains("/token") {
        true => Reply::new(200).body(r#"{"token":"t"}"#),
        false => Reply::new(200).body("{}"),
    });
    let address = format!("http://{}", plain.name());
    let config = configuration(&pair, None);
    let realm = format!(r#"Bearer realm="{address}/token""#);
    let server = Server::start_tls(config, move |seen| match seen.line.as_str() {
        "GET /v2/a/manifests/1" => Reply::new(302).header("Location", &format!("{address}/x")),
        "GET /v2/" => Reply::new(200),
        "POST /v2/a/blobs/uploads/" => Reply::new(202).header("Location", &address),
        "GET /v2/a/manifests/2" => Reply::new(401).header("WWW-Authenticate", &realm),
        line => panic!("{line}"),
    });
    let open = |security: Security| {
        let endpoint = Endpoint::new(&server.name()).with_security(security);
        let login = Some(Login::password("ann", "pw"));
        let registry = Client::new(options()).registry(endpoint, login).unwrap();
        registry.repository("a").unwrap()
    };
    let [one, two] = ["1", "2"].map(|tag| TagOrDigest::tag(tag).unwrap());
    let verified = open(Security::verified().with_authorities(pair.certificate.clone()));
    let uploaded = verified.upload(&sha256(b"a"), &b"a".to_vec(), &mut |_| ());
    let refused = [
        problem(verified.manifest(&one, &[])),
        problem(uploaded),
        problem(verified.manifest(&two, &[])),
    ];
    for found in refused {
        let is_right = matches!(
            found,
            Problem::Redirect {
                source: RedirectError::NotEncrypted(_),
                ..
            }
        );
        assert!(is_right, "{found:?}");
    }
    assert!(plain.seen().is_empty());
    open(Security::insecure()).manifest(&one, &[]).unwrap();
    assert_eq!(plain.seen()[0].header("authorization"), None);
}
