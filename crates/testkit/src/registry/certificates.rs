//! An authority with a certificate for the server and one for clients, made by `openssl`.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::filesystem::scratch;
use crate::ran::run;

/// Files of an authority: the certificates are PEM text.
#[derive(Debug)]
struct Authority {
    ca: Vec<u8>,
    server: Pair,
    client: Pair,
}

#[derive(Debug)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The part of the registry's configuration below `http:`, for files that this writes into `place`.
pub(super) fn configuration(place: &Path, clients_too: bool) -> String {
    let authority = authority();
    write(place, "ca.crt", &authority.ca);
    write(place, "server.crt", &authority.server.certificate);
    write(place, "server.key", &authority.server.key);
    let place = place.display();
    let clients = if clients_too {
        format!("    clientcas: ['{place}/ca.crt']\n")
    } else {
        String::new()
    };
    format!(
        "  tls:\n    certificate: '{place}/server.crt'\n    key: '{place}/server.key'\n{clients}"
    )
}

/// Writes `certs.d` into `place`, for both addresses of the server.
pub(super) fn write_certs_d(place: &Path, port: u16, clients_too: bool) {
    let authority = authority();
    for host in ["127.0.0.1", "localhost"] {
        let directory = place.join(format!("certs.d/{host}:{port}"));
        std::fs::create_dir_all(&directory).expect("the place is writable");
        write(&directory, "ca.crt", &authority.ca);
        if clients_too {
            write(&directory, "client.cert", &authority.client.certificate);
            write(&directory, "client.key", &authority.client.key);
        }
    }
}

/// The authority of this process, made at the first use.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(make)
}

fn make() -> Authority {
    let place = scratch();
    let place = place.path();
    openssl(place, &new_key("ca", "/CN=testkit authority", &["-x509"]));
    Authority {
        server: signed(place, "server", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        client: signed(place, "client", "extendedKeyUsage=clientAuth"),
        ca: read(place, "ca.crt"),
    }
}

/// A key with a certificate of the authority in `place`.
fn signed(place: &Path, name: &str, extension: &str) -> Pair {
    let more = ["-x509", "-CA", "ca.crt", "-CAkey", "ca.key"];
    let usage = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let more = [&more[..], &["-addext", extension], &usage].concat();
    openssl(place, &new_key(name, &format!("/CN=testkit {name}"), &more));
    Pair {
        certificate: read(place, &format!("{name}.crt")),
        key: read(place, &format!("{name}.key")),
    }
}

/// Arguments of `openssl` that make `NAME.key` and `NAME.crt`.
fn new_key(name: &str, subject: &str, more: &[&str]) -> Vec<String> {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let files = ["-nodes", "-keyout", &key, "-out", &certificate];
    let rest = ["-days", "3650", "-subj", subject];
    let words = [&["req"], &kind[..], &files, &rest, more].concat();
    words.into_iter().map(str::to_owned).collect()
}

fn openssl(place: &Path, arguments: &[String]) {
    run(Command::new("openssl").args(arguments).current_dir(place)).assert_success();
}

fn read(place: &Path, name: &str) -> Vec<u8> {
    std::fs::read(place.join(name)).expect("openssl wrote it")
}

fn write(place: &Path, name: &str, content: &[u8]) {
    std::fs::write(place.join(name), content).expect("the place is writable");
}
