//! The certificates of registries.

use layerhold_registries_conf::{CertificateData, Certificates, CertificatesError};

use crate::memory::{Memory, user};

const OF_USER: &str = "/home/u/.config/containers/certs.d/a.io:5000";
const ETC: &str = "/etc/containers/certs.d/a.io:5000";
const DOCKER: &str = "/etc/docker/certs.d/a.io:5000";

fn found(files: &Memory) -> Vec<String> {
    let found = Certificates::find("a.io:5000", &user(), files).unwrap();
    let authorities = found
        .authorities
        .iter()
        .map(|path| path.display().to_string());
    authorities.collect()
}

#[test]
fn the_first_directory_counts() {
    let mut files = Memory::default().file("/etc/containers/certs.d/a.io/other.crt", "");
    assert!(found(&files).is_empty());
    for directory in [DOCKER, ETC, OF_USER] {
        let (b, a) = (format!("{directory}/b.crt"), format!("{directory}/a.crt"));
        files = files
            .file(&b, "")
            .file(&a, "")
            .file(&format!("{directory}/README"), "");
        assert_eq!(found(&files), [a, b]);
    }
    // What this user cannot list hides the others; what cannot be reached does not.
    assert!(
        found(
            &Memory::default()
                .unreadable(OF_USER)
                .file(&format!("{ETC}/a.crt"), "")
        )
        .is_empty()
    );
    let reached = Memory::default()
        .unreachable(OF_USER)
        .file(&format!("{ETC}/a.crt"), "");
    assert_eq!(found(&reached).len(), 1);
}

#[test]
fn certificates_of_clients_have_keys() {
    let files = Memory::default()
        .file(&format!("{ETC}/c.cert"), "")
        .file(&format!("{ETC}/c.key"), "");
    let client = &Certificates::find("a.io:5000", &user(), &files)
        .unwrap()
        .clients[0];
    assert_eq!(
        client.certificate.display().to_string(),
        format!("{ETC}/c.cert")
    );
    assert_eq!(client.key.display().to_string(), format!("{ETC}/c.key"));

    let files = Memory::default().file(&format!("{ETC}/c.cert"), "");
    let error = Certificates::find("a.io:5000", &user(), &files).unwrap_err();
    let wanted = format!(
        "{ETC}/c.cert has no key {ETC}/c.key; certificates of authorities are called *.crt"
    );
    assert_eq!(error.to_string(), wanted);
    let files = Memory::default().file(&format!("{ETC}/c.key"), "");
    let error = Certificates::find("a.io:5000", &user(), &files).unwrap_err();
    assert!(
        matches!(error, CertificatesError::MissingCertificate { .. }),
        "{error:?}"
    );
}

#[test]
fn only_registries_have_certificates() {
    for text in ["..", "", "a/b", "."] {
        let error = Certificates::find(text, &user(), &Memory::default()).unwrap_err();
        assert!(
            matches!(error, CertificatesError::NotARegistry { .. }),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn files_are_read_and_keys_not_printed() {
    let load = |files: &Memory| Certificates::load("a.io:5000", &user(), files);
    assert_eq!(
        load(&Memory::default()).unwrap(),
        CertificateData::default()
    );
    let files = Memory::default()
        .file(&format!("{ETC}/a.crt"), "authority")
        .file(&format!("{ETC}/c.cert"), "certificate")
        .file(&format!("{ETC}/c.key"), "hunter2");
    let data = load(&files).unwrap();
    assert_eq!(data.authorities[0].bytes, b"authority");
    let (certificate, key) = &data.clients[0];
    assert_eq!(
        (&*certificate.bytes, &*key.bytes),
        (&b"certificate"[..], &b"hunter2"[..])
    );
    let shown = format!("{data:?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("c.key"),
        "{shown}"
    );

    let path = format!("{ETC}/a.crt");
    for files in [
        Memory::default().file(&path, &"x".repeat(1024 * 1024 + 1)),
        Memory::default().file(&path, "").unreadable(&path),
    ] {
        let error = load(&files).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read {path}"));
    }
}

#[test]
fn what_vanished_after_the_listing_is_missed_where_it_is_needed() {
    let files = Memory::default()
        .file(&format!("{ETC}/a.crt"), "")
        .file(&format!("{ETC}/c.cert"), "")
        .file(&format!("{ETC}/c.key"), "");
    let mut found = Certificates::find("a.io:5000", &user(), &files).unwrap();
    let clients = std::mem::take(&mut found.clients);
    assert_eq!(
        found.read(&Memory::default()).unwrap(),
        CertificateData::default()
    );
    found.clients = clients;
    let error = found.read(&Memory::default()).unwrap_err();
    assert!(matches!(error, CertificatesError::Read { .. }), "{error:?}");
}
